"""Golden sentences that our front end reads otherwise than the official program, on purpose: why, and how.

The official defects stay reachable with `compat=True` (`tests/parity/test_text.py`).
"""

from typing import NamedTuple


class Exceptional(NamedTuple):
    why: str
    norm: str
    phones: str


EXCEPTIONS = {
    "en-016": Exceptional(
        why="a day of a month is a rank",
        norm="The meeting is on March fifteenth, twenty twenty-four.",
        phones=(
            "DH AH0 M IY1 T IH0 NG IH1 Z AA1 N M AA1 R CH F IH0 F T IY1 N TH , T W EH1 N T IY0 T W EH1 N T "
            "IY0 F AO2 R ."
        ),
    ),
    "en-017": Exceptional(
        why="dates are read as dates",
        norm="Today is March fifteenth, twenty twenty-four, or March fifteenth, twenty twenty-four.",
        phones=(
            "T AH0 D EY1 IH1 Z M AA1 R CH F IH0 F T IY1 N TH , T W EH1 N T IY0 T W EH1 N T IY0 F AO2 R , AO1"
            " R M AA1 R CH F IH0 F T IY1 N TH , T W EH1 N T IY0 T W EH1 N T IY0 F AO2 R ."
        ),
    ),
    "en-018": Exceptional(
        why='times: "oh five", and the half of the day without pauses, only where it is certain',
        norm="The train leaves at three oh five and arrives at three thirty P M.",
        phones=(
            "DH AH0 T R EY1 N L IY1 V Z AE1 T TH R IY1 OW1 F AY1 V AH0 N D ER0 AY1 V Z AE1 T TH R IY1 TH ER1"
            " D IY2 P IY1 EH1 M ."
        ),
    ),
    "en-019": Exceptional(
        why="times: no half of the day where it is not certain, and no lost commas",
        norm="Wake me up at six o'clock, twelve o'clock or twelve fifteen A M.",
        phones=(
            "W EY1 K M IY1 AH1 P AE1 T S IH1 K S AH0 K L AA1 K , T W EH1 L V AH0 K L AA1 K AO1 R T W EH1 L V"
            " F IH0 F T IY1 N EY1 EH1 M ."
        ),
    ),
    "en-021": Exceptional(
        why="a sum with a comma is not a year",
        norm=("He paid nine pounds and ninety-nine pence and one thousand, two hundred fifty pounds for the tickets."),
        phones=(
            "HH IY1 P EY1 D N AY1 N P AW1 N D Z AH0 N D N AY1 N T IY0 N AY1 N P EH1 N S AH0 N D W AH1 N TH "
            "AW1 Z AH0 N D , T UW1 HH AH1 N D R AH0 D F IH1 F T IY0 P AW1 N D Z F AO1 R DH AH0 T IH1 K AH0 T"
            " S ."
        ),
    ),
    "en-023": Exceptional(
        why='A at the start is the article; "thirty-four" is not guessed by a net',
        norm=(
            "A budget of one million, two hundred thirty-four thousand, five hundred sixty-seven dollars and"
            " eighty-nine cents was approved."
        ),
        phones=(
            "AH0 B AH1 JH IH0 T AH1 V W AH1 N M IH1 L Y AH0 N , T UW1 HH AH1 N D R AH0 D TH ER1 D IY2 F AO1 "
            "R TH AW1 Z AH0 N D , F AY1 V HH AH1 N D R AH0 D S IH1 K S T IY0 S EH1 V AH0 N D AA1 L ER0 Z AH0"
            " N D EY1 T IY0 N AY1 N S EH1 N T S W AA1 Z AH0 P R UW1 V D ."
        ),
    ),
    "en-024": Exceptional(
        why="a telephone number is read by its digits",
        norm="Call me at five five five, one two three, four five six seven after lunch.",
        phones=(
            "K AO1 L M IY1 AE1 T F AY1 V F AY1 V F AY1 V , W AH1 N T UW1 TH R IY1 , F AO1 R F AY1 V S IH1 K "
            "S S EH1 V AH0 N AE1 F T ER0 L AH1 N CH ."
        ),
    ),
    "en-025": Exceptional(
        why="km/h is a unit",
        norm="The road is twelve point five kilometers long and the limit is sixty kilometers per hour.",
        phones=(
            "DH AH0 R OW1 D IH1 Z T W EH1 L V P OY1 N T F AY1 V K AH0 L AA1 M AH2 T ER0 Z L AO1 NG AH0 N D "
            "DH AH0 L IH1 M AH0 T IH1 Z S IH1 K S T IY0 K AH0 L AA1 M AH2 T ER0 Z P ER1 AW1 ER0 ."
        ),
    ),
    "en-033": Exceptional(
        why="the sign * is read",
        norm="two plus two equals four and ten times five equals fifty.",
        phones=(
            "T UW1 P L AH1 S T UW1 IY1 K W AH0 L Z F AO1 R AH0 N D T EH1 N T AY1 M Z F AY1 V IY1 K W AH0 L Z"
            " F IH1 F T IY0 ."
        ),
    ),
    "en-035": Exceptional(
        why="titles and streets are written out, without pauses",
        norm="Doctor Smith and Mister Jones met Mrs Brown on Saint James Street.",
        phones=(
            "D AA1 K T ER0 S M IH1 TH AH0 N D M IH1 S T ER0 JH OW1 N Z M EH1 T M IH1 S IH0 Z B R AW1 N AA1 N"
            " S EY1 N T JH EY1 M Z S T R IY1 T ."
        ),
    ),
    "en-036": Exceptional(
        why="NASA is a word",
        norm="The C E O of I B M uses a G P U, an A P I and the NASA website.",
        phones=(
            "DH AH0 S IY1 IY1 OW1 AH1 V AY1 B IY1 EH1 M Y UW1 Z IH0 Z AH0 JH IY1 P IY1 Y UW1 , AE1 N EY1 P "
            "IY1 AY1 AH0 N D DH AH0 N AE1 S AH0 W EH1 B S AY2 T ."
        ),
    ),
    "en-038": Exceptional(
        why="initials have no pauses inside",
        norm="U S and U K officials met at five P M in D C.",
        phones=(
            "Y UW1 EH1 S AH0 N D Y UW1 K EY1 AH0 F IH1 SH AH0 L Z M EH1 T AE1 T F AY1 V P IY1 EH1 M IH0 N D IY1 S IY1 ."
        ),
    ),
    "en-039": Exceptional(
        why="the apostrophe of a plural owner is no pause",
        norm="John's dog, the boss's car, Smith's map, and the cats toys.",
        phones=(
            "JH AA1 N Z D AO1 G , DH AH0 B AO1 S IH0 Z K AA1 R , S M IH1 TH S M AE1 P , AH0 N D DH AH0 K AE1"
            " T S T OY1 Z ."
        ),
    ),
    "en-040": Exceptional(
        why="PyTorch is read as its makers say it",
        norm="openai's tool and pytorch's A P I.",
        phones="OW1 P AH0 N EY1 AY1 Z T UW1 L AH0 N D P AY1 T AO2 R CH IH0 Z EY1 P IY1 AY1 .",
    ),
    "en-041": Exceptional(
        why="a semicolon is a pause",
        norm="I don't think it's what we've wanted, they'd say y'all can't.",
        phones=(
            "AY1 D OW1 N T TH IH1 NG K IH1 T S W AH1 T W IY1 V W AO1 N T IH0 D , DH EY1 D S EY1 Y AO2 L K AE1 N T ."
        ),
    ),
    "en-043": Exceptional(
        why='the noun "refuse" ends in S',
        norm="They refuse to collect the refuse.",
        phones="DH EY1 R IH0 F Y UW1 Z T UW1 K AH0 L EH1 K T DH AH0 R EH1 F Y UW2 S .",
    ),
    "en-044": Exceptional(
        why='the two readings of "object" are the wrong way round upstream',
        norm="Please record the object, or I object.",
        phones="P L IY1 Z R IH0 K AO1 R D DH AH0 AA1 B JH EH0 K T , AO1 R AY1 AH0 B JH EH1 K T .",
    ),
    "en-045": Exceptional(
        why='"wind" and "live" have two readings',
        norm="The wind was strong, so wind the clock and live near a live stage.",
        phones=(
            "DH AH0 W IH1 N D W AA1 Z S T R AO1 NG , S OW1 W AY1 N D DH AH0 K L AA1 K AH0 N D L IH1 V N IH1 "
            "R AH0 L AY1 V S T EY1 JH ."
        ),
    ),
    "en-047": Exceptional(
        why='a "lead actor" is not made of metal',
        norm="Close the door, we are close to the lead actor.",
        phones="K L OW1 Z DH AH0 D AO1 R , W IY1 AA1 R K L OW1 S T UW1 DH AH0 L IY1 D AE1 K T ER0 .",
    ),
    "en-048": Exceptional(
        why="unknown words are guessed by our own network",
        norm="The zorbification of blorgs puzzled everyone.",
        phones="DH AH0 Z AO2 R B AH0 F AH0 K EY1 SH AH0 N AH1 V B L AO1 R G Z P AH1 Z AH0 L D EH1 V R IY0 W AH2 N .",
    ),
    "en-049": Exceptional(
        why="unknown words are guessed whole, not partly spelled",
        norm="Xylquist and Trundlebop visited Quarkville.",
        phones="Z IH1 L K W IH0 S T AH0 N D T R AH1 N D AH0 L B AA2 P V IH1 Z IH0 T IH0 D K W AO1 R K V IH2 L .",
    ),
    "en-050": Exceptional(
        why="a compound has one main stress",
        norm="Machinelearning and deeplearning are keywords on helloworld.",
        phones=(
            "M AH0 SH IY1 N L ER2 N IH0 NG AH0 N D D IY1 P L ER2 N IH0 NG AA1 R K IY1 W ER2 D Z AA1 N HH AH0"
            " L OW1 W ER2 L D ."
        ),
    ),
    "en-055": Exceptional(
        why="dashes and brackets are pauses",
        norm="Wait. what? No, really! Yes, really.",
        phones="W EY1 T . W AH1 T ? N OW1 , R IH1 L IY0 ! Y EH1 S , R IH1 L IY0 .",
    ),
    "en-056": Exceptional(
        why="colons and semicolons are pauses, quotes are not",
        norm="He said, hello, she said, goodbye.",
        phones="HH IY1 S EH1 D , HH AH0 L OW1 , SH IY1 S EH1 D , G UH2 D B AY1 .",
    ),
    "en-057": Exceptional(
        why="nothing to read is an error",
        norm="",
        phones="",
    ),
    "en-058": Exceptional(
        why="nothing to read is an error",
        norm="",
        phones="",
    ),
    "en-059": Exceptional(
        why="A at the start is the article",
        norm="A well-known, state-of-the-art, G A N-based vocoder.",
        phones=(
            "AH0 W EH1 L N OW1 N , S T EY2 T AH0 V DH IH0 AA1 R T , JH IY1 EY1 EH1 N B EY1 S T V OW1 K OW0 D ER0 ."
        ),
    ),
    "en-060": Exceptional(
        why="shouted words are words",
        norm="this is all caps, but This Is Title.",
        phones="DH IH1 S IH1 Z AO1 L K AE1 P S , B AH1 T DH IH1 S IH1 Z T AY1 T AH0 L .",
    ),
    "en-061": Exceptional(
        why="names with capitals inside are one word",
        norm="My iPhone and eBay and GitHub and McDonald.",
        phones="M AY1 AY1 F OW2 N AH0 N D IY1 B EY2 AH0 N D G IH1 T HH AH0 B AH0 N D M AH0 K D AA1 N AH0 L D .",
    ),
    "en-062": Exceptional(
        why="emoji take no mark with them",
        norm="Great job, let's go!",
        phones="G R EY1 T JH AA1 B , L EH1 T S G OW1 !",
    ),
    "en-063": Exceptional(
        why="an address is read as one",
        norm="Visit example dot com slash a question mark id equals one now.",
        phones=(
            "V IH1 Z IH0 T IH0 G Z AE1 M P AH0 L D AA1 T K AA1 M S L AE1 SH AH0 K W EH1 S CH AH0 N M AA1 R K"
            " IH1 D IY1 K W AH0 L Z W AH1 N N AW1 ."
        ),
    ),
    "en-064": Exceptional(
        why="an address is read as one",
        norm="Write to test at example dot com please.",
        phones="R AY1 T T UW1 T EH1 S T AE1 T IH0 G Z AE1 M P AH0 L D AA1 T K AA1 M P L IY1 Z .",
    ),
    "en-066": Exceptional(
        why="other scripts take no mark with them",
        norm="Hello world.",
        phones="HH AH0 L OW1 W ER1 L D .",
    ),
    "en-067": Exceptional(
        why="& @ # are read, and the last mark is kept",
        norm="Tom and Jerry at home number one fifty percent off.",
        phones=(
            "T AA1 M AH0 N D JH EH1 R IY0 AE1 T HH OW1 M N AH1 M B ER0 W AH1 N F IH1 F T IY0 P ER0 S EH1 N T AO1 F ."
        ),
    ),
    "en-068": Exceptional(
        why="a blank line ends a sentence",
        norm="First line. Second line. Third line!",
        phones="F ER1 S T L AY1 N . S EH1 K AH0 N D L AY1 N . TH ER1 D L AY1 N !",
    ),
    "en-069": Exceptional(
        why="a mark after a blank is kept",
        norm="too many spaces.",
        phones="T UW1 M EH1 N IY0 S P EY1 S AH0 Z .",
    ),
    "en-070": Exceptional(
        why="a dash is a pause",
        norm="Smart quotes and single ones, with dashes.",
        phones="S M AA1 R T K W OW1 T S AH0 N D S IH1 NG G AH0 L W AH1 N Z , W IH1 DH D AE1 SH IH0 Z .",
    ),
    "en-071": Exceptional(
        why="A at the start is the article",
        norm="A dog and a cat saw A.",
        phones="AH0 D AO1 G AH0 N D AH0 K AE1 T S AO1 EY1 .",
    ),
    "en-073": Exceptional(
        why="a version is read by its parts",
        norm="Version two point thirteen point zero of v one is out.",
        phones=(
            "V ER1 ZH AH0 N T UW1 P OY1 N T TH ER1 T IY1 N P OY1 N T Z IY1 R OW0 AH1 V V IY1 W AH1 N IH1 Z AW1 T ."
        ),
    ),
    "en-074": Exceptional(
        why="Roman numbers of kings and wars are numbers",
        norm="Henry the eighth met Louis the fourteenth in World War two.",
        phones=(
            "HH EH1 N R IY0 DH AH0 EY1 T TH M EH1 T L UW1 IH0 S DH AH0 F AO1 R T IY1 N TH IH0 N W ER1 L D W "
            "AO1 R T UW1 ."
        ),
    ),
}
