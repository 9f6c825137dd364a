"""A whisper model with random weights in the format of faster-whisper: a few kilobytes that hear nonsense."""

import json

import numpy as np
from ctranslate2.specs import whisper_spec
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

WIDTH, HEADS, MELS, FRAMES, TEXT_LENGTH = 16, 2, 80, 1500, 448
LANGUAGES = ("en", "zh", "ja", "ko", "fr")

_WORDS = [f"word{number}" for number in range(40)]
_SPECIAL = [
    "<|endoftext|>",
    "<|startoftranscript|>",
    *(f"<|{code}|>" for code in LANGUAGES),
    *("<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>", "<|nospeech|>", "<|notimestamps|>"),
    *(f"<|{step * 0.02:.2f}|>" for step in range(1501)),
]


def write(folder):
    """Write the model's files into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = _WORDS + _SPECIAL
    tokenizer = Tokenizer(WordLevel({token: place for place, token in enumerate(tokens)}, unk_token=_WORDS[0]))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.add_special_tokens(_SPECIAL)
    tokenizer.save(str(folder / "tokenizer.json"))
    spec = whisper_spec.WhisperSpec(1, HEADS, 1, HEADS)
    draw = np.random.default_rng(0)
    _fill(spec.encoder, draw, encoder=True)
    _fill(spec.decoder, draw, encoder=False, vocabulary=len(tokens))
    spec.register_vocabulary(tokens)
    spec.config.suppress_ids, spec.config.suppress_ids_begin = [], []
    spec.config.lang_ids = [tokens.index(f"<|{code}|>") for code in LANGUAGES]
    spec.config.alignment_heads = [(0, 0)]
    spec.validate()
    spec.save(str(folder))
    (folder / "preprocessor_config.json").write_text(json.dumps({"feature_size": MELS}))
    return folder


def _fill(part, draw, *, encoder, vocabulary=0):
    def matrix(*shape):
        return draw.standard_normal(shape).astype(np.float32) / 4

    def linear(spec, rows, columns):
        spec.weight, spec.bias = matrix(rows, columns), np.zeros(rows, np.float32)

    def norm(spec):
        spec.gamma, spec.beta = np.ones(WIDTH, np.float32), np.zeros(WIDTH, np.float32)

    if encoder:
        part.conv1.weight, part.conv1.bias = matrix(WIDTH, MELS, 3), np.zeros(WIDTH, np.float32)
        part.conv2.weight, part.conv2.bias = matrix(WIDTH, WIDTH, 3), np.zeros(WIDTH, np.float32)
        part.position_encodings.encodings = matrix(FRAMES, WIDTH)
    else:
        part.embeddings.weight = matrix(vocabulary, WIDTH)
        part.position_encodings.encodings = matrix(TEXT_LENGTH, WIDTH)
        part.projection.weight = part.embeddings.weight
    norm(part.layer_norm)
    for layer in part.layer:
        norm(layer.self_attention.layer_norm)
        linear(layer.self_attention.linear[0], 3 * WIDTH, WIDTH)
        linear(layer.self_attention.linear[1], WIDTH, WIDTH)
        if not encoder:
            norm(layer.attention.layer_norm)
            linear(layer.attention.linear[0], WIDTH, WIDTH)
            linear(layer.attention.linear[1], 2 * WIDTH, WIDTH)
            linear(layer.attention.linear[2], WIDTH, WIDTH)
        norm(layer.ffn.layer_norm)
        linear(layer.ffn.linear_0, 4 * WIDTH, WIDTH)
        linear(layer.ffn.linear_1, WIDTH, 4 * WIDTH)
