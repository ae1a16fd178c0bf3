"""Programs of torch.export: described without torch, asked, converted, and refused where they cannot be right."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.detect import open_source
from shipway.sources.routes import reachable
from shipway.types import DType, TensorSpec

sys.path.insert(0, str(Path(__file__).parents[1]))
from torch_asking import assert_same, cases_for, edge_of, quiet

pytestmark = pytest.mark.framework


@pytest.fixture
def open_model(torch_models):
    opened = []

    def open_model(name: str):
        opened.append(open_source(torch_models / name))
        return opened[-1]

    yield open_model
    for source in opened:
        source.close()


def check(source, end: str, name: str, into: Path, cases, *, atol: float = 2e-6):
    edge = edge_of(source, end, name)
    reference = source.reference(cases, quiet, ahead=edge)
    model = source.convert(edge, into, samples=next(iter(cases.values())), progress=quiet).model
    assert_same(model, reference, cases, atol=atol)
    return reference


def test_a_program_to_onnx(open_model, tmp_path):
    source = open_model("cnn.pt2")
    told = source.describe()
    assert told.inputs == (TensorSpec("input", DType.FP32, ("batch", 3, 12, 12)),)
    assert told.details["parameters"] == 622
    reference = check(source, "onnx", "pt2/dynamo-plain", tmp_path, cases_for(told.inputs))
    assert reference.signature.inputs == told.inputs
    assert reference.precise


def test_free_lengths_have_one_name_for_both_inputs(open_model, tmp_path):
    source = open_model("encoder.pt2")
    told = source.describe()
    assert [spec.shape for spec in told.inputs] == [("batch", "tokens_1"), ("batch", "tokens_1")]
    assert any(
        dim.startswith("tokens_1 of ") and dim.endswith(" to 64") for dim in told.details["free_dimensions"]
    )
    check(source, "onnx", "pt2/dynamo", tmp_path, cases_for(told.inputs), atol=1e-5)


def test_fixed_sizes_stay_fixed_and_can_be_traced(open_model, tmp_path):
    source = open_model("tagger_fixed.pt2")
    told = source.describe()
    assert told.inputs == (TensorSpec("tokens", DType.INT64, (2, 9)),)
    reference = check(source, "torchscript", "pt2/trace", tmp_path, cases_for(told.inputs, [(2, 9)]))
    assert [spec.name for spec in reference.signature.outputs] == ["tags", "label"]


def test_no_tracing_is_offered_for_free_sizes(open_model):
    assert "torchscript" not in reachable("pt2", open_model("cnn.pt2").describe().details)
    assert "torchscript" in reachable("pt2", open_model("tagger_fixed.pt2").describe().details)


def test_a_program_in_training_mode_is_refused(open_model):
    with pytest.raises(SourceUnsupportedError, match="exported in training mode") as caught:
        open_model("training.pt2").learn_signature(quiet)
    assert "model.eval()" in caught.value.hint


def test_a_program_that_is_cut_off(torch_models, tmp_path):
    content = (torch_models / "cnn.pt2").read_bytes()
    (tmp_path / "cut.pt2").write_bytes(content[: len(content) // 2])
    with pytest.raises(SourceDamagedError, match="cut off"):
        open_source(tmp_path / "cut.pt2")
