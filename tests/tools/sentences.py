"""English sentences of our own making, from a small grammar and a seed.

Statements, questions, orders, numbers, dates, times, money, names, lists; one word to about forty.
Rare words come from a word list the caller hands in (for phone coverage), so that any sound follows any other.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

NOUNS = """river teacher window garden doctor letter engine market bridge winter summer kitchen paper question answer
captain village mountain station language pocket mirror hammer island shadow singer farmer painter neighbour basket
bottle candle carpet chapter coffee corner country cousin daughter dinner eagle evening factory feather finger flower
forest friend guitar harbour horse journey judge ladder lawyer library machine meadow message minute morning mother
museum needle number ocean office onion orange party pencil people picture pilot planet player police problem rabbit
record river road sailor school season shoulder silver sister soldier stone story stranger street student sugar table
thunder ticket tiger tower train treasure valley voice wagon weather wheel whisper writer yellow zebra child house
voyage measure pleasure choice noise boy toy oil joy cloud crowd hour power cow mouth thought north south path bath
truth youth month death breath leather brother father""".split()  # noqa: SIM905 - a block of words reads better
ADJECTIVES = """quiet bright heavy simple narrow ancient gentle hungry clever broken golden wooden frozen hidden early
modern proud silent strange sudden tall thick tiny useful warm wide young yellow angry brave busy calm careful cheap
clean cold curious deep dry empty famous fast fresh friendly generous great green happy honest huge kind large lazy
light long loud lucky new nice old patient perfect plain poor pretty quick rich rough round sad safe sharp short slow
small smooth soft sour steep strong sweet thin usual""".split()  # noqa: SIM905
VERBS_PAST = """carried followed noticed finished painted watched opened closed counted crossed answered admired
borrowed brought built called caught changed chased cleaned collected covered described discovered enjoyed explained
forgot found gathered heard helped ignored invited joined kept knew learned left lifted liked lost loved measured
mended missed moved needed offered ordered owned passed picked planned pulled pushed reached remembered repaired saved
saw searched shared showed sold studied taught thanked threw told touched trusted understood used visited wanted washed
welcomed wrote""".split()  # noqa: SIM905
VERBS = """carry follow notice finish paint watch open close count cross answer borrow bring build call catch change
clean collect cover describe discover enjoy explain find gather hear help ignore invite join keep know learn leave lift
measure mend move need offer order pass pick plan pull push reach remember repair save search share show sell study
teach thank throw touch trust understand use visit want wash welcome write""".split()  # noqa: SIM905
ADVERBS = """slowly quickly quietly often never always again today yesterday tomorrow together carefully suddenly
usually finally almost certainly perhaps gladly nearly early late twice outside upstairs""".split()  # noqa: SIM905
PLACES = """in the garden|near the river|under the old bridge|behind the house|at the station|on the table|by the sea|
across the valley|along the road|inside the museum|over the hills|beside the fire|at school|in the north|from the tower|
through the forest|before the storm|after dinner|during the night|without a word""".replace("\n", "").split("|")
NAMES = """Anna Peter Maria John Sarah David Emma George Laura Martin Julia Robert Helen Thomas Alice Henry Clara Frank
Ruth Oscar Nina Walter Grace Simon Judith Victor""".split()  # noqa: SIM905
MONTHS = """January February March April May June July August September October November December""".split()  # noqa: SIM905
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()  # noqa: SIM905
JOINERS = ["and", "but", "because", "while", "so", "although", "when", "until"]
PRONOUNS = ["I", "we", "they", "you"]


class Sentences:
    """An endless source of sentences; the same seed gives the same ones.

    Args:
        seed: of Python's generator.
        rare: words to mix in, for phone coverage.
        rare_share: how often a noun or adjective is a rare word.
    """

    def __init__(self, seed: int, rare: Sequence[str] = (), rare_share: float = 0.35) -> None:
        self._random = random.Random(seed)
        self._rare = list(rare)
        self._rare_share = rare_share if rare else 0.0

    def next(self) -> str:
        """One sentence, with its capital letter and its mark."""
        kinds: list[tuple[float, Callable[[], str]]] = [
            (0.34, self._statement),
            (0.16, self._long),
            (0.13, self._question),
            (0.07, self._order),
            (0.10, self._figures),
            (0.10, self._listing),
            (0.10, self._few_words),
        ]
        make = self._random.choices([make for _, make in kinds], [weight for weight, _ in kinds])[0]
        text = make()
        return text[0].upper() + text[1:]

    def _pick(self, words: Sequence[str]) -> str:
        return self._random.choice(words)

    def _noun(self) -> str:
        return self._pick(self._rare) if self._random.random() < self._rare_share else self._pick(NOUNS)

    def _thing(self) -> str:
        draw = self._random.random()
        if draw < 0.15:
            return self._pick(NAMES)
        article = self._pick(["the", "the", "a", "his", "her", "our", "their", "this", "that", "every"])
        described = f"{self._pick(ADJECTIVES)} {self._noun()}" if draw < 0.55 else self._noun()
        if article == "a" and described[0] in "aeiou":
            article = "an"
        return f"{article} {described}"

    def _clause(self) -> str:
        form = self._random.randrange(5)
        if form == 0:
            return f"{self._thing()} {self._pick(VERBS_PAST)} {self._thing()}"
        if form == 1:
            return f"{self._thing()} {self._pick(VERBS_PAST)} {self._thing()} {self._pick(PLACES)}"
        if form == 2:
            return f"{self._pick(PRONOUNS)} {self._pick(VERBS_PAST)} {self._thing()} {self._pick(ADVERBS)}"
        if form == 3:
            return f"{self._thing()} was {self._pick(ADJECTIVES)} and {self._pick(ADJECTIVES)}"
        return f"there were {self._random.randint(2, 99)} {self._noun()} things {self._pick(PLACES)}"

    def _statement(self) -> str:
        return self._clause() + "."

    def _long(self) -> str:
        clauses = [self._clause() for _ in range(self._random.randint(2, 4))]
        text = clauses[0]
        for clause in clauses[1:]:
            text += f"{self._pick([',', ',', ''])} {self._pick(JOINERS)} {clause}"
        return text + "."

    def _question(self) -> str:
        opening = self._pick(["did", "why did", "when did", "where did", "how did", "could", "would", "should"])
        return f"{opening} {self._thing()} {self._pick(VERBS)} {self._thing()}?"

    def _order(self) -> str:
        please = self._pick(["please ", "", "now ", "do not "])
        return f"{please}{self._pick(VERBS)} {self._thing()} {self._pick(PLACES)}{self._pick(['.', '!'])}"

    def _figures(self) -> str:
        number = self._random.choice([self._random.randint(0, 20), self._random.randint(21, 999), 1000])
        day = f"{self._pick(MONTHS)} {self._random.randint(1, 28)}"
        return self._pick(
            [
                f"it costs {number} dollars.",
                f"the meeting is on {self._pick(DAYS)}, {day}.",
                f"{self._pick(NAMES)} is {self._random.randint(2, 99)} years old.",
                f"chapter {number}, page {self._random.randint(1, 400)}.",
                f"the train leaves at {self._random.randint(1, 12)} {self._pick(['fifteen', 'thirty', 'forty five'])}.",
                f"about {self._random.randint(1, 99)} percent of {self._noun()} is {self._pick(ADJECTIVES)}.",
                f"room {number} is {self._pick(PLACES)}.",
            ]
        )

    def _listing(self) -> str:
        words = [self._noun() for _ in range(self._random.randint(3, 7))]
        return ", ".join(words[:-1]) + f" and {words[-1]}."

    def _few_words(self) -> str:
        count = self._random.choice([1, 1, 2, 3])
        return " ".join(self._noun() for _ in range(count)) + self._pick([".", ".", "?", "!"])
