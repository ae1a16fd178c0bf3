"""The measured models as bundles, stored as `shipway export` stores them; made once and kept under `.cache/`."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import graphs
import numpy as np
import onnx
import onnxruntime

from shipway.actions.variants import store_variant
from shipway.bundle.closeness import output_scale
from shipway.bundle.golden import Golden, Tolerance
from shipway.bundle.manifest import Manifest, Variant
from shipway.bundle.store import BundleWriter
from shipway.types import DType, Signature, TensorSpec

CACHE = Path(__file__).parents[2] / ".cache" / "benchmarks" / "serving-1"
"""The number changes with the models."""
_MOST_GOLDEN_ROWS = 32
_MOST_GOLDEN_BYTES = 4 * 2**20


@dataclass(frozen=True)
class ModelFiles:
    """Where a model lies, for us and for whoever takes ONNX."""

    name: str
    bundle: Path
    onnx: Path
    is_mapped: bool
    """Its weights are outside the graph, mapped and not repacked."""


def files_of(name: str) -> ModelFiles:
    """The bundle of one of `graphs.SHAPES`; built on first use (the guide's: 20 s, 3 GB of memory)."""
    bundle = CACHE / f"{name}.bundle"
    if not bundle.exists():
        CACHE.mkdir(parents=True, exist_ok=True)
        _build(name, bundle)
    folder = bundle / "variants" / "onnx-fp32"
    return ModelFiles(
        name, bundle, folder / "model.onnx", (folder / "weights.bin").exists() and name == "guide"
    )


def _build(name: str, bundle: Path) -> None:
    with tempfile.TemporaryDirectory(dir=CACHE) as temporary:
        source = Path(temporary) / "source.onnx"
        onnx.save(graphs.make(name), source)
        with BundleWriter(bundle) as writer:
            folder = writer.variant_folder("onnx-fp32")
            folder.rmdir()  # `store_variant` makes it
            stored = store_variant("onnx", source, folder)
            golden = _golden(name, stored.model)
            variant = Variant(
                id="onnx-fp32",
                format="onnx",
                precision="fp32",
                main="variants/onnx-fp32/model.onnx",
                runtime=stored.runtime,
                files=writer.files_of("onnx-fp32"),
            )
            signature = Signature(
                (TensorSpec("x", DType.FP32, ("batch", *graphs.SHAPES[name])),),
                (TensorSpec("y", DType.FP32, ("batch", golden.outputs["y"].shape[1])),),
            )
            writer.commit(Manifest(name, "1", signature, (variant,)), golden=golden)


def _golden(name: str, model: Path) -> Golden:
    """As many rows as an export keeps, answered by the file without any optimization."""
    shape = graphs.SHAPES[name]
    count = min(_MOST_GOLDEN_ROWS, max(4, _MOST_GOLDEN_BYTES // (4 * int(np.prod(shape)))))
    x = np.random.default_rng(1).random((count, *shape), dtype=np.float32)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    y = session.run(None, {"x": x})[0]
    return Golden({"x": x}, {"y": y}, {"y": Tolerance(output_scale(y), 1e-3)}, "generated")
