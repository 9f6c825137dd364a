"""Single files made into a model: what goes with them is found, and files that do not belong together are refused.

Knows no settings and builds no networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from sovits_cli.checkpoints.bundle import Bundle
from sovits_cli.checkpoints.catalogue import find_model, list_models
from sovits_cli.checkpoints.model_file import ModelKind, read_model_file
from sovits_cli.checkpoints.official import read_gpt, read_sovits
from sovits_cli.checkpoints.weight_loading import config_errors
from sovits_cli.errors import ModelError
from sovits_cli.models.sovits.config import PHONES, SovitsConfig
from sovits_cli.models.t2s.config import T2SConfig
from sovits_cli.versions import ModelVersion

_REPLACED_PART = {
    ModelKind.GPT: "gpt",
    ModelKind.SOVITS: "sovits",
    ModelKind.LORA: "sovits",
    ModelKind.DISCRIMINATOR: "discriminator",
}
"""Which part of a model a file takes the place of."""


def bundle_from_files(
    gpt: Path | None, sovits: Path | None, *, name: str | None = None, runs: Path = Path("runs"), trained: bool = True
) -> Bundle:
    """Take a GPT or a SoVITS file, or both, and find what goes with them.

    The encoders, the vocoder, and the file that is not given, come from the named model, or else from the newest that
    has them; a GPT only from one of the same version. Two files that no model goes with speak without encoders.

    Args:
        gpt, sovits: the files; None for the one that comes from a model.
        name: of the model that the rest comes from.
        runs: where trained voices are.
        trained: whether the rest may come from a voice trained here when no name is given.

    Raises:
        ModelError: a file is no such model, they do not belong together, or nothing that goes with them is found.
    """
    if sovits is None:
        base = find_model(name, runs=runs, trained=trained)
        chosen = replace(base, gpt=gpt or base.gpt, why=base.why if gpt is None else f"{gpt.name} with {base.name}")
    else:
        named = None if name is None else find_model(name, runs=runs, trained=trained)
        row = _version_of(sovits, named)
        others = _encoder_sources(row, runs) if named is None else [named]
        chosen = _completed_bundle(sovits, gpt, row, others, named=name is not None)
    _check_together(chosen)
    return replace(chosen, name=(sovits or gpt or chosen.sovits).stem, origin="files")


def with_initial_weights(base: Bundle, files: Sequence[Path]) -> Bundle:
    """Put other weights in place of a model's: exported ones, or training states, of either program.

    Args:
        files: GPT, SoVITS and discriminator files, at most one of each, told by their content.

    Raises:
        ModelError: a file is none of these, two are of one kind, or one does not go with the model.
    """
    replaced: dict[str, Path] = {}
    for file in files:
        contents = read_model_file(file)
        part = _REPLACED_PART.get(contents.kind)
        if part is None:
            raise ModelError(
                f"{file} is {contents}: training begins from a GPT, a SoVITS model or its discriminators",
                code="model.unfit",
                fields={"path": file},
            )
        if part in replaced:
            raise ModelError(f"{replaced[part]} and {file}: each is {contents.kind}", hint="give one of them")
        if part == "sovits" and base.version.name not in contents.versions:
            raise ModelError(
                f"{file} is {contents}, but {base.name} is a {base.version.name} model",
                code="model.init_version",
                fields={"version": contents.version},
            )
        replaced[part] = file
    if not replaced:
        return base
    named = ", ".join(file.name for file in replaced.values())
    chosen = replace(
        base,
        name=f"{base.name} from {named}",
        gpt=replaced.get("gpt", base.gpt),
        sovits=replaced.get("sovits", base.sovits),
        discriminator=replaced.get("discriminator", base.discriminator),
        origin="files" if "sovits" in replaced else base.origin,
        lora_bases=(*base.lora_bases, base.sovits) if "sovits" in replaced else base.lora_bases,
    )
    _check_together(chosen)
    return chosen


def _version_of(sovits: Path, named: Bundle | None) -> ModelVersion:
    """The version of a SoVITS file; that of the named model where the file may be of several."""
    file = read_sovits(sovits, known_version=None if named is None else named.version)
    if len(file.versions) > 1 and (named is None or named.version != file.version):
        raise ModelError(
            f"{sovits} is a {' or a '.join(file.versions)} file: nothing in it says which",
            code="model.ambiguous_version",
            fields={"versions": file.versions},
        )
    return file.version


def _completed_bundle(
    sovits: Path, gpt: Path | None, row: ModelVersion, others: list[Bundle], *, named: bool
) -> Bundle:
    """Put around a SoVITS file what it needs, each part from the first of the others that has it."""
    gpt = gpt or next((other.gpt for other in others if named or other.version == row), None)
    if gpt is None:
        raise ModelError(
            f"no installed model has a GPT that goes with {sovits}, a {row.name} file",
            code="model.gpt_missing",
            fields={"version": row.name},
        )
    content = next((other.content for other in others if other.content), None)
    names = ", ".join(dict.fromkeys(other.name for other in others[:1]))
    return Bundle(
        name="",
        version=row,
        gpt=gpt,
        sovits=sovits,
        content=content,
        bert=next((other.bert for other in others if other.bert), None),
        origin="files",
        why=f"with the encoders of {names}" if content else "without a content encoder: none is installed",
        vocoder=next((other.vocoder for other in others if other.vocoder and _same_vocoder(other.version, row)), None),
        speaker=next((other.speaker for other in others if other.speaker), None),
        licence=others[0].licence if others else "",
        lora_bases=tuple(other.sovits for other in others if named and other.speaks),
    )


def _same_vocoder(one: ModelVersion, other: ModelVersion) -> bool:
    return one.decoder.vocoder is not None and one.decoder.vocoder is other.decoder.vocoder


def _encoder_sources(row: ModelVersion, runs: Path) -> list[Bundle]:
    """List models with the same kind of content encoder: of this version first, voices trained here last."""
    found, _ = list_models(runs)
    ranked = sorted(found, key=lambda bundle: (bundle.version != row, bundle.origin == "trained"))
    return [bundle for bundle in ranked if bundle.version.content is row.content]


def _check_together(bundle: Bundle) -> None:
    """Refuse a GPT and a SoVITS model that count phones or tokens differently.

    A GPT may have rows for more phones than its table has; that it was made for the larger table of later versions
    shows in its having all of those.
    """
    with config_errors(bundle.gpt):
        gpt = T2SConfig.from_official(read_gpt(bundle.gpt).config)
    with config_errors(bundle.sovits):
        acoustic = SovitsConfig.from_official(read_sovits(bundle.sovits, known_version=bundle.version).config)
    # v1 counts 322 phones in a table of 512 rows at most; a GPT with all 732 was made for the other table.
    other_table = acoustic.phones < max(PHONES.values()) <= gpt.phones
    why = []
    if gpt.phones < acoustic.phones or other_table:
        why.append(f"the GPT was made for {gpt.phones} phones, the {bundle.version.name} model for {acoustic.phones}")
    if gpt.eos != acoustic.codebook_size:
        why.append(f"the GPT says {gpt.eos} different tokens, the SoVITS model knows {acoustic.codebook_size}")
    if why:
        raise ModelError(
            f"{bundle.gpt} and {bundle.sovits} do not belong together: {'; '.join(why)}",
            hint=f"use the GPT and the SoVITS file of one training, or the GPT of a {bundle.version.name} model",
        )
