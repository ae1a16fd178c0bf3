"""An `nn.Module` from `module.py:factory`: asked, converted each way, and every mistake named."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from shipway.errors import DataMismatchError, ExportError, SourceNotFoundError, SourceUnsupportedError
from shipway.sources.base import Hints, Limits
from shipway.sources.detect import open_source
from shipway.sources.files.weights import Weight
from shipway.sources.formats.torch_module import facts_of
from shipway.types import DType, TensorSpec

sys.path.insert(0, str(Path(__file__).parents[1]))
from torch_asking import assert_same, cases_for, edge_of, quiet

TOKENS = TensorSpec("tokens", DType.INT64, ("batch", "tokens_1"))
MASK = TensorSpec("mask", DType.BOOL, ("batch", "tokens_1"))


@pytest.fixture
def open_model(torch_models, tmp_path):
    opened = []

    def open_model(factory: str, *, weights: str | None = None, inputs=(), file: Path | None = None):
        hints = Hints(weights=None if weights is None else torch_models / weights, inputs=inputs)
        path = Path(f"{file or torch_models / 'net.py'}:{factory}")
        limits = Limits(timeout_seconds=240, scratch=tmp_path)
        opened.append(open_source(path, hints=hints, limits=limits))
        return opened[-1]

    yield open_model
    for source in opened:
        source.close()
    assert [path for path in tmp_path.iterdir() if path.name.startswith("shipway-")] == []


@pytest.fixture
def into(tmp_path):
    folder = tmp_path / "into"
    folder.mkdir()
    return folder


def convert(source, end, name, into, cases):
    reference = source.reference(cases, quiet, ahead=edge_of(source, end, name))
    found = source.convert(edge_of(source, end, name), into, samples=cases["2x9"], progress=quiet)
    return reference, found.model


@pytest.mark.framework
def test_weights_of_a_checkpoint_and_batch_normalization(open_model, into):
    source = open_model("cnn", weights="checkpoint.pt")
    told = source.describe()
    assert told.asks_inputs is None
    assert told.details["weights_file"]["name"] == "checkpoint.pt"
    image = TensorSpec("input", DType.FP32, ("batch", 3, 12, 12))
    cases = cases_for([image])
    reference, model = convert(source, "onnx", "torch/dynamo", into, cases)
    assert reference.signature.inputs == (image,)
    assert reference.signature.outputs == (TensorSpec("output", DType.FP32, ("batch", 5)),)
    (precise,) = reference.precise.values()
    assert precise["output"].dtype == np.float64
    assert_same(model, reference, cases)


@pytest.mark.framework
@pytest.mark.parametrize("edge", ["torch/dynamo", "torch/torchscript-exporter"])
def test_recurrent_nets_keep_their_free_length(open_model, into, edge):
    """dynamo writes the example's length behind an LSTM that takes any."""
    source = open_model("tagger", inputs=(TensorSpec("tokens", DType.INT64, ("n", "length")),))
    assert source.describe().inputs == (TOKENS,)
    cases = cases_for([TOKENS])
    reference, model = convert(source, "onnx", edge, into, cases)
    assert reference.signature.outputs == (
        TensorSpec("tags", DType.FP32, ("batch", "tokens_1", 4)),
        TensorSpec("label", DType.FP32, ("batch", 16)),
    )
    assert_same(model, reference, cases)


@pytest.mark.framework
def test_a_program_of_a_recurrent_net_would_have_one_length(open_model, into):
    """torch.export fixes the length of nn.LSTM, which is said and not hidden."""
    source = open_model("tagger", inputs=(TOKENS,))
    with pytest.raises(ExportError, match="tokens_1"):
        source.convert(
            edge_of(source, "pt2", "torch/export"), into, samples=cases_for([TOKENS])["1x1"], progress=quiet
        )


@pytest.mark.framework
def test_a_transformer_with_a_mask(open_model, into):
    source = open_model("encoder", inputs=(TOKENS, MASK))
    cases = cases_for([TOKENS, MASK])
    reference, model = convert(source, "onnx", "torch/dynamo", into, cases)
    assert_same(model, reference, cases, atol=1e-5)


@pytest.mark.framework
@pytest.mark.parametrize(("end", "edge"), [("pt2", "torch/export"), ("onnx", "torch/dynamo-plain")])
def test_names_and_dtypes_of_several_inputs_and_outputs(open_model, into, end, edge):
    source = open_model("mixed")
    inputs = (
        TensorSpec("input", DType.FP32, ("batch", 4)),
        TensorSpec("right", DType.FP64, ("batch", 4)),
        TensorSpec("flags", DType.BOOL, ("batch", 3)),
        TensorSpec("count", DType.INT64, ("batch",)),
    )
    cases = cases_for(inputs)
    reference, model = convert(source, end, edge, into, cases)
    assert reference.signature.inputs == inputs
    outputs = reference.signature.outputs
    assert [(spec.name, spec.dtype.value) for spec in outputs] == [("first", "FP32"), ("second", "FP64")]
    assert_same(model, reference, cases)


@pytest.mark.framework
def test_a_dataclass_goes_through_torchscript_with_its_names(open_model, into):
    source = open_model("chooser")
    row = TensorSpec("row", DType.FP32, ("batch", 4))
    cases = cases_for([row])
    edge = edge_of(source, "torchscript", "torch/trace")
    assert "torch.export" in edge.deprecated
    reference, model = convert(source, "torchscript", "torch/trace", into, cases)
    assert reference.signature.outputs == (
        TensorSpec("scores", DType.FP32, ("batch", 3)),
        TensorSpec("best", DType.INT64, ("batch",)),
    )
    source = assert_same(model, reference, cases)
    assert source.describe().signature == reference.signature


@pytest.mark.framework
def test_a_batch_that_is_baked_in_is_no_way(open_model, into):
    """pytorch/pytorch#157621: the number of rows is written into the graph."""
    source = open_model("fixed")
    samples = cases_for([TensorSpec("row", DType.FP32, ("batch", 4))])["2x9"]
    with pytest.raises(ExportError, match=r"batch"):
        source.convert(edge_of(source, "onnx", "torch/dynamo"), into, samples=samples, progress=quiet)


@pytest.mark.framework
def test_a_quantized_net_has_no_float64_truth(open_model):
    source = open_model("quantized")
    reference = source.reference(cases_for([TensorSpec("input", DType.FP32, ("batch", 4))]), quiet)
    assert reference.precise == {}
    assert reference.repeated != {}


@pytest.mark.framework
def test_half_precision_runs_as_it_is(open_model):
    source = open_model("half")
    row = TensorSpec("input", DType.FP16, ("batch", 4))
    reference = source.reference(cases_for([row]), quiet)
    assert reference.signature.inputs == (row,)
    (case,) = reference.precise
    gap = np.abs(reference.precise[case]["output"] - reference.outputs[case]["output"].astype(float)).max()
    assert 1e-5 < gap < 1e-2


@pytest.mark.framework
def test_bfloat16_goes_in_and_out_as_float32(open_model, into):
    """numpy has no such type, and no request carries it."""
    source = open_model("brain_float")
    row = TensorSpec("input", DType.FP32, ("batch", 4))
    cases = cases_for([row])
    reference, model = convert(source, "torchscript", "torch/trace", into, cases)
    assert reference.signature.inputs == (row,)
    assert_same(model, reference, cases)


@pytest.mark.framework
def test_weights_left_to_chance_are_the_same_in_every_child(open_model):
    source = open_model("unseeded")
    cases = cases_for([TensorSpec("input", DType.FP32, ("batch", 4))])
    first, second = source.answer(cases, quiet), source.answer(cases, quiet)
    for case in cases:
        np.testing.assert_array_equal(first.outputs[case]["output"], second.outputs[case]["output"])


@pytest.mark.framework
@pytest.mark.parametrize(
    ("weights", "words"),
    [
        ("short.pt", r"1 missing in the file \(6\.bias\)"),
        ("other.pt", r"6\.weight is \[7, 72\] in the file and \[5, 72\] in the module"),
        ("digits.safetensors", r"9 unknown to the module \(features"),
    ],
)
def test_weights_that_do_not_fit(open_model, weights, words):
    with pytest.raises(SourceUnsupportedError, match=words):
        open_model("cnn", weights=weights).learn_signature(quiet)


@pytest.mark.framework
def test_a_whole_module_is_no_file_of_weights(open_model):
    """Known from the pickle's text, before any child starts."""
    with pytest.raises(SourceUnsupportedError, match=r"torch\.nn\.modules\.linear\.Linear") as caught:
        open_model("cnn", weights="whole.pt")
    assert "state_dict" in caught.value.hint
    with pytest.raises(SourceNotFoundError, match=r"none\.pt"):
        open_model("cnn", weights="none.pt")


@pytest.mark.framework
def test_inputs_are_asked_for_by_forwards_names(open_model):
    source = open_model("encoder")
    assert source.describe().asks_inputs == ("tokens", "mask")
    source.assume_inputs((MASK, TOKENS))
    assert source.describe().asks_inputs is None
    signature = source.learn_signature(quiet)
    assert [spec.name for spec in signature.inputs] == ["tokens", "mask"]


@pytest.mark.framework
@pytest.mark.parametrize("way", ["torch/dynamo", "torch/torchscript-exporter"])
def test_one_input_may_be_called_as_the_data_calls_it(open_model, into, way):
    """`forward` of `nn.Sequential` calls its argument `input`."""
    source = open_model("cnn")
    source.assume_inputs((TensorSpec("x", DType.FP32, ("batch", 3, 12, 12)),))
    inputs = source.learn_signature(quiet).inputs
    assert [spec.name for spec in inputs] == ["x"]
    cases = cases_for(inputs)
    reference = source.answer(cases, quiet)
    edge = edge_of(source, "onnx", way)
    model = source.convert(edge, into, samples=next(iter(cases.values())), progress=quiet).model
    assert_same(model, reference, cases)


@pytest.mark.framework
def test_one_input_by_another_name_is_none_of_several(open_model):
    source = open_model("encoder")
    source.assume_inputs((TensorSpec("x", DType.INT64, ("batch", 9)),))
    with pytest.raises(DataMismatchError, match="forward takes tokens, mask; given were x"):
        source.learn_signature(quiet)


BROKEN = """
import torch
class Net(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
def fails():
    return {}["absent"]
def leaves():
    raise SystemExit(3)
def gives_class():
    return Net
def imports():
    import a_package_that_is_not_there
"""


@pytest.mark.framework
@pytest.mark.parametrize(
    ("factory", "words"),
    [
        ("Net", r"net\.py, line 3: Net needs the arguments width"),
        ("fails", r"net\.py, line 7: KeyError"),
        ("leaves", r"net\.py, line 9: SystemExit"),
        ("gives_class", "returned a type: the class itself"),
        ("imports", r"line 13: ModuleNotFoundError"),
    ],
)
def test_a_factory_that_fails_is_told_by_its_line(open_model, tmp_path, factory, words):
    (tmp_path / "net.py").write_text(BROKEN, encoding="utf-8")
    row = TensorSpec("row", DType.FP32, ("batch", 4))
    source = open_model(factory, file=tmp_path / "net.py", inputs=(row,))
    with pytest.raises(SourceUnsupportedError, match=words):
        source.learn_signature(quiet)


MASKED = """
import torch
from torch import nn


class Masked(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)

    def forward(self, tokens, mask):
        x = self.embed(tokens)
        by_floats = self.attention(x, x, x, key_padding_mask=mask, need_weights=False)[0]
        query = x.unsqueeze(1)
        by_booleans = nn.functional.scaled_dot_product_attention(query, query, query, ~mask[:, None, None])
        return {"floats": by_floats, "booleans": by_booleans}


class Counted(nn.Module):
    def forward(self, x, lengths):
        if (lengths < 1).any():
            raise ValueError("a length is 1 at least")
        return x / lengths[:, None]


class Told(nn.Module):
    def forward(self, x):
        return x * 0 + float(torch.compiler.is_compiling())


def compiled():
    return torch.compile(Told()), torch.zeros(2, 3)
"""


@pytest.fixture
def masked(tmp_path):
    file = tmp_path / "masked.py"
    file.write_text(MASKED, encoding="utf-8")
    return file


@pytest.mark.framework
def test_a_query_that_may_look_at_nothing_is_answered_as_torch_answers_it(open_model, into, masked):
    """onnxscript's translation of attention gives NaN, or the mean of all values, for a row of padding."""
    source = open_model("Masked", file=masked, inputs=(TOKENS, MASK))
    cases = cases_for([TOKENS, MASK])
    cases["2x9"]["mask"][0] = True
    reference, model = convert(source, "onnx", "torch/dynamo", into, cases)
    assert not reference.outputs["2x9"]["booleans"][0].any()
    assert_same(model, reference, cases)


@pytest.mark.framework
def test_a_model_that_does_not_take_zeros_is_asked_with_ones(open_model, masked):
    x, lengths = (TensorSpec("x", DType.FP32, ("batch", 3)), TensorSpec("lengths", DType.INT64, ("batch",)))
    signature = open_model("Counted", file=masked, inputs=(x, lengths)).learn_signature(quiet)
    assert signature.outputs == (TensorSpec("output", DType.FP32, ("batch", 3)),)


@pytest.mark.framework
def test_a_compiled_module_is_asked_without_its_compiler(open_model, masked):
    x = TensorSpec("x", DType.FP32, ("batch", 3))
    answers = open_model("compiled", file=masked).answer(cases_for([x]), quiet)
    assert not any(outputs["output"].any() for outputs in answers.outputs.values())


@pytest.mark.parametrize(("count", "last"), [(12, "w11: F32[2]"), (40, "and 28 more")])
def test_a_net_of_many_weights_is_told_on_one_screen(count, last):
    told = facts_of(tuple(Weight(f"w{number}", "F32", (2,)) for number in range(count)))
    assert (told["parameters"], told["tensors"], told["weights"][-1]) == (2 * count, count, last)
    assert len(told["weights"]) <= 13


def test_nothing_is_told_of_weights_that_are_not_read():
    assert facts_of(()) == {}
