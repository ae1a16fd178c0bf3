"""What a converted file becomes in a bundle: which runtime runs it, what it is called, and its session where the
house has that runtime itself."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway import registry
from shipway.bundle.evidence import Json, Verdict
from shipway.graph.read import precision_of, read_graph, read_signature
from shipway.graph.weights import store_model
from shipway.runtimes.base import Runtime, Session
from shipway.types import Signature

_MAP_ABOVE = 64 * 2**20
"""Bytes of weights above which they are mapped and not repacked: costs 4 % on the run of a 765 MB model, saves
half its memory and nearly all of its load time. Small models keep the faster run."""
_RUNTIMES = {
    "onnx": "onnxruntime",
    "litert": "litert",
    "openvino": "openvino",
    "pt2": "torch",
    "torchscript": "torch",
    "savedmodel": "tensorflow",
    "keras": "keras",
}
"""Format → runtime. A bundle may hold a variant for a runtime that this machine has not."""


@dataclass(frozen=True)
class StoredVariant:
    """A converted file in its final form."""

    format: str
    folder: Path
    """Holds the variant's files and nothing else."""
    model: Path
    """The file in it that a runtime opens, or the folder itself (a SavedModel)."""
    runtime: Mapping[str, Json]
    signature: Signature | None
    """As the file has it; None where only its framework can tell."""
    session: Session | None
    """Open, in the runtimes that the house has itself."""
    precision: str = "fp32"
    """As the graph tells it; of other formats their own source tells."""


@dataclass(frozen=True)
class ProvenVariant:
    """A variant with its verdicts, and how it came to be."""

    stored: StoredVariant
    way: str
    made_by: Mapping[str, str]
    verdicts: tuple[Verdict, ...]
    precision: str = "fp32"

    @property
    def id(self) -> str:
        """`onnx-fp32`."""
        return f"{self.stored.format}-{self.precision}"


_TITLES = {
    "onnx": "ONNX",
    "litert": "LiteRT",
    "openvino": "OpenVINO",
    "pt2": "torch.export",
    "torchscript": "TorchScript",
    "savedmodel": "SavedModel",
    "keras": "Keras",
}


def title_of(format_: str) -> str:
    """As sentences call a format that Shipway writes."""
    return _TITLES.get(format_, format_)


def store_variant(format_: str, model: Path, folder: Path) -> StoredVariant:
    """Puts a converted file into the new folder `folder` as a bundle will hold it; the original stays.

    Raises `SourceDamagedError`, `SessionLoadError`, `MissingDependencyError`.
    """
    folder.mkdir(parents=True)
    runtime: dict[str, Json] = {"name": _RUNTIMES.get(format_, format_), "options": {}}
    if format_ != "onnx":
        return StoredVariant(format_, folder, _copy(model, folder), runtime, None, None)
    stored = store_model(model, folder)
    if stored.weights_outside_bytes > _MAP_ABOVE:
        runtime["options"] = {"mapped_weights": True}
    graph = read_graph(stored.model)
    signature = read_signature(graph)
    engine: Runtime = registry.load("runtimes", str(runtime["name"]))()
    session = engine.open(stored.model, runtime["options"])
    return StoredVariant(format_, folder, stored.model, runtime, signature, session, precision_of(graph))


def _copy(model: Path, folder: Path) -> Path:
    """A file with what lies beside it under its own stem (`model.xml`, `model.bin`), or a folder's contents."""
    if model.is_dir():
        shutil.copytree(model, folder, dirs_exist_ok=True)
        return folder
    for item in model.parent.glob(f"{model.stem}.*"):
        if item == model or item.suffix == ".bin":
            shutil.copyfile(item, folder / item.name)
    return folder / model.name
