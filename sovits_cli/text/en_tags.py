"""A light guess at a word's part of speech from its neighbours, only good enough to choose between two readings.

Tags are Penn's, with "JP" for an adjective after "is", "feels" and the like. Knows no dictionary.
"""

from __future__ import annotations

from collections.abc import Sequence

from sovits_cli.text import wordlists

_DETERMINERS = wordlists.words(
    "the a an this that these those my your his her its our their some any no every each another either neither "
    "such what which whose one two three four five six seven eight nine ten many few several both all"
)
_PREPOSITIONS = wordlists.words(
    "of in on at by for with from into about after against among around as before behind below beneath beside "
    "between beyond despite during except inside near off onto out outside over per since through throughout toward "
    "towards under until upon via within without"
)
_VERB_CALLERS = wordlists.words(
    "will would can could shall should may might must do does did don't doesn't didn't won't wouldn't can't cannot "
    "couldn't shouldn't mustn't i'll you'll he'll she'll we'll they'll it'll i'd you'd he'd she'd we'd they'd please "
    "let's lets gonna wanna helped help"
)
_HAVE = wordlists.words("have has had having i've you've we've they've haven't hasn't hadn't")
_BE = wordlists.words(
    "be is are was were been being am i'm you're we're they're he's she's it's that's isn't aren't wasn't weren't "
    "feel feels felt seem seems seemed look looks looked become becomes became get gets got stay stays stayed "
    "very too quite perfectly fairly rather more most less least"
)
_PLURAL_SUBJECTS = wordlists.words("i you we they who people")
_SINGULAR_SUBJECTS = wordlists.words("he she it who that which everyone somebody someone nobody everybody")
_OBJECT_OPENERS = wordlists.words("the a an this these those my your his her its our their it them him us me you all")
_CONJUNCTIONS = wordlists.words("and or but then so because if when while")
_SKIPPED = wordlists.words(
    "not never always often usually sometimes also just only still really ever already now soon again even n't "
    "almost simply hardly barely either"
)
_PREPOSITIONAL_TO = wordlists.words("according due prior next close thanks subject listen listened similar compared")
_PAST_SIGNS = wordlists.words(
    "yesterday ago last earlier once was were had did said went saw came took made told wrote thought got knew"
)
_THIRD_PERSON_PAST = frozenset({"read"})

_NUMERALS = wordlists.words(
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred half"
)
_REFLEXIVES = wordlists.words("myself yourself himself herself itself ourselves yourselves themselves everything each")
_HOW = wordlists.words("again once twice carefully well immediately sparingly everything everyone something anything")
_NOT_HOW = wordlists.words("daily weekly monthly yearly early only family friendly likely lovely elderly")
_LINKED = wordlists.words("and or then")
_COMMANDS = wordlists.words("use insert extract convert combine compress reject invite rewrite")
"""Words that open a sentence as verbs even where a bare noun follows: use water, insert coin."""

_NOT_THEIR_OBJECTS = wordlists.words("case cases harvester harvesters rate rates")
_AFTER_COMMANDS = {"use": wordlists.words("with as only before by up"), "object": wordlists.words("to")}
"""Prepositions and the like that a word takes as a verb, where it opens a sentence."""


def tag(tokens: Sequence[str], place: int) -> str:
    """Penn tag of `tokens[place]`; punctuation marks are tokens of their own."""
    words = [token.lower() for token in tokens]
    before = _before(words, place)
    after = words[place + 1] if place + 1 < len(words) else ""
    plural = words[place].endswith("s") and not words[place].endswith("ss")
    return (
        _after_caller(words, place, before)
        or _after_subject(words, place, before, plural)
        or (_elsewhere(words, place, before, after, plural))
    )


def is_command(tokens: Sequence[str], place: int) -> bool:
    """Whether a word that may be a noun or a verb opens its sentence as a command: "Use two eggs", "Record yourself".

    What follows tells: an object, or how it is to be done. After a numeral the object must follow too, since
    "Segment two is missing" is none; a noun in a list may have one too: "the gap, overlap twelve samples".
    """
    words = [token.lower() for token in tokens[: place + 3]]
    word, after, then = [*words[place:], "", ""][:3]
    if word.endswith("s") or _before(words, place) not in {"", *_LINKED}:
        return False
    if after.split("-")[0] in _NUMERALS:
        is_counted = then.isalpha() and not _closed(then) and not then.endswith("ed")
        return word in _COMMANDS or (is_counted and words[place - 1 : place] != [","])
    if after in _DETERMINERS | _OBJECT_OPENERS | _REFLEXIVES | _HOW | _AFTER_COMMANDS.get(word, frozenset()):
        return True
    if after.endswith("ly") and len(after) > 4 and after not in _NOT_HOW:
        return True
    return word in _COMMANDS and after.isalpha() and not _closed(after) and after not in _NOT_THEIR_OBJECTS


def _before(words: Sequence[str], place: int) -> str:
    """The nearest word to the left that is not an adverb; "" at the start of a clause."""
    for position in range(place - 1, -1, -1):
        word = words[position]
        if not word[0].isalpha():
            return ""
        if word not in _SKIPPED and not (word.endswith("ly") and len(word) > 4):
            return word
    return ""


def _after_caller(words: Sequence[str], place: int, before: str) -> str:
    if before == "to":
        earlier = words[place - 2] if place > 1 else ""
        return "NN" if earlier in _PREPOSITIONAL_TO else "VB"
    if before in _VERB_CALLERS:
        return "VB"
    if before in _HAVE and words[place] in _THIRD_PERSON_PAST:
        return "VBN"
    asked = place > 1 and words[place - 2] in _VERB_CALLERS
    if asked and before in _PLURAL_SUBJECTS | _SINGULAR_SUBJECTS:
        return "VB"
    if before in _BE:
        return "JP" if words[place] not in _THIRD_PERSON_PAST else "VBN"
    return ""


def _after_subject(words: Sequence[str], place: int, before: str, plural: bool) -> str:
    if before in _SINGULAR_SUBJECTS and before not in _PLURAL_SUBJECTS and plural:
        return "VBZ"
    if before in _PLURAL_SUBJECTS or before in {"he", "she", "it"}:
        if words[place] in _THIRD_PERSON_PAST and (before not in _PLURAL_SUBJECTS or _past_sentence(words, place)):
            return "VBD"
        return "VBP"
    return ""


def _elsewhere(words: Sequence[str], place: int, before: str, after: str, plural: bool) -> str:
    opens_object = after in _OBJECT_OPENERS
    if before in _DETERMINERS | _HAVE or before.endswith("'s") or before in _PREPOSITIONS:
        attributive = after[:1].isalpha() and not _closed(after) and not after.endswith("ed") and not plural
        return "JJ" if attributive else "NNS" if plural else "NN"
    if before in _CONJUNCTIONS or not before:
        if words[place] in _THIRD_PERSON_PAST and before and _past_sentence(words, place):
            return "VBD"
        return "VB" if opens_object and not plural else "NNS" if plural else "NN"
    if opens_object:
        past = words[place] in _THIRD_PERSON_PAST
        return "VBD" if past else "VBZ" if plural else "VBP"
    if words[place] in _THIRD_PERSON_PAST:
        return "VBD"
    if not plural and before.endswith("s") and not before.endswith(("ss", "us", "is")) and _goes_on(after):
        return "VBP"
    return "NNS" if plural else "NN"


def _goes_on(after: str) -> bool:
    """Whether what follows a plural and an unclear word makes that word its verb: "prices increase by"."""
    return (after in _PREPOSITIONS and after != "of") or after in {"to", "when"} or after.endswith("ly")


def _past_sentence(words: Sequence[str], place: int) -> bool:
    others = [word for position, word in enumerate(words) if position != place]
    return any(word in _PAST_SIGNS or (word.endswith("ed") and len(word) > 4) for word in others)


def _closed(word: str) -> bool:
    return word in _DETERMINERS | _PREPOSITIONS | _CONJUNCTIONS | _BE | _HAVE | _VERB_CALLERS | {
        "to",
        "i",
        "we",
        "they",
    }
