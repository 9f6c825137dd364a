"""Words that are written alike and spoken in two ways: which reading a sentence asks for.

The words are in `tables/en_homographs.txt`; neighbours that settle a reading by themselves are here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from sovits_cli.text import en_lexicon, resources
from sovits_cli.text.resources import once, table_lines, word_set

# A light guess at a word's part of speech from its neighbours, only good enough to choose between two readings.
# Tags are Penn's, with "JP" for an adjective after "is", "feels" and the like.

_DETERMINERS = resources.word_set(
    "the a an this that these those my your his her its our their some any no every each another either neither "
    "such what which whose one two three four five six seven eight nine ten many few several both all"
)
_PREPOSITIONS = resources.word_set(
    "of in on at by for with from into about after against among around as before behind below beneath beside "
    "between beyond despite during except inside near off onto out outside over per since through throughout toward "
    "towards under until upon via within without"
)
_VERB_CALLERS = resources.word_set(
    "will would can could shall should may might must do does did don't doesn't didn't won't wouldn't can't cannot "
    "couldn't shouldn't mustn't i'll you'll he'll she'll we'll they'll it'll i'd you'd he'd she'd we'd they'd please "
    "let's lets gonna wanna helped help"
)
_HAVE = resources.word_set("have has had having i've you've we've they've haven't hasn't hadn't")
_BE = resources.word_set(
    "be is are was were been being am i'm you're we're they're he's she's it's that's isn't aren't wasn't weren't "
    "feel feels felt seem seems seemed look looks looked become becomes became get gets got stay stays stayed "
    "very too quite perfectly fairly rather more most less least"
)
_PLURAL_SUBJECTS = resources.word_set("i you we they who people")
_SINGULAR_SUBJECTS = resources.word_set("he she it who that which everyone somebody someone nobody everybody")
_OBJECT_OPENERS = resources.word_set(
    "the a an this these those my your his her its our their it them him us me you all"
)
_CONJUNCTIONS = resources.word_set("and or but then so because if when while")
_SKIPPED = resources.word_set(
    "not never always often usually sometimes also just only still really ever already now soon again even n't "
    "almost simply hardly barely either"
)
_PREPOSITIONAL_TO = resources.word_set("according due prior next close thanks subject listen listened similar compared")
_PAST_SIGNS = resources.word_set(
    "yesterday ago last earlier once was were had did said went saw came took made told wrote thought got knew"
)
_THIRD_PERSON_PAST = frozenset({"read"})

_NUMERALS = resources.word_set(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred half"
)
_REFLEXIVES = resources.word_set(
    "myself yourself himself herself itself ourselves yourselves themselves everything each"
)
_HOW = resources.word_set(
    "again once twice carefully well immediately sparingly everything everyone something anything"
)
_NOT_HOW = resources.word_set("daily weekly monthly yearly early only family friendly likely lovely elderly")
_LINKED = resources.word_set("and or then")
_COMMANDS = resources.word_set("use insert extract convert combine compress reject invite rewrite")
"""Words that open a sentence as verbs even where a bare noun follows: use water, insert coin."""

_NOT_THEIR_OBJECTS = resources.word_set("case cases harvester harvesters rate rates")
_AFTER_COMMANDS = {"use": resources.word_set("with as only before by up"), "object": resources.word_set("to")}
"""Prepositions and the like that a word takes as a verb, where it opens a sentence."""


def part_of_speech(tokens: Sequence[str], position: int) -> str:
    """Penn tag of `tokens[position]`; punctuation marks are tokens of their own."""
    words = [token.lower() for token in tokens]
    before = _before(words, position)
    after = words[position + 1] if position + 1 < len(words) else ""
    plural = words[position].endswith("s") and not words[position].endswith("ss")
    return (
        _after_caller(words, position, before)
        or _after_subject(words, position, before, plural)
        or (_elsewhere(words, position, before, after, plural))
    )


def is_command(tokens: Sequence[str], position: int) -> bool:
    """Whether a word that may be a noun or a verb opens its sentence as a command: "Use two eggs", "Record yourself".

    What follows tells: an object, or how it is to be done. After a numeral the object must follow too, since
    "Segment two is missing" is none; a noun in a list may have one too: "the gap, overlap twelve samples".
    """
    words = [token.lower() for token in tokens[: position + 3]]
    word, after, then = [*words[position:], "", ""][:3]
    if word.endswith("s") or _before(words, position) not in {"", *_LINKED}:
        return False
    if after.split("-")[0] in _NUMERALS:
        is_counted = then.isalpha() and not _closed(then) and not then.endswith("ed")
        return word in _COMMANDS or (is_counted and words[position - 1 : position] != [","])
    if after in _DETERMINERS | _OBJECT_OPENERS | _REFLEXIVES | _HOW | _AFTER_COMMANDS.get(word, frozenset()):
        return True
    if after.endswith("ly") and len(after) > 4 and after not in _NOT_HOW:
        return True
    return word in _COMMANDS and after.isalpha() and not _closed(after) and after not in _NOT_THEIR_OBJECTS


def _before(words: Sequence[str], position: int) -> str:
    """The nearest word to the left that is not an adverb; "" at the start of a clause."""
    for other in range(position - 1, -1, -1):
        word = words[other]
        if not word[0].isalpha():
            return ""
        if word not in _SKIPPED and not (word.endswith("ly") and len(word) > 4):
            return word
    return ""


def _after_caller(words: Sequence[str], position: int, before: str) -> str:
    if before == "to":
        earlier = words[position - 2] if position > 1 else ""
        return "NN" if earlier in _PREPOSITIONAL_TO else "VB"
    if before in _VERB_CALLERS:
        return "VB"
    if before in _HAVE and words[position] in _THIRD_PERSON_PAST:
        return "VBN"
    asked = position > 1 and words[position - 2] in _VERB_CALLERS
    if asked and before in _PLURAL_SUBJECTS | _SINGULAR_SUBJECTS:
        return "VB"
    if before in _BE:
        return "JP" if words[position] not in _THIRD_PERSON_PAST else "VBN"
    return ""


def _after_subject(words: Sequence[str], position: int, before: str, plural: bool) -> str:
    if before in _SINGULAR_SUBJECTS and before not in _PLURAL_SUBJECTS and plural:
        return "VBZ"
    if before in _PLURAL_SUBJECTS or before in {"he", "she", "it"}:
        if words[position] in _THIRD_PERSON_PAST and (
            before not in _PLURAL_SUBJECTS or _past_sentence(words, position)
        ):
            return "VBD"
        return "VBP"
    return ""


def _elsewhere(words: Sequence[str], position: int, before: str, after: str, plural: bool) -> str:
    opens_object = after in _OBJECT_OPENERS
    if before in _DETERMINERS | _HAVE or before.endswith("'s") or before in _PREPOSITIONS:
        attributive = after[:1].isalpha() and not _closed(after) and not after.endswith("ed") and not plural
        return "JJ" if attributive else "NNS" if plural else "NN"
    if before in _CONJUNCTIONS or not before:
        if words[position] in _THIRD_PERSON_PAST and before and _past_sentence(words, position):
            return "VBD"
        return "VB" if opens_object and not plural else "NNS" if plural else "NN"
    if opens_object:
        past = words[position] in _THIRD_PERSON_PAST
        return "VBD" if past else "VBZ" if plural else "VBP"
    if words[position] in _THIRD_PERSON_PAST:
        return "VBD"
    if not plural and before.endswith("s") and not before.endswith(("ss", "us", "is")) and _goes_on(after):
        return "VBP"
    return "NNS" if plural else "NN"


def _goes_on(after: str) -> bool:
    """Whether what follows a plural and an unclear word makes that word its verb: "prices increase by"."""
    return (after in _PREPOSITIONS and after != "of") or after in {"to", "when"} or after.endswith("ly")


def _past_sentence(words: Sequence[str], position: int) -> bool:
    others = [word for other, word in enumerate(words) if other != position]
    return any(word in _PAST_SIGNS or (word.endswith("ed") and len(word) > 4) for word in others)


def _closed(word: str) -> bool:
    return word in _DETERMINERS | _PREPOSITIONS | _CONJUNCTIONS | _BE | _HAVE | _VERB_CALLERS | {
        "to",
        "i",
        "we",
        "they",
    }


class Choice(StrEnum):
    """Take one reading of every homograph, whatever the sentence."""

    FIRST = "first"
    SECOND = "second"


@dataclass(frozen=True)
class Homograph:
    """One row: the first reading is for words tagged `tag`. `official`: the official program has both."""

    tag: str
    first: list[str]
    second: list[str]
    official: bool


def _row(kind: str, first: str, second: str, *, official: bool = True) -> Homograph:
    return Homograph(kind, first.split(), second.split(), official)


@dataclass(frozen=True)
class Cue:
    """`words` found directly before, directly after, or within four words settle the reading."""

    where: str
    words: frozenset[str]
    first: bool


def _cue(where: str, near: str, *, first: bool) -> Cue:
    return Cue(where, word_set(near), first)


_METALS = "pipe pipes paint poisoning pencil bullet bullets battery batteries acid weights toxic contaminated molten"
_WINDING = "up around down through back clock watch thread rope string tightly"
_STAYING = "in with on there here at near by alone together under without for up forever longer happily among"

CUES: dict[str, tuple[Cue, ...]] = {
    "bow": (_cue("near", "ship ship's deck stern took deep polite", first=True),),
    "close": (
        _cue("after", "of", first=True),
        _cue("after", "to", first=False),
        _cue("before", "very so too quite stay come came get got", first=False),
    ),
    "dove": (_cue("after", "into in under off down headfirst straight", first=True),),
    "lead": (
        _cue("near", _METALS, first=False),
        _cue("before", "of", first=False),
        _cue("near", "", first=True),
    ),
    "live": (
        _cue("before", "go goes going went broadcast streamed watch is are was a", first=False),
        _cue("after", _STAYING, first=True),
    ),
    "lives": (_cue("after", _STAYING, first=True),),
    "minute": (
        _cue("after", "detail details amount amounts difference differences particles quantities traces", first=True),
        _cue("before", "very are were", first=True),
        _cue("near", "", first=False),
    ),
    "sow": (_cue("near", "pig pigs piglets boar", first=False), _cue("near", "", first=True)),
    "tear": (
        _cue("after", "in apart up off down out open", first=True),
        _cue("before", "and", first=True),
        _cue("near", "eye eyes cheek shed cried weeping", first=False),
    ),
    "winds": (_cue("after", "through around along up down back past", first=True),),
    "wind": (_cue("after", "up down", first=True),),
    "wound": (_cue("near", _WINDING, first=True), _cue("near", "", first=False)),
}
"""Neighbours that decide before the tag does, in order; an empty set of words always decides."""

SWAPPED = frozenset({"articulate", "exploit", "imprint", "mouth", "object", "predicate", "rebel", "segment", "torment"})
"""Words whose readings the official list has the wrong way round."""

_POLISH = ("P", "OW1", "L", "IH0", "SH")

OFFICIAL = {
    "collect": _row("V", "K AH0 L EH1 K T", "K AA1 L EH0 K T"),
    "refuse": _row("V", "R IH0 F Y UW1 Z", "R EH1 F Y UW2 Z"),
}
"""Rows that only the official program has."""


def choose_reading(
    tokens: Sequence[str], position: int, *, official: bool = False, choice: Choice | None = None
) -> list[str] | None:
    """Phones of a homograph in its sentence; None when the word has one reading only.

    Args:
        tokens: words and punctuation marks of the sentence.
        position: position of the word among them.
        official: choose as the official program does from the same tag.
        choice: take this reading instead of choosing.
    """
    token = tokens[position]
    if token == "Polish" and not official:
        return list(_POLISH)
    word = token.lower()
    row = (OFFICIAL.get(word) if official else None) or homographs().get(word)
    if row is None or (official and not row.official):
        return None
    if choice is not None:
        first = choice is Choice.FIRST
    else:
        settled = None if official else _settled(word, tokens, position)
        kind = "VB" if not official and is_command(tokens, position) else part_of_speech(tokens, position)
        first = _is_first(row, kind) if settled is None else settled
    if official and word in SWAPPED:
        first = not first
    return list(row.first if first else row.second)


@once
def homographs() -> dict[str, Homograph]:
    """Word -> its two readings, forms in -s included."""
    rows: dict[str, Homograph] = {}
    for line in table_lines("en_homographs.txt"):
        marks, word, kind, first, second = _parse(line)
        row = _row(kind, first, second, official="+" not in marks)
        rows[word] = row
        if "!" not in marks:
            rows[_third_person(word)] = Homograph(
                kind, en_lexicon.add_s(row.first), en_lexicon.add_s(row.second), official=row.official
            )
    return rows


def _parse(line: str) -> tuple[str, str, str, str, str]:
    readings, _, second = line.partition("/")
    plain = readings.lstrip("+! ")
    word, kind, first = plain.split(maxsplit=2)
    return readings[: len(readings) - len(plain)], word, kind, first, second


def _third_person(word: str) -> str:
    if word.endswith("y") and word[-2] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "ch", "sh")) else f"{word}s"


def _is_first(row: Homograph, found: str) -> bool:
    if row.tag == "VB":
        return found not in {"VBD", "VBN"}
    return found.startswith(row.tag)


def _settled(word: str, tokens: Sequence[str], position: int) -> bool | None:
    before = tokens[position - 1].lower() if position else ""
    after = tokens[position + 1].lower() if position + 1 < len(tokens) else ""
    near = {token.lower() for token in tokens[max(0, position - 4) : position + 5]}
    for cue in CUES.get(word, ()):
        found = {"before": {before}, "after": {after}, "near": near}[cue.where]
        if not cue.words or found & cue.words:
            return cue.first
    return None
