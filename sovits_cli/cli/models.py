"""`sovits models`: list what there is, pull and remove, inspect without running anything, verify, convert."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sovits_cli.cli.command import CommandContext, command, group
from sovits_cli.cli.hints import hint_for
from sovits_cli.errors import ModelError
from sovits_cli.events import Skipped, Warned
from sovits_cli.report.tables import aligned_columns

if TYPE_CHECKING:
    from torch import Tensor

    from sovits_cli.checkpoints.bundle import Bundle
    from sovits_cli.checkpoints.inspection import ModelSummary, VerifiedFile

app = group("List, fetch, inspect and convert models.")


@app.command("list")
@command()
def list_command(context: CommandContext) -> None:
    """List the models there are: trained here, installed, bundled; and those that can be pulled.

    The first column marks the one that `sovits infer` takes by itself.
    """
    from sovits_cli.checkpoints.catalogue import list_models
    from sovits_cli.checkpoints.registry import REGISTRY

    found, broken = list_models(context.settings.train.out)
    for error in broken:
        context.reporter.emit(Warned(error.message, **error.advice))
    chosen = next((bundle for bundle in found if bundle.speaks), None)
    rows = [_listed(bundle, chosen) for bundle in found]
    here = {bundle.name for bundle in found if bundle.origin == "installed"}
    missing = [row for row in REGISTRY.values() if row.name not in here]
    rows += [("", row.name, row.version, "hub", "", row.licence, f"sovits models pull {row.name}") for row in missing]
    header = ("", "NAME", "VERSION", "FROM", "SIZE", "LICENCE", "WHERE")
    document = {
        "models": [_document(bundle, chosen) for bundle in found],
        "to_pull": [{"name": row.name, "version": row.version, "licence": row.licence} for row in missing],
        "broken": [error.message for error in broken],
    }
    context.result(document, "\n".join(aligned_columns([header, *rows])))


@app.command("pull")
@command()
def pull_command(
    context: CommandContext,
    name: Annotated[str, typer.Argument(metavar="NAME", help="a model that `sovits models list` names")],
) -> None:
    """Fetch an official model, with all it needs to speak and to be tuned.

    Goes on where an earlier try broke off, fetches nothing twice, and recognises every file before it is believed.
    HF_ENDPOINT names a mirror; HF_TOKEN, if it is set, goes to the hub alone. A request says which file and "sovits",
    nothing of you or this machine.
    """
    from sovits_cli.checkpoints.hub_cache import pull_model

    done = pull_model(name, context.reporter)
    news = f"{len(done.fetched)} files fetched, {len(done.kept)} were here"
    document = {field: getattr(done, field) for field in done.__dataclass_fields__}
    context.result(document, f"{done.name}: {_size(done.size_bytes)} in {done.folder.parent}; {news}")


@app.command("rm")
@command()
def rm_command(
    context: CommandContext,
    name: Annotated[str, typer.Argument(metavar="NAME", help="an installed model")],
) -> None:
    """Remove an installed model, and files that no other one is made of."""
    from sovits_cli.checkpoints.hub_cache import remove_model, voices_using

    done = remove_model(name)
    voices = voices_using(name, context.settings.train.out)
    if voices:
        context.reporter.emit(
            Warned(
                f"{', '.join(voices)} cannot speak without {name}", code="model.not_installed", fields={"name": name}
            )
        )
    document = {field: getattr(done, field) for field in done.__dataclass_fields__}
    context.result(document, f"{name}: {len(done.files)} files removed, {_size(done.size_bytes)} freed")


@app.command("convert")
@command()
def convert_command(
    context: CommandContext,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a model file of any kind")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="a .safetensors, .ckpt (GPT) or .pth (SoVITS) file")],
) -> None:
    """Write a model file in another container.

    The official program reads the .ckpt and .pth files; nothing in a .safetensors file can ever run. A LoRA becomes a
    whole model together with its base.
    """
    from sovits_cli.checkpoints.inspection import convert_model

    description = convert_model(file, new)
    context.result({"written": new, "what": description}, f"{new}: {description}, {_size(new.stat().st_size)}")


@app.command("inspect")
@command()
def inspect_command(
    context: CommandContext,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="a .ckpt, .pth, .bin or .safetensors file")],
    keys: Annotated[bool, typer.Option("--keys", help="list every key with its shape and precision")] = False,
) -> None:
    """Say what a model file is.

    Its kind, version, sizes and training, from its content. Nothing in the file is run, whoever made it.
    """
    from sovits_cli.checkpoints.inspection import summarise_model
    from sovits_cli.checkpoints.model_file import read_model

    contents = read_model(file)
    summary = summarise_model(contents)
    lines = _summary_lines(summary)
    document = {field: getattr(summary, field) for field in summary.__dataclass_fields__}
    document["code"] = document.pop("magic")  # as scripts know it
    if keys:
        tensors = {name: _shape(value) for name, value in contents.weight.items()}
        lines += ["", *aligned_columns((name, shown) for name, shown in tensors.items())]
        document["tensors"] = tensors
    context.result(document, "\n".join(lines))


@app.command("verify")
@command()
def verify_command(
    context: CommandContext,
    what: Annotated[
        list[str] | None, typer.Argument(metavar="FILE|NAME", help="files, folders or names of models [default: all]")
    ] = None,
) -> None:
    """Check that models are whole.

    Every key that its version needs has to be there, in its shape, with finite values; a pulled file has to be the
    one that was pulled.
    """
    from sovits_cli.checkpoints.hub_cache import verify_unchanged
    from sovits_cli.checkpoints.inspection import verify_model

    good: list[VerifiedFile] = []
    bad: dict[Path, ModelError] = {}
    for path in _paths_of(context, what or []):
        try:
            verify_unchanged(path)
            good.append(verify_model(path))
        except ModelError as error:
            bad[path] = error
    if bad and not good:
        raise next(iter(bad.values()))
    for path, problem in bad.items():
        reason = problem.message.removeprefix(f"{path} ")
        context.reporter.emit(Skipped(str(path), f"{reason}; hint: {hint}" if (hint := hint_for(problem)) else reason))
    context.result({"verified": good}, "\n".join(_fits(item) for item in good))


def _fits(item: VerifiedFile) -> str:
    return f"{item.path}: {item.what}, {item.keys} keys fit" + (f"; {item.notes}" if item.notes else "")


def _paths_of(context: CommandContext, what: Sequence[str]) -> list[Path]:
    """The files and folders meant; those of every model if nothing was said."""
    from sovits_cli.checkpoints.catalogue import find_model, list_models

    runs = context.settings.train.out
    if not what:
        return _parts(list_models(runs)[0])
    return [
        path
        for name in what
        for path in ([Path(name)] if _is_model_file(Path(name)) else _parts([find_model(name, runs=runs)]))
    ]


def _is_model_file(path: Path) -> bool:
    """Whether this is a file, or a published folder, rather than the name of a whole model."""
    return (
        path.is_file() or path.suffix in {".ckpt", ".pth", ".bin", ".safetensors"} or (path / "config.json").is_file()
    )


def _parts(bundles: Iterable[Bundle]) -> list[Path]:
    """The files of some models, each once."""
    return list(dict.fromkeys(path for one in bundles for path in one.parts))


def _listed(bundle: Bundle, chosen: Bundle | None) -> tuple[str, ...]:
    mark = "*" if _is_same(bundle, chosen) else ""
    size, path = _size(bundle.size_bytes), str(bundle.sovits.parent)
    return (mark, bundle.name, bundle.version.name, bundle.origin, size, bundle.licence, path)


def _document(bundle: Bundle, chosen: Bundle | None) -> dict[str, object]:
    return {
        "name": bundle.name,
        "version": bundle.version.name,
        "origin": bundle.origin,
        "default": _is_same(bundle, chosen),
        "size_bytes": bundle.size_bytes,
        "gpt": bundle.gpt,
        "sovits": bundle.sovits,
        "content": bundle.content,
        "bert": bundle.bert,
        "vocoder": bundle.vocoder,
        "speaker": bundle.speaker,
        "licence": bundle.licence,
    }


def _is_same(bundle: Bundle, chosen: Bundle | None) -> bool:
    return chosen is not None and (bundle.name, bundle.origin) == (chosen.name, chosen.origin)


def _summary_lines(summary: ModelSummary) -> list[str]:
    """A file in lines of `name  value`."""
    rows = [("file", str(summary.path)), ("is", summary.what)]
    if summary.supported is False:
        rows.append(("supported", "not yet"))
    if summary.info:
        rows.append(("training", summary.info))
    if summary.lora_rank is not None:
        rows.append(("LoRA rank", str(summary.lora_rank)))
    code = f", version code {summary.magic}" if summary.magic else ""
    rows.append(("container", f"{summary.container}, {_size(summary.size_bytes)}{code}"))
    rows.append(("keys", f"{summary.keys}, {summary.parameters / 1e6:.1f} M values, {', '.join(summary.precision)}"))
    rows.extend((name.replace("_", " "), str(value)) for name, value in summary.dimensions.items())
    return aligned_columns(rows)


def _shape(value: Tensor) -> str:
    return f"{'x'.join(map(str, value.shape)) or 'scalar'} {str(value.dtype).removeprefix('torch.')}"


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e9:.2f} GB" if size_bytes >= 1e9 else f"{size_bytes / 1e6:.1f} MB"
