"""OpenVINO's IR: described without OpenVINO, asked by it, made from SavedModels, ONNX and LiteRT files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from tests.framework_runs import Asked, ask_all, largest_gap, random_cases

from shipway.errors import SourceDamagedError
from shipway.sources.base import Hints, Limits
from shipway.sources.detect import open_source
from shipway.sources.formats.litert import LiteRTFormat
from shipway.sources.formats.onnx import OnnxFormat
from shipway.sources.formats.openvino import OpenVinoFormat
from shipway.sources.formats.saved_model import SavedModelFormat
from shipway.sources.framework import FrameworkSource

pytestmark = pytest.mark.framework

SAVED = {"digits": None, "lstm": None, "gru": None, "transformer": None, "typed": None, "several": "total"}
LITERT = ("digits", "half", "typed", "int8")


def opened(format_: type, path: Path, signature: str | None = None) -> FrameworkSource:
    found: FrameworkSource = format_.open(
        path, python=None, limits=Limits(), hints=Hints(signature=signature)
    )
    return found


def silent(text: str) -> None:
    assert text


def value(name: str, kind: int, *shape: int | str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def write_onnx(file: Path) -> Path:
    """Dimensions with names of their own, several dtypes, names with commas."""
    inputs = [
        value("z, the last", TensorProto.FLOAT, "batch", "steps", 4),
        value("half", TensorProto.FLOAT16, "batch", 4),
        value("count", TensorProto.INT64, "batch", 3),
    ]
    outputs = [
        value("twice", TensorProto.INT64, "batch", 3),
        value("soft", TensorProto.FLOAT, "batch", "steps", 4),
        value("bent", TensorProto.FLOAT16, "batch", 4),
        value("is_large", TensorProto.BOOL, "batch", 3),
    ]
    nodes = [
        helper.make_node("Softmax", ["z, the last"], ["soft"], axis=-1),
        helper.make_node("Relu", ["half"], ["bent"]),
        helper.make_node("Add", ["count", "count"], ["twice"]),
        helper.make_node("Greater", ["twice", "count"], ["is_large"]),
    ]
    graph = helper.make_graph(nodes, "mixed", inputs, outputs)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=9), file)
    return file


@pytest.fixture(scope="module")
def made(
    litert_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Asked, Asked, Path]]:
    """What each model answers, what its IR does, and the IR: one child for every framework."""
    folder = tmp_path_factory.mktemp("onnx")
    groups = {
        "openvino/from-savedmodel": {
            f"savedmodel {name}": opened(SavedModelFormat, litert_models / name, signature)
            for name, signature in SAVED.items()
        },
        "openvino/from-litert": {
            f"litert {name}": opened(LiteRTFormat, litert_models / f"{name}.tflite") for name in LITERT
        },
        "openvino/from-onnx": {"onnx mixed": opened(OnnxFormat, write_onnx(folder / "mixed.onnx"))},
    }
    originals: dict[str, Asked] = {}
    given = {}
    for edge, sources in groups.items():
        cases = [random_cases(source.describe().inputs) for source in sources.values()]
        found = ask_all(
            list(sources.values()), cases, tmp_path_factory.mktemp("asked"), edges=[[edge]] * len(sources)
        )
        originals.update(zip(sources, found, strict=True))
        given.update(zip(sources, cases, strict=True))
    files = {name: next(iter(one.files.values())) for name, one in originals.items()}
    converted = [opened(OpenVinoFormat, files[name]) for name in originals]
    again = ask_all(converted, [given[name] for name in originals], tmp_path_factory.mktemp("ir"))
    return {name: (originals[name], one, files[name]) for name, one in zip(originals, again, strict=True)}


NAMES = [
    *(f"savedmodel {name}" for name in SAVED),
    *(f"litert {name}" for name in LITERT),
    "onnx mixed",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_ir_keeps_the_signature_and_gives_the_answers(made: dict, name: str) -> None:
    original, converted, file = made[name]
    assert converted.signature == original.signature
    assert largest_gap(converted.outputs, original.outputs) < 2e-6
    assert open_source(file).describe().signature == original.signature


def test_it_is_described_without_openvino(made: dict) -> None:
    _, _, file = made["savedmodel digits"]
    before = set(sys.modules)
    described = open_source(file).describe()
    assert "openvino" not in set(sys.modules) - before
    assert described.format == "openvino"
    assert described.details["operators"]["Convolution"] == 1
    assert described.details["weights_bytes"] == file.with_suffix(".bin").stat().st_size
    assert list(described.details["external_data"]) == [file.with_suffix(".bin").name]


def test_weights_stay_float32(made: dict) -> None:
    _, _, file = made["savedmodel digits"]
    assert b'element_type="f16"' not in file.read_bytes()
    assert file.with_suffix(".bin").stat().st_size > 4 * (10 * 32 + 32 * 16 * 8)


def test_the_reference_is_measured(made: dict, litert_models: Path) -> None:
    _, _, file = made["savedmodel digits"]
    with np.load(litert_models / "digits.npz") as data:
        image, labels = data["image"][:200], data["labels"][:200]
    found = open_source(file).reference({"data": {"image": image}}, silent)
    assert (found.outputs["data"]["probabilities"].argmax(1) == labels).mean() > 0.9
    assert found.repeated["data"]["probabilities"].shape == (8, 10)
    assert "openvino" in found.versions


def test_nothing_is_written_to_the_home_and_telemetry_is_not_there(made: dict, tmp_path: Path) -> None:
    _, _, file = made["savedmodel digits"]
    code = (
        "import sys; from pathlib import Path; from shipway.sources.workers.loaders.openvino import load; "
        f"load(Path({str(file)!r}), {{}}); import openvino.tools.ovc; "
        "from openvino.tools.ovc.telemetry_utils import tm; print(tm.__name__)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.split()[-1] == "openvino.tools.ovc.telemetry_stub"
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_missing_or_short_are_damage(made: dict, tmp_path: Path) -> None:
    _, _, file = made["savedmodel digits"]
    copy = tmp_path / "model.xml"
    copy.write_bytes(file.read_bytes())
    with pytest.raises(SourceDamagedError, match=r"model\.bin, which is not beside it"):
        open_source(copy)
    copy.with_suffix(".bin").write_bytes(file.with_suffix(".bin").read_bytes()[:-50])
    with pytest.raises(SourceDamagedError, match="needs"):
        open_source(copy)
