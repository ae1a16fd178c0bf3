"""TorchScript: asked after its inputs are told, converted with its branches, refused where it reaches out."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from shipway.errors import DataMismatchError, SourceDamagedError, SourceUnsupportedError
from shipway.sources.base import Hints
from shipway.sources.detect import open_source
from shipway.sources.formats.torch_script import DEPRECATED, TorchScriptFormat
from shipway.sources.workers.frameworks import torch_script as worker_side
from shipway.types import DType, TensorSpec

sys.path.insert(0, str(Path(__file__).parents[1]))
from torch_asking import assert_same, cases_for, edge_of, quiet

IMAGE = TensorSpec("input", DType.FP32, ("batch", 3, 12, 12))
ROW = TensorSpec("row", DType.FP32, ("batch", 4))


@pytest.fixture
def open_model(torch_models):
    opened = []

    def open_model(name: str, *inputs: TensorSpec, trust: bool = False):
        opened.append(open_source(torch_models / name, hints=Hints(inputs=inputs, trust=trust)))
        return opened[-1]

    yield open_model
    for source in opened:
        source.close()


def test_both_sides_say_the_same_of_its_future():
    assert worker_side.DEPRECATED == DEPRECATED == TorchScriptFormat.deprecated


@pytest.mark.framework
def test_a_trace_to_onnx(open_model, tmp_path):
    source = open_model("cnn.ts")
    assert source.describe().asks_inputs == ("input",)
    source.assume_inputs((IMAGE,))
    cases = cases_for([IMAGE])
    edge = edge_of(source, "onnx", "torchscript/torchscript-exporter")
    reference = source.reference(cases, quiet, ahead=edge)
    assert reference.signature.outputs == (TensorSpec("output", DType.FP32, ("batch", 5)),)
    assert reference.precise
    model = source.convert(edge, tmp_path, samples=cases["2x9"], progress=quiet).model
    assert_same(model, reference, cases)


@pytest.mark.framework
@pytest.mark.parametrize(
    "signature",
    [
        "{",
        "[]",
        "{}",
        '{"inputs": 3, "outputs": []}',
        '{"inputs": [3], "outputs": []}',
        '{"inputs": [{"name": 1, "dtype": "float32", "shape": [1]}], "outputs": []}',
        '{"inputs": [{"name": "a", "dtype": "float32", "shape": 1}], "outputs": []}',
        '{"inputs": [{"name": "a", "dtype": "object", "shape": [1]}], "outputs": []}',
        '{"inputs": [{"name": "a", "dtype": "float32", "shape": [-1, 1.5, null]}], "outputs": []}',
    ],
)
def test_a_signature_that_is_none(torch_models, tmp_path, signature):
    copy = tmp_path / "model.pt"
    copy.write_bytes((torch_models / "cnn.ts").read_bytes())
    with zipfile.ZipFile(copy, "a") as archive:
        archive.writestr(f"{archive.namelist()[0].partition('/')[0]}/extra/shipway.json", signature)
    with pytest.raises((SourceDamagedError, SourceUnsupportedError)):
        open_source(copy).describe()


@pytest.mark.framework
def test_a_scripts_branches_go_along(open_model, tmp_path):
    """A trace would have kept the one that the example took."""
    source = open_model("branch.ts", ROW)
    cases = {**cases_for([ROW]), "large": {"row": np.full((2, 4), -9e3, np.float32)}}
    cases["larger"] = {"row": -cases["large"]["row"]}
    edge = edge_of(source, "onnx", "torchscript/torchscript-exporter")
    reference = source.answer(cases, quiet)
    sums = [reference.outputs[name]["output"].sum() for name in ("large", "larger")]
    assert max(sums) > 1000 > 0 > min(sums)
    model = source.convert(edge, tmp_path, samples=cases["2x9"], progress=quiet).model
    assert_same(model, reference, cases)


@pytest.mark.framework
def test_inputs_by_another_name(open_model):
    with pytest.raises(DataMismatchError, match="The script takes input; given were row"):
        open_model("cnn.ts", ROW).learn_signature(quiet)


@pytest.mark.framework
def test_a_trace_of_training_mode_is_refused(open_model):
    with pytest.raises(SourceUnsupportedError, match="traced in training mode"):
        open_model("training.ts", IMAGE).learn_signature(quiet)


@pytest.mark.framework
def test_a_script_that_writes_files_is_not_run_untrusted(open_model, torch_models, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    source = open_model("writer.ts", ROW)
    (finding,) = source.describe().details["needs_trust"]
    assert "torch.save" in finding
    with pytest.raises(SourceUnsupportedError, match=r"torch\.save") as caught:
        source.learn_signature(quiet)
    assert "--trust" in caught.value.hint
    trusted = open_model("writer.ts", ROW, trust=True)
    assert trusted.learn_signature(quiet).inputs == (ROW,)
    assert list(tmp_path.iterdir()) == []
    assert not (torch_models / "marker").exists()
