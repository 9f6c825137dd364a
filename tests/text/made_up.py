"""A language that nobody speaks, as another package would bring it: a row and a front end, and nothing of ours changed.

Quish has Latin letters and two of its own (ł, ż). Every letter is a phone, digits have names, "&" is ke. The tests
copy this file into packages of their own.
"""

from sovits_cli.text.language import LATIN, Charset, Language, Marks, Syllables
from sovits_cli.versions import SymbolTable

NAMES = ("zo", "un", "du", "tri", "ka", "pe", "se", "ho", "ok", "na")
DIGITS = {str(digit): name for digit, name in enumerate(NAMES)}
PHONES = {letter: letter.upper() for letter in "bdfgklmnprstvwz"}
PHONES |= {"h": "HH", "ł": "Y", "ż": "ZH", "a": "AA0", "e": "EH0", "i": "IY0", "o": "OW0", "u": "UW0"}


class Quish:
    """Its front end."""

    def readable(self, text: str) -> bool:
        return any(sign.lower() in PHONES or sign in DIGITS for sign in text)

    def ends_sentence(self, before: str, after: str) -> bool:
        return not before.endswith("dk.")

    def normalise(self, text: str, *, compat: bool) -> str:
        said = "".join(f" {DIGITS[sign]} " if sign in DIGITS else " ke " if sign == "&" else sign for sign in text)
        said = said.replace("⁂", ".").replace("·", ",")
        kept = "".join(sign for sign in said.lower() if sign in PHONES or sign in " .,!?")
        return " ".join(kept.split())

    def phones(self, norm: str, table: SymbolTable, *, compat: bool) -> tuple[list[str], None]:
        return [PHONES.get(sign, sign) for sign in norm if sign != " "], None


def beat(written: str) -> tuple[str, ...] | None:
    """A consonant, a vowel and a 1: "mi1"."""
    if len(written) == 3 and written[2] == "1" and written[0] in PHONES and written[1] in "aeiou":
        return PHONES[written[0]], PHONES[written[1]]
    return None


def guesses(norm: str) -> list[str]:
    """Words with a z are a guess."""
    return [word for word in norm.split() if "z" in word]


ROW = Language(
    code="qq",
    name="Quish",
    frontend=f"{__name__}:Quish",
    tables=frozenset({SymbolTable.V2}),
    scripts=(LATIN,),
    marks=Marks(".!?⁂", ";:·", ","),
    conjunctions=("ke", "mas"),
    own_letters="łż",
    charsets=(Charset("cp1250", lambda sign, _: sign in "łŁżŻ", "łż"),),
    recogniser=("qqq", "fr"),
    aliases=("quish",),
    phones=frozenset(PHONES.values()),
    syllables=Syllables("beats", "[miła|mi1 la1]", f"{__name__}:beat"),
    guesses=f"{__name__}:guesses",
)
