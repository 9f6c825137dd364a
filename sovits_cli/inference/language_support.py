"""Which languages a model speaks, and what of a text is in others: told before anything is spoken.

A text in an unknown language is an error; fragments of one in another text are named and left out. A voice that was
trained here, or given as files, may have learned more than its version knows: there it is a warning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.errors import TextError
from sovits_cli.events import Skipped
from sovits_cli.text import characters, segment
from sovits_cli.text.frontend import excerpt
from sovits_cli.text.languages import LANGUAGES
from sovits_cli.versions import RECOMMENDED, VERSIONS

_STRETCH = re.compile(r"[^\n]{1,2000}")
"""What is looked at together: few texts have longer lines, and none has to be cut for this."""

_AROUND = " ,.!?:;…，。！？：；、"


@dataclass(frozen=True)
class LanguageSupport:
    """What a model speaks.

    Args:
        model: its name.
        languages: codes of `LANGUAGES`; None: all of them.
        is_sure: whether nothing in others is to be read.
    """

    model: str
    languages: tuple[str, ...] | None
    is_sure: bool = True

    @property
    def known(self) -> tuple[str, ...]:
        """Codes of what it speaks."""
        return tuple(LANGUAGES) if self.languages is None else self.languages


ALL_LANGUAGES = LanguageSupport("any model", None)


def language_support(bundle: Bundle) -> LanguageSupport:
    """What a bundle speaks."""
    return LanguageSupport(bundle.name, bundle.version.languages, is_sure=bundle.origin in {"bundled", "installed"})


@dataclass(frozen=True)
class SupportedText:
    """The mode in which a text is to be read, what the user should know, and what of it will not be spoken."""

    lang: str
    notes: tuple[str, ...] = ()
    left_out: tuple[Skipped, ...] = ()


#     the model speaks          | text all in others, or one asked for | fragments in others
#     --------------------------+--------------------------------------+---------------------------------
#     everything there is       | -                                    | -
#     its languages, for sure   | TextError                            | left out by name, exit code 7
#     those, and perhaps more   | a note: it may be nonsense           | a note: it may be nonsense
def supported_text(text: str, lang: str, support: LanguageSupport) -> SupportedText:
    """Find what of a text a model cannot say.

    Args:
        text: all of it.
        lang: mode of `segment`.
        support: what the model speaks.

    Raises:
        TextError: it speaks nothing of the text, or not the language that was asked for.
    """
    if set(support.known) >= LANGUAGES.keys():
        return SupportedText(lang)
    main = segment.find_mode(lang).main
    if support.is_sure and main is not None and main not in support.known:
        raise _unknown([main], support)
    fragments = list(_fragments(text, lang))
    strange = [run for run in fragments if run.lang not in support.known]
    if not strange:
        return SupportedText(_only(lang, support))
    if support.is_sure and len(strange) == len(fragments):
        raise _unknown(list(dict.fromkeys(run.lang for run in strange)), support)
    langs = _named(list(dict.fromkeys(run.lang for run in strange)))
    where = excerpt(strange[0].text.strip(_AROUND)) + (f" and {len(strange) - 1} more" if len(strange) > 1 else "")
    if support.is_sure:
        left_out = Skipped(where, f"{support.model} does not speak {langs}")
        return SupportedText(_only(lang, support), left_out=(left_out,))
    known = _named(support.known)
    note = f"{support.model} knows {known}: {where} in {langs} is nonsense to it, unless it was trained on that"
    return SupportedText(lang, (note,))


def _fragments(text: str, lang: str) -> Iterator[segment.LanguageRun]:
    """Stretches of a text with letters that some front end reads; numbers are of any language."""
    how = segment.find_mode(lang)
    lost = {found.character for found in characters.unread_characters(text, lang)}
    for stretch in _STRETCH.findall(text):
        for run in segment.language_runs(stretch, how):
            if run.lang in LANGUAGES and any(sign.isalpha() and sign not in lost for sign in run.text):
                yield run


def _only(lang: str, support: LanguageSupport) -> str:
    """The one language that a model speaks, so that numbers are read in it; else the mode as it is."""
    return support.known[0] if support.is_sure and len(support.known) == 1 else lang


def _unknown(langs: Sequence[str], support: LanguageSupport) -> TextError:
    return TextError(
        f"{support.model} does not speak {_named(langs)}: it knows {_named(support.known)}",
        code="inference.language_not_spoken",
        fields={
            "lang": langs[0],
            "recommended": RECOMMENDED,
            "knows": set(langs) <= set(VERSIONS[RECOMMENDED].languages),
        },
    )


def _named(langs: Sequence[str]) -> str:
    return " and ".join(LANGUAGES[lang].name for lang in langs)
