"""Builds the small PyTorch models of the tests: `python torch_models.py FOLDER`, as the fixture does.

The file is a `module.py` for Shipway, too: every function below that returns a module is a factory.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import zipfile
from pathlib import Path
from typing import NamedTuple

import torch
from torch import nn

VOCABULARY = 50


def cnn():
    """A net with what batches, modes and layouts can break: normalization, dropout, strides."""
    torch.manual_seed(1)
    layers = [nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Dropout(0.5), nn.Linear(8 * 3 * 3, 5), nn.Softmax(dim=1)]
    model = nn.Sequential(*layers)
    with torch.no_grad():
        model[1].running_mean.uniform_(-1, 1)
        model[1].running_var.uniform_(0.5, 2)
    return model, torch.zeros(4, 3, 12, 12)


class Tagger(nn.Module):
    """An answer for each position, of an LSTM and a GRU."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 6)
        self.lstm = nn.LSTM(6, 8, batch_first=True, bidirectional=True)
        self.gru = nn.GRU(16, 8, batch_first=True)
        self.head = nn.Linear(8, 4)

    def forward(self, tokens):
        hidden, _ = self.lstm(self.embed(tokens))
        return {"tags": self.head(self.gru(hidden)[0]), "label": hidden.mean(1)}


def tagger():
    torch.manual_seed(2)
    return Tagger()


class Encoder(nn.Module):
    """A Transformer encoder with positions that it computes from the length."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(VOCABULARY, 8)
        self.register_buffer("places", torch.randn(64, 8))
        layer = nn.TransformerEncoderLayer(8, 2, 16, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2)
        self.head = nn.Linear(8, 3)

    def forward(self, tokens, mask):
        hidden = self.embed(tokens) + self.places[: tokens.shape[1]]
        hidden = self.encoder(hidden, src_key_padding_mask=mask)
        return self.head(hidden.masked_fill(mask[..., None], 0.0).sum(1))


def encoder():
    torch.manual_seed(3)
    return Encoder()


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


class Mixed(nn.Module):
    """Several dtypes in and out; both float outputs have one shape, so that a swap shows in the values only."""

    def __init__(self):
        super().__init__()
        self.left = nn.Linear(4, 3)
        self.right = nn.Linear(4, 3).double()

    def forward(self, input, right, flags, count=None):  # noqa: A002 - a name that exporters must keep
        first = self.left(input) + flags.float()
        if count is not None:
            first = first + count[:, None]
        return Pair(first, self.right(right))


def mixed():
    torch.manual_seed(4)
    example = {
        "input": torch.zeros(2, 4),
        "right": torch.zeros(2, 4, dtype=torch.float64),
        "flags": torch.zeros(2, 3, dtype=torch.bool),
        "count": torch.zeros(2, dtype=torch.int64),
    }
    return Mixed(), example


@dataclasses.dataclass
class Answer:
    scores: torch.Tensor
    best: torch.Tensor
    loss: torch.Tensor | None = None


class Chooser(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 3)

    def forward(self, row: torch.Tensor):
        scores = self.layer(row)
        return Answer(scores, scores.argmax(1))


def chooser():
    torch.manual_seed(5)
    return Chooser(), (torch.zeros(2, 4),)


def half():
    torch.manual_seed(6)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).half(), torch.zeros(2, 4).half()


def brain_float():
    torch.manual_seed(6)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).bfloat16(), torch.zeros(2, 4).bfloat16()


class Branch(nn.Module):
    """Goes one of two ways by the values of its rows: a trace keeps one of them."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 2)

    def forward(self, row: torch.Tensor):
        hidden = self.layer(row)
        if bool(hidden.sum() > 1000):
            hidden = hidden * 2
        return hidden


def branch():
    torch.manual_seed(7)
    return Branch(), torch.zeros(2, 4)


class Fixed(nn.Module):
    """Writes the number of rows that it saw into its graph."""

    def forward(self, row):
        return row.reshape(int(row.shape[0]), 2, 2).sum(2)


def fixed():
    return Fixed(), torch.zeros(2, 4)


def unseeded():
    return nn.Linear(4, 2), torch.zeros(2, 4)


def quantized():
    torch.manual_seed(8)
    plain = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)).eval()
    return torch.ao.quantization.quantize_dynamic(plain, {nn.Linear}), torch.zeros(2, 4)


class Digits(nn.Module):
    """For the handwritten digits that come with scikit-learn: 8 by 8 pixels, 0 to 16."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU())
        self.head = nn.Linear(16 * 8 * 8, 10)

    def forward(self, image):
        return self.head(self.features(image / 16.0).flatten(1)).softmax(1)


def digits():
    return Digits(), torch.zeros(2, 1, 8, 8)


def train_digits(folder: Path) -> None:
    """`digits.safetensors`, and the 360 rows that it has not seen in `digits.npz` (`image`, `labels`)."""
    import numpy as np
    from safetensors.torch import save_file
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images = images.reshape(-1, 1, 8, 8).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(images))
    seen, unseen = order[360:], order[:360]
    torch.manual_seed(0)
    model = Digits().train()
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    x, y = torch.from_numpy(images[seen]), torch.from_numpy(labels[seen])
    for _ in range(4):
        for part in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            nn.functional.nll_loss(model(x[part]).clamp_min(1e-9).log(), y[part]).backward()
            optimizer.step()
    save_file(model.state_dict(), folder / "digits.safetensors")
    np.savez(folder / "digits.npz", image=images[unseen], labels=labels[unseen])


def save_weights(folder: Path) -> None:
    module, _ = cnn()
    torch.save(module.state_dict(), folder / "cnn.pt")
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in module.state_dict().items()}},
               folder / "checkpoint.pt")  # fmt: skip
    torch.save({k: v for k, v in module.state_dict().items() if k != "6.bias"}, folder / "short.pt")
    torch.save({**module.state_dict(), "6.weight": torch.zeros(7, 72)}, folder / "other.pt")
    torch.save(nn.Linear(4, 2), folder / "whole.pt")
    torch.save(nn.Linear(4, 2), folder / "whole_old.pt", _use_new_zipfile_serialization=False)


def save_programs(folder: Path) -> None:
    batch = torch.export.Dim("batch")
    length = torch.export.Dim("length", max=64)
    module, example = cnn()
    program = torch.export.export(module.eval(), (example,), dynamic_shapes=({0: batch},))
    torch.export.save(program, folder / "cnn.pt2")
    tokens, mask = torch.ones(2, 9, dtype=torch.int64), torch.zeros(2, 9, dtype=torch.bool)
    shape = {0: batch, 1: length}
    program = torch.export.export(encoder().eval(), (tokens, mask), dynamic_shapes=(shape, shape))
    torch.export.save(program, folder / "encoder.pt2")
    torch.export.save(torch.export.export(tagger().eval(), (tokens,)), folder / "tagger_fixed.pt2")
    torch.export.save(
        torch.export.export(cnn()[0].train(), (torch.rand(4, 3, 12, 12),)), folder / "training.pt2"
    )


class Writer(nn.Module):
    """TorchScript can write files."""

    def forward(self, row: torch.Tensor):
        torch.save(row, "marker")
        return row


def save_scripts(folder: Path) -> None:
    module, example = cnn()
    with torch.no_grad():
        torch.jit.trace(module.eval(), example).save(folder / "cnn.ts")
        torch.jit.trace(cnn()[0].train(), example, check_trace=False).save(folder / "training.ts")
    torch.jit.script(branch()[0].eval()).save(folder / "branch.ts")
    torch.jit.script(Writer()).save(folder / "writer.ts")


def save_archives(folder: Path) -> None:
    """As `torch-model-archiver` lays them out."""
    for name, file, more in (
        ("script", "cnn.ts", {}),
        ("eager", "cnn.pt", {"modelFile": "model.py"}),
    ):
        model = {
            "modelName": name,
            "serializedFile": file,
            "handler": "handler.py",
            "modelVersion": "1.0",
            **more,
        }
        with zipfile.ZipFile(folder / f"{name}.mar", "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(folder / file, file)
            archive.writestr("handler.py", "open('marker', 'w')")
            archive.writestr("index_to_name.json", "{}")
            archive.writestr("MAR-INF/MANIFEST.json", json.dumps({"model": model, "runtime": "python"}))


if __name__ == "__main__":
    target = Path(sys.argv[1])
    torch.backends.mha.set_fastpath_enabled(False)
    for save in (save_weights, save_programs, save_scripts, save_archives, train_digits):
        save(target)
