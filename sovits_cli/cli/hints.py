"""What to type next: the one place that turns the code and the fields of an error or event into flags and commands.

    raise TextError("unknown language 'xx'", code="text.unknown_language", fields={"lang": "xx", "nearest": "ja"})
          |
          v                                     HINTS
    "text.unknown_language"  ->  "--lang {nearest}"  ->  hint: --lang ja

A row is a template with the names of fields in braces, or, where that is not enough, a function whose parameters are
the fields. A hint that the error brings along needs no row, and goes before one.
"""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable, Mapping
from typing import Final

from sovits_cli.errors import Advised

Template = str | Callable[..., str]


def hint_for(what: Advised) -> str | None:
    """The hint of an error or an event, None if there is none (or a field that its row needs was not given)."""
    if what.hint:
        return what.hint
    template = HINTS.get(what.code)
    if template is None or not needed_fields(template) <= what.fields.keys():
        return None
    if isinstance(template, str):
        return template.format_map(what.fields)
    return template(
        **{name: what.fields[name] for name in inspect.signature(template).parameters if name in what.fields}
    )


def needed_fields(template: Template) -> set[str]:
    """The fields that a row cannot do without: those in braces, or the parameters that have no default."""
    if isinstance(template, str):
        return {
            name.partition(".")[0].partition("[")[0] for _, name, _, _ in string.Formatter().parse(template) if name
        }
    parameters = inspect.signature(template).parameters.values()
    return {parameter.name for parameter in parameters if parameter.default is inspect.Parameter.empty}


def _flag(key: str) -> str:
    """The flag of a settings key: `max_sec` -> `--max-sec`."""
    return f"--{key.replace('_', '-')}"


def _language_not_spoken(lang: str, recommended: str, *, knows: bool) -> str:
    if knows:
        return f"sovits models pull {recommended}, then the same again with --model {recommended}"
    return f"train a voice that does: sovits prep RECORDINGS --lang {lang} --model {recommended}, sovits train"


_KIND_HINTS = {
    "gpt": "pass it as --gpt",
    "sovits": "pass it as --sovits",
    "lora": "pass it as --sovits",
    "discriminator": "a discriminator (s2D…, D_….pth) only serves training; the model is s2G… or G_….pth",
}

HINTS: Final[Mapping[str, Template]] = {
    # any room
    "internal": "run again with --debug and report what it shows",
    #
    # config
    "settings.file_missing": "sovits config init writes one",
    "settings.key_unset": "sovits config show {key}",
    "settings.key_unknown": "sovits config show lists all",
    "settings.not_key_value": "for example --set data.max_sec=30",
    "settings.official_base": "choose the base with `sovits train --model`, or weights with --init",
    "settings.official_dataset": "choose the dataset with `sovits train DATASET`",
    "settings.official_device": "choose the device with --device",
    "settings.official_name": "name the run with `sovits train --name`",
    "settings.official_out": "choose the folder with `sovits train --out`",
    #
    # audio
    "slice.contradiction": lambda higher, lower: f"raise {_flag(higher)} or lower {_flag(lower)}",
    "slice.manifest_unreadable": "name another folder with --out, or move that one away",
    "slice.own_output": "name another folder with --out",
    "slice.silent": "lower the threshold: --threshold {lower_db:g}",
    #
    # checkpoints, versions
    "model.altered": "sovits models pull {name} fetches it again",
    "model.ambiguous_version": lambda versions: (
        f"name the model it was trained from: {' or '.join(f'--model {name}' for name in versions)}"
    ),
    "model.convert_suffix": "sovits models convert {source} {target}",
    "model.file_missing": "sovits models list",
    "model.gpt_missing": "give the GPT too: --gpt FILE; or sovits models pull {version}",
    "model.init_version": "sovits prep DATASET --model {version}",
    "model.name_is_file": "--gpt FILE, --sovits FILE",
    "model.not_installed": "sovits models pull {name}",
    "model.not_verifiable": "sovits models list",
    "model.pulled_broken": "sovits models pull {name} fetches the file again",
    "model.unfit": "sovits models inspect {path}",
    "model.unknown_name": "sovits models list",
    "model.unknown_version": "sovits models list",
    "model.unsafe": "use a file from a source you trust; sovits models inspect FILE shows what it is",
    "model.version_disagrees": "name the file itself, --sovits {path}, or mend the model's JSON file",
    "model.wrong_kind": lambda found: _KIND_HINTS.get(found, "sovits models list"),
    #
    # data, features, prep
    "dataset.feature_missing": "run sovits prep again",
    "dataset.file_broken": "delete {path} and run sovits prep again",
    "dataset.name_twice": "remove one of the two lines, or run sovits prep again",
    "dataset.no_recording": "sovits slice RECORDING makes slices/, or name the folder that holds the recordings",
    "dataset.no_source": "sovits prep FOLDER, or a .list file",
    "dataset.not_a_folder": "--asr transcribes what is in a folder",
    "dataset.not_prepared": "sovits prep FOLDER makes it",
    "dataset.several_lists": "sovits prep {first}",
    "dataset.unknown_source": "sovits prep {folder}",
    "features.no_content_encoder": "install a model of its version; sovits models list",
    "features.no_speaker_encoder": "sovits models pull {version}",
    "features.no_text_encoder": "sovits models inspect {model}",
    "prep.no_whisper_model": "hf download Systran/faster-whisper-{name} --local-dir {folder}",
    "prep.nothing_transcribed": (
        "write what is said into {list} and run the same command again, or name a larger --asr-model"
    ),
    "prep.other_source": "use --out to keep both",
    "prep.out_not_folder": "name another with --out",
    "prep.whisper_fails": "--asr-model with a smaller one, or --device cpu",
    "prep.whisper_language": "--asr-model with one that does, or write the transcripts",
    "data.few_long_clips": (
        "train with --max-sec {fitting_sec}, or make longer slices: sovits slice --target-sec {max_sec:g}"
    ),
    #
    # devices
    "device.missing": "use --device auto",
    #
    # inference
    "inference.doubtful": "listen to it; another --seed, or shorter sentences, may help",
    "inference.language_not_spoken": _language_not_spoken,
    "inference.not_finite": "sovits models verify {file}",
    #
    # models
    "model.bigvgan_kind": "use the BigVGAN v2 of 24 kHz and 100 bands: sovits models pull v3",
    "model.dimensions": "sovits models inspect FILE",
    "model.no_reference": "give a reference with --ref",
    "model.speaker_vector": "sovits prep FOLDER computes them for a dataset",
    #
    # text
    "text.lexicon_unreadable": "--lexicon FILE, or text.lexicon in sovits.yaml",
    "text.nothing_to_read": "write the words out, or give another language with --lang",
    "text.table_lacks_language": "sovits models list",
    "text.unknown_language": "--lang {nearest}",
    "text.unknown_phone": "prepare the dataset again with the model it is meant for: sovits prep --model NAME",
    #
    # training
    "train.batch_too_large": (
        "--dry-run shows which batch fits; --batch-size {clips} or --activation-checkpointing may be faster"
    ),
    "train.clip_too_large": "sovits train --activation-checkpointing, or a lower --max-sec; --dry-run shows what fits",
    "train.clips_broken": "see the reason of each; sovits prep makes it anew",
    "train.clips_left_out": "the table above says what keeps them; without --strict the others train",
    "train.clips_of_many_phones": "--set data.max_phones=...",
    "train.clips_of_odd_rate": "--set data.min_phones_per_sec=... and data.max_phones_per_sec=...",
    "train.clips_too_long": "--max-sec, or sovits slice cuts them",
    "train.clips_too_short": "--set data.min_sec=..., or sovits slice --target-sec",
    "train.dataset_of_other_version": "sovits prep {dataset} --model {model}",
    "train.disk_full": "free some space: df -h {folder}; sovits train --out PLACE writes the run elsewhere",
    "train.flow_from_scratch": "leave --from-scratch away, or choose another --model",
    "train.folder_blocked": "move {path} away; sovits train --out PLACE writes the run elsewhere",
    "train.folder_read_only": "sovits train --out PLACE writes the run elsewhere",
    "train.loss_is_nan": (
        "lower the learning rate (--set optimizer.lr=... or --set sovits.train.learning_rate=...), "
        "or use --precision 32"
    ),
    "train.memory_not_an_amount": "for example --memory 12GB",
    "train.memory_without_plan": "sovits train --dry-run --memory 12GB",
    "train.more_processes_than_gpus": "torchrun --nproc-per-node {gpus}",
    "train.no_bf16": "sovits train --precision 16-mixed (or 32)",
    "train.no_clips": "the reasons are above; sovits prep makes a dataset anew",
    "train.no_dataset": "sovits prep slices/ --lang en makes ./dataset",
    "train.not_of_content": "leave it away; sovits config show lists content.*, what this stage has of its own",
    "train.other_dimensions": "fine-tuning keeps the base model's dimensions; --from-scratch trains the recipe's",
    "train.other_model": "sovits train --name OTHER keeps both; --restart begins this one anew",
    "train.profile_out_of_memory": (
        "sovits train --activation-checkpointing --batch-size 1, or close what else uses the memory"
    ),
    "train.states_unreadable": "sovits train --restart begins it anew (or remove {states})",
    "train.steps_and_epochs": "give one of them: --max-steps or --epochs, or --set content.steps=null",
    "train.warm_up_too_long": "--set optimizer.warmup_steps=null suits it to the run",
    #
}
"""Code -> what to type; in each room by code, one line or one function a row."""
