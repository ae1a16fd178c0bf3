"""The words that every room shares: dtypes, specs and signatures."""

from __future__ import annotations

import numpy as np
import pytest

from shipway.types import DType, Predictor, Signature, TensorSpec


@pytest.mark.parametrize("dtype", [d for d in DType if d is not DType.BYTES])
def test_a_dtype_and_numpys_are_the_same_whatever_the_byte_order(dtype: DType) -> None:
    assert DType.of(dtype.numpy) is dtype
    assert DType.of(dtype.numpy.newbyteorder(">")) is dtype
    assert dtype.numpy.isnative
    assert dtype == str(dtype) == dtype.value


@pytest.mark.parametrize("text", ["U5", "S3", object])
def test_text_is_bytes(text: object) -> None:
    assert DType.of(np.dtype(text)) is DType.BYTES


@pytest.mark.parametrize("foreign", ["complex64", "datetime64[s]", [("a", "i4")]])
def test_what_the_protocol_has_no_word_for(foreign: object) -> None:
    with pytest.raises(ValueError, match="no tensor element type"):
        DType.of(np.dtype(foreign))


def test_families() -> None:
    assert [d for d in DType if d.is_float] == ["FP16", "FP32", "FP64", "BF16"]
    assert not DType.BOOL.is_integer
    assert DType.UINT8.is_integer
    assert not DType.BYTES.is_integer


SPEC = TensorSpec("image", DType.FP32, ("batch", 8, "width"))


@pytest.mark.parametrize(
    ("dtype", "shape", "says"),
    [
        ("f4", (3, 8, 5), None),
        (">f4", (0, 8, 1), None),
        ("f8", (3, 8, 5), "another dtype"),
        ("c8", (3, 8, 5), "another dtype"),
        ("f4", (3, 8), "2 dimensions where the model has 3"),
        ("f4", (), "0 dimensions"),
        ("f4", (3, 9, 5), "axis 1 is 9, not 8"),
    ],
)
def test_a_mismatch_is_explained_with_both_sides(
    dtype: str, shape: tuple[int, ...], says: str | None
) -> None:
    found = SPEC.explain_mismatch(np.dtype(dtype), shape)
    if says is None:
        assert found is None
        return
    assert found is not None
    assert says in found
    assert found.startswith("image: expected FP32[batch, 8, width], found ")
    assert str(list(shape)) in found


def specs(*shapes: tuple) -> tuple[TensorSpec, ...]:
    return tuple(TensorSpec(f"t{number}", DType.FP32, shape) for number, shape in enumerate(shapes))


@pytest.mark.parametrize(
    ("inputs", "outputs", "axis"),
    [
        ([("batch", 2)], [("batch",)], "batch"),
        ([("n", 2), ("n", 3)], [("n", "m")], "n"),
        ([("n", 2), ("m", 3)], [("n",)], None),
        ([(1, 2)], [(1,)], None),
        ([("n", 2)], [(1,)], None),
        ([("n", 2)], [()], None),
        ([("n",), ()], [("n",)], None),
    ],
)
def test_a_batch_axis_is_free_and_shared_by_all(inputs: list, outputs: list, axis: str | None) -> None:
    assert Signature(specs(*inputs), specs(*outputs)).batch_axis == axis


@pytest.mark.parametrize(
    ("inputs", "outputs", "has_rows"),
    [
        ([("batch", 2)], [("batch",)], True),
        ([("n", 2), ("m", 3)], [("k",)], True),  # exporters give one axis many names
        ([(4, 2), (4,)], [(4, 3)], True),
        ([(4, 2)], [("unknown", 3)], True),
        ([("n", 2)], [], True),  # a file that tells of its inputs only
        ([("n", 2), ()], [("n",)], False),
        ([("n", 2)], [("n",), ()], False),
        ([("n", 2)], [("n",), (1,)], False),
        ([("n", 2), (4, 3)], [("n", 3)], False),
        ([(2, 4), (4, 3)], [(2, 3)], False),
        ([(1, 3, 8, 8)], [(100, 4)], False),
        ([()], [()], False),
        ([], [(4, 3)], False),
    ],
)
def test_rows_are_an_axis_that_all_have(inputs: list, outputs: list, has_rows: bool) -> None:
    assert Signature(specs(*inputs), specs(*outputs)).has_rows is has_rows


def test_tensors_are_found_by_name() -> None:
    signature = Signature((SPEC,), specs(("batch",)))
    assert signature.input("image") is SPEC
    assert signature.output("t0").shape == ("batch",)
    with pytest.raises(KeyError, match="gone"):
        signature.input("gone")
    with pytest.raises(KeyError, match="image"):
        signature.output("image")


def test_a_predictor_is_told_by_its_shape() -> None:
    class Doubling:
        signature = Signature((), ())

        def predict(self, inputs):
            return {"y": 2 * inputs["x"]}

    assert isinstance(Doubling(), Predictor)
    assert not isinstance(object(), Predictor)
