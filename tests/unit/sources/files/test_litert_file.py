"""LiteRT files of every precision, compared with what LiteRT itself says of them."""

import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from ai_edge_litert.schema_py_generated import BuiltinOperator, TensorType

import tensorflow_files
from shipway.sources.files import litert_file
from shipway.sources.files.litert_file import looks_like_litert, read_litert
from shipway.sources.files.litert_operators import CUSTOM, OPERATORS
from shipway.types import DType

RUNNABLE = ["fp32", "fp16", "dynamic", "int8", "int8_float_io", "typed"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tensorflow_files.build(tmp_path_factory)


def test_operators_have_litert_s_names():
    numbers = {name: number for name, number in vars(BuiltinOperator).items() if isinstance(number, int)}
    assert {name: OPERATORS.index(name) for name in numbers} == numbers
    assert OPERATORS[CUSTOM] == "CUSTOM"


def test_types_have_litert_s_numbers():
    numbers = {name: number for name, number in vars(TensorType).items() if isinstance(number, int)}
    assert {name: number for number, (name, _, _) in enumerate(litert_file._TYPES)} == numbers


@pytest.mark.framework
@pytest.mark.parametrize("name", RUNNABLE)
def test_inputs_and_outputs_are_those_that_litert_tells(models, name):
    path = models / f"{name}.tflite"
    outline = read_litert(path)
    interpreter = Interpreter(
        str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    for ours, theirs in (
        (outline.inputs, interpreter.get_input_details()),
        (outline.outputs, interpreter.get_output_details()),
    ):
        assert len(ours) == len(theirs) == 1
        tensor, told = ours[0], theirs[0]
        assert tensor.name == told["name"]
        assert list(tensor.sizes) == list(told["shape_signature"])
        assert list(tensor.shape) == list(told["shape"])
        assert tensor.dtype is not None
        assert tensor.dtype.numpy == told["dtype"]
        scale, zero_point = told["quantization"]
        if tensor.quantization is None:
            assert scale == 0
        else:
            assert tensor.quantization.scales == (pytest.approx(scale),)
            assert tensor.quantization.zero_points == (zero_point,)
    signatures = interpreter.get_signature_list()
    assert {key: list(one.inputs) for key, one in outline.signatures.items()} == {
        key: one["inputs"] for key, one in signatures.items()
    }


@pytest.mark.framework
@pytest.mark.parametrize("name", RUNNABLE)
def test_operators_are_those_that_litert_lists(models, name):
    path = models / f"{name}.tflite"
    interpreter = Interpreter(
        str(path), experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    )
    told: dict[str, int] = {}
    for operator in interpreter._get_ops_details():
        told[operator["op_name"]] = told.get(operator["op_name"], 0) + 1
    assert read_litert(path).op_counts == told


@pytest.mark.framework
@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("fp32", "fp32"),
        ("fp16", "fp16"),
        ("dynamic", "dynamic-int8"),
        ("int8", "int8"),
        ("int8_float_io", "int8"),
        ("typed", "fp32"),
        ("flex", "fp32"),
    ],
)
def test_precision(models, name, precision):
    assert read_litert(models / f"{name}.tflite").precision == precision


@pytest.mark.framework
def test_the_contract_has_the_signature_s_names_and_free_axes(models):
    inputs, outputs = read_litert(models / "fp32.tflite").specs()
    assert [(spec.name, str(spec)) for spec in inputs] == [("image", "FP32[batch, 8, 8, 3]")]
    assert [(spec.name, str(spec)) for spec in outputs] == [("output_0", "FP32[batch, 5]")]
    (quantized,), _ = read_litert(models / "int8.tflite").specs()
    assert quantized.dtype is DType.INT8


@pytest.mark.framework
def test_operators_of_tensorflow_are_told_apart(models):
    outline = read_litert(models / "flex.tflite")
    assert "FlexTensorListReserve" in outline.flex_ops
    assert outline.custom_ops == outline.flex_ops
    (tokens,), _ = outline.specs()
    assert str(tokens) == "INT32[batch, tokens_1]"


@pytest.mark.framework
def test_parameters_follow_the_precision(models):
    sizes = {name: read_litert(models / f"{name}.tflite").parameters_bytes for name in RUNNABLE}
    weights = 3 * 3 * 3 * 16 + 576 * 32 + 32 * 5
    assert 4 * weights <= sizes["fp32"] < 4 * weights + 1000
    assert 2 * weights <= sizes["fp16"] < 2 * weights + 1000
    assert weights <= sizes["int8"] < weights + 1000


@pytest.mark.framework
def test_recognized_by_content(models, tmp_path):
    assert looks_like_litert(models / "fp32.tflite")
    assert not looks_like_litert(models / "keras_2.h5")
    assert not looks_like_litert(models)
    assert not looks_like_litert(tmp_path / "missing")
