"""English abbreviations and initials, written out; and which dots end no sentence. Knows nothing of numbers."""

from __future__ import annotations

import re

from sovits_cli.text import en_lexicon
from sovits_cli.text import en_numbers as numbers
from sovits_cli.text.resources import parse_pairs, word_set

TITLES = parse_pairs(
    "Mr=Mister Mrs=Mrs Ms=Ms Dr=Doctor Prof=Professor St=Saint Mt=Mount Gen=General Col=Colonel Capt=Captain "
    "Cpt=Captain Lt=Lieutenant Sgt=Sergeant Maj=Major Cmdr=Commander Adm=Admiral Rev=Reverend Hon=Honorable "
    "Gov=Governor Sen=Senator Rep=Representative Pres=President Supt=Superintendent Ft=Fort"
)
"""Before a name, with or without a dot."""

MONTHS = parse_pairs(
    "Jan=January Feb=February Mar=March Apr=April Jun=June Jul=July Aug=August Sep=September Sept=September "
    "Oct=October Nov=November Dec=December"
)

_DAYS = parse_pairs(
    "Mon=Monday Tue=Tuesday Tues=Tuesday Wed=Wednesday Thu=Thursday Thur=Thursday Thurs=Thursday Fri=Friday "
    "Sat=Saturday Sun=Sunday"
)
_BEFORE_NUMBER = parse_pairs(
    "no=number nos=numbers vol=volume vols=volumes fig=figure figs=figures ch=chapter sec=section p=page pp=pages "
    "pg=page ca=about c=about ext=extension est=established"
)
_ANYWHERE = parse_pairs(
    "vs=versus approx=approximately dept=department govt=government esp=especially incl=including excl=excluding "
    "max=maximum misc=miscellaneous tel=telephone viz=namely cf=compare univ=university assn=association "
    "intl=international"
)
_MAY_END = parse_pairs(
    "etc=etc jr=junior sr=senior inc=incorporated ltd=limited co=company corp=corporation bros=brothers esq=esquire"
)
_STREETS = parse_pairs(
    "St=Street Dr=Drive Ave=Avenue Blvd=Boulevard Rd=Road Ln=Lane Hwy=Highway Sq=Square Pl=Place Ct=Court"
)
_PHRASES = parse_pairs(
    "e.g.=for_example i.e.=that_is et_al.=et_al a.k.a.=also_known_as ph.d.=P_H_D w/o=without w/=with c/o=care_of "
    "24/7=twenty-four_seven 9/11=nine_eleven 50/50=fifty_fifty 'em=them 'til=until 'cause=because 'bout=about "
    "'n'=and"
)
_OPENERS = word_set(
    "a after an and as at but for he her his how however i if in it its my no of on or our she so that the their then "
    "there these they this those to was we what when where why yes you your"
)
"""Words that, with a capital, open a sentence rather than a name."""

NO_SENTENCE_END = frozenset(
    word.lower() for table in (TITLES, MONTHS, _BEFORE_NUMBER, _ANYWHERE) for word in table if len(word) > 1
)
"""Lower-case words whose dot ends no sentence, unless an opener follows."""

MAY_END_SENTENCE = frozenset(word.lower() for table in (_MAY_END, _STREETS, _DAYS) for word in table)
"""Lower-case words whose dot may be the end of a sentence as well."""


def _any(table: dict[str, str]) -> str:
    return "|".join(sorted(map(re.escape, table), key=len, reverse=True))


_PHRASE = re.compile(rf"(?<![\w.])(?:{_any(_PHRASES)})(?!\w)", re.IGNORECASE)  # e.g., w/o, 24/7
# 10 Main St., Baker St. Then; not St. Paul (a name follows)
_ROAD = re.compile(rf"((?:\b\d+ )?\b(?:[A-Z][a-z]+|\d+(?:st|nd|rd|th))) ({_any(_STREETS)})\b(\.?)(\s+[A-Za-z]\w*)?")
_TITLE = re.compile(rf"\b({_any(TITLES)})(?:\.\s?|\s)(?=[A-Z])")  # Dr. Smith, Mt Everest
_DAY = re.compile(rf"\b({_any(_DAYS)})\.(?=,|\s\d|\s(?:{_any(MONTHS)}))")  # Mon., Tue. 3
# Jan. 5, 5 Jan., in Sept. when
_MONTH = re.compile(rf"\b({_any(MONTHS)})\.?(?=\s\d)|(?<=\d )({_any(MONTHS)})\b\.?|\b({_any(MONTHS)})\.(?=,|\s[a-z])")
_NUMBERED = re.compile(rf"\b({_any(_BEFORE_NUMBER)})\.\s?(?=\d)", re.IGNORECASE)  # No. 5, pp. 12, fig. 3
_FREE = re.compile(rf"\b({_any(_ANYWHERE)})\.(?=[\s,:]|$)", re.IGNORECASE)  # approx. five, vs. them
_ENDING = re.compile(rf"\b({_any(_MAY_END)})\.", re.IGNORECASE)  # etc., Inc.
_DOTTED = re.compile(r"\b(?:[A-Za-z]\.){2,}(?:[A-Za-z]\b(?!\.))?")  # U.S.A., p.m., J.R
_INITIAL = re.compile(r"\b([A-Z])\.(?=\s[A-Z])")  # J. Smith


def write_out_abbreviations(text: str) -> str:
    """Abbreviations in full and initials as spaced letters; a dot stays only where it ends a sentence."""
    text = _PHRASE.sub(lambda found: _PHRASES[found[0].lower()], text)
    text = _ROAD.sub(_road, text)
    text = _TITLE.sub(lambda found: f"{TITLES[found[1]]} ", text)
    text = _DAY.sub(lambda found: _DAYS[found[1]], text)
    text = _MONTH.sub(lambda found: MONTHS[found[1] or found[2] or found[3]], text)
    text = _NUMBERED.sub(lambda found: f"{_BEFORE_NUMBER[found[1].lower()]} ", text)
    text = _FREE.sub(lambda found: _ANYWHERE[found[1].lower()], text)
    text = _DOTTED.sub(_spelled, text)
    text = _INITIAL.sub(lambda found: found[1] + "." * opens_sentence(_rest(found)), text)
    return _ENDING.sub(lambda found: _MAY_END[found[1].lower()] + "." * _ends(_rest(found)), text)


def dot_ends_sentence(before: str, after: str) -> bool:
    """Whether the dot at the end of `before` ends a sentence that `after` does not go on with."""
    word = re.split(r"[\s(\[\"]", before)[-1].rstrip(".").lower()
    if word.title() in TITLES and word not in MAY_END_SENTENCE:
        return False
    if word in NO_SENTENCE_END or word in MAY_END_SENTENCE or len(word) == 1:
        return word == "etc" or opens_sentence(after)
    if re.fullmatch(r"(?:[a-z]\.)+[a-z]", word):
        return word in {"a.m", "p.m"} or opens_sentence(after)
    return not (word.isdigit() and before.strip().rstrip(".").isdigit())


def opens_sentence(rest: str) -> bool:
    """Whether what follows a dot begins with a word that opens a sentence rather than a name."""
    first = re.match(r"\s*([A-Z][a-z]*)\b", rest)
    return first is not None and first[1].lower() in _OPENERS


def _rest(found: re.Match[str]) -> str:
    """The next few characters after a match; enough to see a word."""
    return found.string[found.end() : found.end() + 40]


def _ends(rest: str) -> bool:
    return re.match(r"\s*(?:$|\n\s*\n|\s[A-Z\"'(])", rest) is not None


def _road(found: re.Match[str]) -> str:
    """Main St. is a street; before a name "St." and "Dr." are titles, unless a house number stands in front."""
    before, short, dot, after = found[1], found[2], found[3], found[4] or ""
    names = after.strip()[:1].isupper()
    if short in TITLES and names and not before[0].isdigit() and not opens_sentence(after):
        return found[0]
    rest = after or _rest(found)
    return f"{before} {_STREETS[short]}{'.' if dot and _ends(rest) else ''}{after}"


def _spelled(found: re.Match[str]) -> str:
    letters = found[0].replace(".", "").upper()
    rest = _rest(found)
    clock = letters in {"AM", "PM"}
    ends = found[0].endswith(".") and (_ends(rest) if clock or not rest.strip() else opens_sentence(rest))
    return " ".join(letters) + "." * ends


# Words in capitals: which are spelled, which are shouted, which hide a Roman number or two words in one.

SPOKEN_ACRONYMS = word_set(
    "NASA NATO UNESCO UNICEF OPEC AIDS FIFA UEFA COVID SARS RAM ROM GIF PIN SIM SWAT BIOS LAN CAPTCHA IKEA JSON YAML "
    "CUDA HIPAA FEMA OSHA NASDAQ INTERPOL MIDI LASER LIDAR SONAR RADAR SCUBA PETA NORAD DARPA MENSA LEGO VISA"
)
"""Acronyms that are said as words."""

_ALWAYS_SPELLED = word_set("IT US AI OS TV PC UK EU UN AM PM PR HR OK IN OR ME CO LA ID PE GI ICE AGE ARM BAR CAT ACE")
_SHOUTED_PAIRS = word_set("NO GO UP ON IS WE HE SO DO MY OH BE TO IF AN AT AS BY OF OUR")
_COUNTED = word_set(
    "war part chapter volume vol pt ch act scene book section phase type level bowl mark title article class stage "
    "appendix figure table league division group episode season cycle step vatican rocky unit"
)
_REIGNING = word_set(
    "henry louis george elizabeth charles james edward william richard john paul pius benedict francis philip "
    "catherine napoleon alexander nicholas frederick gregory leo peter mary ferdinand gustav christian haakon innocent "
    "clement ivan leopold ramesses xerxes darius ptolemy urban boniface albert victor wilhelm otto constantine"
)

_ROMAN = re.compile(r"\b([A-Za-z]{2,12})(\.?) ([IVXL]{1,7})\b(?!['.]\w)")  # Chapter IV, Louis XIV.
_ROMAN_FORM = re.compile(r"(X[LC]|L?X{0,3})(I[XV]|V?I{0,3})")  # tens, then ones: XLIX
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50}
_CAPITALS = re.compile(r"\b([A-Z]{2,})(s|'s)?\b")  # NASA, CEOs, the UN's
_MIXED = re.compile(r"\b(?=[A-Za-z]*[a-z][A-Z]|[A-Z]{2,}[a-z]{2})[A-Za-z]+\b")  # OpenAI, PyTorch, iPhone, HTTPServer
_SEAM = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # Open|AI, HTTP|Server
_WORD = re.compile(r"[A-Za-z]{2,}")
_SHOUTED_SHARE = 0.6


def write_out_roman_numbers(text: str) -> str:
    """`text` with the Roman numbers of kings in words, and those of wars, chapters and the like in digits."""
    return _ROMAN.sub(_roman, text)


def write_out_capitals(text: str) -> str:
    """Run-together words apart, acronyms as spaced letters, shouted words in lower case."""
    text = _MIXED.sub(_apart, text)
    found = _WORD.findall(text)
    shouting = len(found) > 2 and sum(word.isupper() for word in found) >= _SHOUTED_SHARE * len(found)
    return _CAPITALS.sub(lambda word: _capitals(word, shouting), text)


def roman_value(numeral: str) -> int:
    """Value of a Roman number below 90; 0 when it is not one."""
    if not numeral or not _ROMAN_FORM.fullmatch(numeral):
        return 0
    values = [_ROMAN_VALUES[letter] for letter in numeral]
    followers = [*values[1:], 0]
    return sum(-value if value < follower else value for value, follower in zip(values, followers, strict=True))


def _roman(found: re.Match[str]) -> str:
    """A number after "chapter" or "war" is counted; after the name of a king it is a rank; else it is left."""
    word, dot, numeral = found.groups()
    value = roman_value(numeral)
    sure = len(numeral) > 1 or _ends_phrase(found)
    if value and word.lower() in _COUNTED and (sure or word[0].isupper()):
        return f"{word}{dot} {value}"
    if value and word.istitle() and word.lower() in _REIGNING and sure:
        return f"{word} the {numbers.ordinal(value)}"
    return found[0]


def _ends_phrase(found: re.Match[str]) -> bool:
    return re.match(r"\s*(?:[.,;:!?)]|$)", found.string[found.end() : found.end() + 3]) is not None


def _apart(found: re.Match[str]) -> str:
    word = found[0]
    return word if en_lexicon.look_up_word(word.lower()) else " ".join(_SEAM.split(word))


def _capitals(found: re.Match[str], shouting: bool) -> str:
    word, ending = found[1], found[2] or ""
    if word in SPOKEN_ACRONYMS:
        return found[0]
    if _is_word(word, shouting or _has_shouting_neighbour(found)):
        return found[0].lower()
    return " ".join(word) + ("'s" if ending else "")


def _is_word(word: str, shouting: bool) -> bool:
    lower = word.lower()
    everyday = lower in en_lexicon.everyday_words()
    if shouting:
        return everyday or (len(word) > 3 and en_lexicon.look_up_word(lower) is not None)
    if len(word) == 2:
        return word in _SHOUTED_PAIRS
    if word in _ALWAYS_SPELLED:
        return False
    return everyday or (len(word) > 4 and en_lexicon.look_up_word(lower) is not None)


def _has_shouting_neighbour(found: re.Match[str]) -> bool:
    """Whether the next word on either side is an everyday word in capitals too."""
    text, before = found.string, found.string[max(0, found.start() - 24) : found.start()]
    left = re.search(r"([A-Za-z]+)[\s,]+$", before)
    right = re.match(r"[\s,]+([A-Za-z]+)", text[found.end() : found.end() + 24])
    return any(
        side is not None and len(side[1]) > 1 and side[1].isupper() and side[1].lower() in en_lexicon.everyday_words()
        for side in (left, right)
    )
