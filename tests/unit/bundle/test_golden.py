"""Golden samples survive the file, and judge answers as the trained model gave them."""

from pathlib import Path

import numpy as np
import pytest

from shipway.bundle.evidence import Result
from shipway.bundle.golden import (
    Golden,
    Tolerance,
    judge_golden,
    read_golden,
    stack_answers,
    write_golden,
)
from shipway.errors import BundleFormatError


def golden(**outputs: np.ndarray) -> Golden:
    outputs = outputs or {"y": np.linspace(0, 1, 12, dtype=np.float32).reshape(4, 3)}
    rows = len(next(iter(outputs.values())))
    return Golden(
        inputs={"x": np.arange(rows, dtype=np.float32).reshape(rows, 1)},
        outputs=outputs,
        tolerances={name: Tolerance(1.0, 1e-5) for name in outputs},
        origin="data",
    )


def judge(samples: Golden, **found: np.ndarray) -> tuple[Result, str]:
    verdict = judge_golden(samples, found, subject="test")
    return verdict.result, verdict.reason


@pytest.mark.parametrize("dtype", ["?", "u1", "i8", "f2", "f4", "f8"])
def test_every_dtype_survives(tmp_path: Path, dtype: str) -> None:
    samples = golden(y=np.array([[0, 1], [1, 0]], dtype=dtype))
    write_golden(tmp_path / "g.npz", samples)
    back = read_golden(tmp_path / "g.npz", tolerances={}, origin="data")
    assert back.outputs["y"].dtype == np.dtype(dtype)
    assert (back.outputs["y"] == samples.outputs["y"]).all()


def test_strings_survive_without_pickle(tmp_path: Path) -> None:
    words = np.array([[b"a\0b\0", b""], ["ü".encode(), b"long" * 50]], dtype=object)
    write_golden(tmp_path / "g.npz", golden(y=words))
    assert (read_golden(tmp_path / "g.npz", tolerances={}, origin="data").outputs["y"] == words).all()
    with np.load(tmp_path / "g.npz", allow_pickle=False) as stored:
        assert all(stored[name].dtype != object for name in stored.files)


def test_equal_samples_have_equal_bytes(tmp_path: Path) -> None:
    write_golden(tmp_path / "a.npz", golden())
    write_golden(tmp_path / "b.npz", golden())
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


@pytest.mark.parametrize("content", [b"", b"PK\x05\x06" + b"\0" * 18, b"not a zip"])
def test_what_is_no_sample_file_is_a_format_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "g.npz").write_bytes(content)
    with pytest.raises(BundleFormatError):
        read_golden(tmp_path / "g.npz", tolerances={}, origin="data")


def test_the_same_answers_pass() -> None:
    samples = golden()
    assert judge(samples, y=samples.outputs["y"].copy())[0] is Result.PASS


def test_rounding_passes_and_more_fails_naming_sample_and_output() -> None:
    samples = golden()
    off = samples.outputs["y"].copy()
    off[2, 1] += 1e-7
    assert judge(samples, y=off)[0] is Result.PASS
    off[2, 1] += 1e-3
    result, reason = judge(samples, y=off)
    assert result is Result.FAIL
    assert "'y'" in reason
    assert "sample 2" in reason


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_fails(bad: float) -> None:
    samples = golden()
    off = samples.outputs["y"].copy()
    off[1, 0] = bad
    assert judge(samples, y=off)[0] is Result.FAIL


def test_nan_where_the_model_had_nan_is_the_same_answer() -> None:
    samples = golden(y=np.array([[np.nan, 1.0], [np.inf, 2.0]], dtype=np.float32))
    assert judge(samples, y=samples.outputs["y"].copy())[0] is Result.PASS
    assert judge(samples, y=np.array([[0.0, 1.0], [np.inf, 2.0]], dtype=np.float32))[0] is Result.FAIL


def test_missing_reshaped_and_recast_outputs_fail_by_name() -> None:
    samples = golden()
    y = samples.outputs["y"]
    assert "missing" in judge(samples, other=y)[1]
    assert "shape" in judge(samples, y=y[:, :2])[1]
    assert "float64" in judge(samples, y=y.astype(np.float64))[1]


def test_whole_numbers_must_be_equal() -> None:
    samples = golden(y=np.array([[1, 2], [3, 4]]))
    assert judge(samples, y=np.array([[1, 2], [3, 4]]))[0] is Result.PASS
    assert judge(samples, y=np.array([[1, 2], [3, 5]]))[0] is Result.FAIL


def test_an_output_without_tolerance_must_be_equal() -> None:
    samples = Golden(inputs=golden().inputs, outputs=golden().outputs, tolerances={}, origin="data")
    y = samples.outputs["y"]
    assert judge(samples, y=y.copy())[0] is Result.PASS
    assert judge(samples, y=np.nextafter(y, 2, dtype=np.float32))[0] is Result.FAIL


def requests() -> Golden:
    """Three requests: a batch of two beside a scalar of each kind, answered with rows and a scalar."""
    text = np.array(["a", "", "ü"], dtype=object)
    return Golden(
        inputs={"x": np.arange(12, dtype=np.float32).reshape(3, 2, 2), "t": np.float64([1, 2, 3]), "s": text},
        outputs={"y": np.ones((3, 2), np.float16), "m": np.float64([1, np.nan, 3])},
        tolerances={"y": Tolerance(1.0, 1e-3), "m": Tolerance(1.0, 1e-6)},
        origin="data",
        has_rows=False,
    )


def test_a_sample_is_asked_as_one_row_or_as_the_request_that_it_is() -> None:
    assert golden().request(2)["x"].tolist() == [[2]]
    asked = requests().request(2)
    assert {name: (array.shape, array.dtype.kind) for name, array in asked.items()} == {
        "x": ((2, 2), "f"), "t": ((), "f"), "s": ((), "O")
    }  # fmt: skip
    assert asked["s"].item() == "ü"
    assert requests().take(slice(0, 2)).has_rows is False


def test_requests_survive_the_file(tmp_path: Path) -> None:
    write_golden(tmp_path / "g.npz", requests())
    back = read_golden(tmp_path / "g.npz", tolerances={}, origin="data", has_rows=False)
    assert back.request(0)["s"].item() == b"a"
    assert back.request(1)["t"] == 2
    assert back.request(1)["t"].dtype == np.float64


def test_samples_with_plain_numbers_are_told_from_the_others() -> None:
    assert requests().plain_samples().tolist() == [0, 2]
    assert golden(y=np.array([[np.inf], [1], [2]])).plain_samples().tolist() == [1, 2]
    assert golden(y=np.array([["a"], ["b"]], dtype=object)).plain_samples().tolist() == [0, 1]


def test_answers_to_requests_are_stacked_and_those_that_differ_in_form_judged_wrong() -> None:
    one, other = (
        {"y": np.ones((2,), "f2"), "m": np.array(1.0)},
        {"y": np.ones((3,), "f2"), "m": np.array(3.0)},
    )
    assert stack_answers([one, one, one])["y"].shape == (3, 2)
    stacked = stack_answers([one, {**one, "m": np.array(np.nan)}, {**one, "m": np.array(3.0)}])
    assert judge(requests(), **stacked)[0] is Result.PASS
    assert "has shape [0]" in judge(requests(), **stack_answers([one, other, one]))[1]
    assert "'m' is missing" in judge(requests(), **stack_answers([one, {"y": one["y"]}, one]))[1]
    wrong = stack_answers([one, {**one, "m": np.array(np.nan)}, {**one, "m": np.array(3.1)}])
    assert "sample 2" in judge(requests(), **wrong)[1]
