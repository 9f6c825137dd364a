"""Train the model that guesses how an unknown English word is said, on the CMU dictionary.

    python -m tests.tools.train_letters path/to/cmudict.dict [--epochs 12] [--hidden 128]

Letters go through a GRU in both directions; a second GRU labels each letter with the phones it makes, seeing its own
last label. One word in twenty (by a hash of its spelling) is held out and scored at the end. Writes
`sovits_cli/text/tables/letters.npz`: weights as int8 with a scale per row. About a quarter of an hour of one CPU core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sovits_cli.text import en_oov, resources
from tests.tools import compile_cmudict
from tests.tools.align_letters import Aligned, align, phones_of

SEED = 1234
WIDTH = 48
BATCH = 256
PEAK_RATE = 4e-3


class Labeller(nn.Module):
    """Letters (B, L) and the labels before each of them (B, L) to label logits (B, L, labels)."""

    def __init__(self, labels: int, hidden: int) -> None:
        super().__init__()
        self.letters = nn.Embedding(26, WIDTH)
        self.labels = nn.Embedding(labels + 1, WIDTH)
        self.reader = nn.GRU(WIDTH, hidden, bidirectional=True, batch_first=True)
        self.writer = nn.GRU(2 * hidden + WIDTH, hidden, batch_first=True)
        self.out = nn.Linear(hidden, labels)
        self.drop = nn.Dropout(0.1)

    def forward(self, letters: Tensor, before: Tensor) -> Tensor:
        read, _ = self.reader(self.drop(self.letters(letters)))
        written, _ = self.writer(torch.cat([self.drop(read), self.drop(self.labels(before))], -1))
        return self.out(self.drop(written))


def batches(data: Aligned, chosen: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Words of one length in each batch, so that nothing is padded."""
    lengths = np.diff(data.starts)[chosen]
    found = []
    for length in np.unique(lengths):
        same = rng.permutation(chosen[lengths == length])
        found += [same[start : start + BATCH] for start in range(0, len(same), BATCH)]
    return [found[position] for position in rng.permutation(len(found))]


def train(data: Aligned, classes: np.ndarray, allowed: Tensor, hidden: int, epochs: int) -> Labeller:
    torch.manual_seed(SEED)
    rng = np.random.default_rng(SEED)
    chosen = np.array([position for position, word in enumerate(data.words) if not compile_cmudict.held_out(word)])
    model = Labeller(allowed.shape[1], hidden)
    optimiser = torch.optim.AdamW(model.parameters(), PEAK_RATE, weight_decay=0.01)
    steps = epochs * len(batches(data, chosen, np.random.default_rng(SEED)))
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, total_steps=steps, pct_start=0.1)
    for epoch in range(epochs):
        total = []
        for words in batches(data, chosen, rng):
            places = data.starts[words][:, None] + np.arange(data.starts[words[0] + 1] - data.starts[words[0]])
            letters, target = torch.from_numpy(data.letters[places]), torch.from_numpy(classes[places])
            before = F.pad(target[:, :-1], (1, 0), value=allowed.shape[1])
            logits = model(letters, before).masked_fill(~allowed[letters], -1e4)
            loss = F.cross_entropy(logits.flatten(0, 1), target.flatten())
            optimiser.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            rate.step()
            total.append(loss.item())
        print(f"epoch {epoch + 1} of {epochs}: loss {np.mean(total):.4f}", flush=True)
    return model.eval()


def export(path: Path, model: Labeller, known: list[int], allowed: Tensor) -> None:
    """Weights by their names: matrices as int8 rows with float32 scales, vectors as float32."""
    arrays: dict[str, np.ndarray] = {"allowed": np.packbits(allowed.numpy(), axis=1)}
    arrays["phones"] = np.array([" ".join(phones_of(label)) for label in known])
    for name, value in model.state_dict().items():
        weight = value.numpy()
        if weight.ndim == 1:
            arrays[name] = weight
            continue
        scale = np.abs(weight).max(1, keepdims=True) / 127
        arrays[name], arrays[f"{name}.scale"] = np.round(weight / scale).astype(np.int8), scale.astype(np.float32)
    np.savez_compressed(path, **arrays)


def score(entries: dict[str, list[str]], words: list[str]) -> str:
    """Error rates of the written file on held-out words."""
    wrong = wrong_plain = errors = total = 0
    for word in words:
        guess, real = en_oov.guess_word(word), entries[word]
        wrong += guess != real
        wrong_plain += [phone.rstrip("012") for phone in guess] != [phone.rstrip("012") for phone in real]
        errors += distance(guess, real)
        total += len(real)
    count = len(words)
    return (
        f"{count} held-out words: word error rate {wrong / count:.1%} ({wrong_plain / count:.1%} without stress), "
        f"phone error rate {errors / total:.1%}"
    )


def distance(first: list[str], second: list[str]) -> int:
    """Edits that make one list of phones the other."""
    row = list(range(len(second) + 1))
    for i, left in enumerate(first, 1):
        previous, row = row, [i]
        for j, right in enumerate(second, 1):
            row.append(min(previous[j] + 1, row[-1] + 1, previous[j - 1] + (left != right)))
    return row[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dictionary", type=Path)
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--hidden", type=int, default=128)
    arguments = parser.parse_args()
    entries = compile_cmudict.read(arguments.dictionary)
    data = align(entries)
    known = sorted(set(data.labels.tolist()))
    classes = np.searchsorted(known, data.labels)
    allowed = torch.zeros(26, len(known), dtype=torch.bool)
    allowed[data.letters, classes] = True
    model = train(data, classes, allowed, arguments.hidden, arguments.epochs)
    export(resources.TABLES / "letters.npz", model, known, allowed)
    print(score(entries, [word for word in data.words if compile_cmudict.held_out(word)]))


if __name__ == "__main__":
    main()
