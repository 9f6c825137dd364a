"""The official phone tables, built from their components; the id of a symbol is its position.

Knows nothing of languages beyond the lists. Source: GPT-SoVITS `text/symbols.py` and `text/symbols2.py` (facts).
"""

from __future__ import annotations

from collections.abc import Sequence

from sovits_cli.errors import TextError
from sovits_cli.text.resources import once
from sovits_cli.versions import SymbolTable

PAD = "_"
UNKNOWN = "UNK"
PUNCTUATION = ("!", "?", "…", ",", ".", "-")
SPECIAL = ("SP", "SP2", "SP3", UNKNOWN)

_MANDARIN_INITIALS = "AA EE OO b c ch d f g h j k l m n p q r s sh t w x y z zh"
_MANDARIN_FINALS = (
    "E En a ai an ang ao e ei en eng er i i0 ia ian iang iao ie in ing iong ir iu o ong ou "
    "u ua uai uan uang ui un uo v van ve vn"
)
_JAPANESE = "I N U a b by ch cl d dy e f g gy h hy i j k ky m my n ny o p py r ry s sh t ts u v w y z"
_JAPANESE_PITCH = "[ ]"
_ENGLISH_VOWELS = "AA AE AH AO AW AY EH EY IH IY OW OY UH UW ER"
_ENGLISH_UNSTRESSED = "ER IH"
_ENGLISH_CONSONANTS = "B CH D DH F G HH JH K L M N NG P R S SH T TH V W Y Z ZH"
_KOREAN = "ㄱ ㄲ ㄴ ㄷ ㄸ ㄹ ㅁ ㅂ ㅃ ㅅ ㅆ ㅇ ㅈ ㅉ ㅊ ㅋ ㅌ ㅍ ㅎ ㅏ ㅐ ㅓ ㅔ ㅗ ㅜ ㅡ ㅣ 停 空"
_CANTONESE_TONELESS = "b c d f gw h j kw l ng s w z"
_CANTONESE_BOTH = "a aa ai ak au e g k m n o oi ok on ou p t uk"
_CANTONESE_TONED = (
    "aai aak aam aan aang aap aat aau am an ang ap at ei ek eng eoi eon eot i ik im in ing ip it iu "
    "oe oek oeng ong ot u ui un ung ut yu yun yut"
)

MANDARIN = frozenset(
    {*_MANDARIN_INITIALS.split(), *(final + tone for final in _MANDARIN_FINALS.split() for tone in "12345")}
)
JAPANESE = frozenset({*_JAPANESE.split(), *_JAPANESE_PITCH.split()})
ENGLISH = frozenset(
    {
        *_ENGLISH_UNSTRESSED.split(),
        *_ENGLISH_CONSONANTS.split(),
        *(vowel + stress for vowel in _ENGLISH_VOWELS.split() for stress in "012"),
    }
)
KOREAN = frozenset(_KOREAN.split())
CANTONESE = frozenset(
    {
        *(f"Y{sound}" for sound in (*_CANTONESE_TONELESS.split(), *_CANTONESE_BOTH.split())),
        *(f"Y{sound}{tone}" for sound in (*_CANTONESE_TONED.split(), *_CANTONESE_BOTH.split()) for tone in "123456"),
    }
)


@once
def table(which: SymbolTable) -> tuple[str, ...]:
    """All symbols of a table in id order: 322 of them for v1, 732 for v2."""
    first = tuple(sorted({PAD, *MANDARIN, *_JAPANESE.split(), *PUNCTUATION, *SPECIAL, *ENGLISH}))
    if which is SymbolTable.V1:
        return first
    return (*first, *_JAPANESE_PITCH.split(), *sorted(KOREAN), *sorted(CANTONESE))


@once
def known(which: SymbolTable) -> frozenset[str]:
    """The symbols of a table as a set."""
    return frozenset(table(which))


def ids(phones: Sequence[str], which: SymbolTable) -> list[int]:
    """Positions of `phones` in the table. Raises TextError for a symbol that the table lacks."""
    positions = _positions(which)
    try:
        return [positions[phone] for phone in phones]
    except KeyError as missing:
        raise TextError(
            f"phone {missing.args[0]!r} is not in symbol table {which.value} of {len(positions)} symbols",
            code="text.unknown_phone",
            fields={"phone": missing.args[0], "table": which.value},
        ) from None


@once
def _positions(which: SymbolTable) -> dict[str, int]:
    return {symbol: position for position, symbol in enumerate(table(which))}
