"""The request that is shown to be pasted: its numbers, its file. That a shell runs it: `test_odd_models.py`."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import from_dtype

from served import models
from served.bundles import write_bundle
from shipway.actions.example_request import _plain, example_request
from shipway.bundle.golden import Golden
from shipway.bundle.store import Bundle, BundleWriter, open_bundle

FLOATS = [np.float16, np.float32, np.float64]
INTEGERS = [np.int8, np.uint8, np.int64, np.uint64]


@pytest.mark.parametrize("dtype", FLOATS)
@given(data=st.data())
def test_a_float_reads_back_as_itself_and_is_as_short_as_can_be(dtype: type, data: st.DataObject) -> None:
    value = data.draw(from_dtype(np.dtype(dtype), allow_nan=False, allow_infinity=False))
    text = json.dumps(_plain(value))
    assert dtype(json.loads(text)) == value
    assert len(text) <= len(repr(float(value)))


def test_tenths_look_like_tenths() -> None:
    assert [json.dumps(_plain(np.float32(x))) for x in (0.1, 1, 1e-3, 16777216)] == [
        "0.1",
        "1.0",
        "0.001",
        "16777216.0",
    ]


@pytest.mark.parametrize("dtype", INTEGERS)
def test_whole_numbers_stay_whole(dtype: type) -> None:
    limits = np.iinfo(dtype)
    for value in (limits.min, limits.max):
        assert json.dumps(_plain(dtype(value))) == str(value)


def test_truth_and_text() -> None:
    assert _plain(np.True_) is True
    assert _plain("ä".encode()) == "ä"
    assert _plain("ä") == "ä"
    assert _plain(b"\xff") == "\ufffd"


def bundle_of(folder: Path, made, x: np.ndarray, y: np.ndarray) -> Bundle:
    return write_bundle(folder, made, Golden({"x": x}, {"y": y}, {}, "data"), name="m")


def body(line: str) -> dict:
    words = shlex.split(line)
    assert words[:2] == ["curl", "-s"]
    given = words[words.index("-d") + 1]
    return json.loads(Path(given[1:]).read_text() if given.startswith("@") else given)


def test_a_row_that_is_answered_with_numbers_is_taken(tmp_path: Path) -> None:
    x = np.array([[0, 1], [2, 4]], np.float32)
    made = models.reciprocal()
    bundle = bundle_of(tmp_path, made, x, np.array([[np.inf, 1], [0.5, 0.25]], np.float32))
    found = example_request(bundle, "http://127.0.0.1:8080")
    assert found is not None
    assert body(found["curl"])["inputs"] == [
        {"name": "x", "shape": [1, 2], "datatype": "FP32", "data": [2.0, 4.0]}
    ]
    assert found["file"] is None


def test_a_large_body_goes_to_a_file_beside_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wide = models.identity(shape=("batch", 5000))
    x = np.arange(5000, dtype=np.float32)[None]
    bundle = bundle_of(tmp_path, wide, x, x)
    monkeypatch.chdir(tmp_path)
    found = example_request(open_bundle(Path(bundle.path.name)), "http://[::1]:8080")
    assert found is not None
    assert found["file"] == str(tmp_path / "m.request.json")
    assert body(found["curl"])["inputs"][0]["data"] == x.ravel().tolist()
    assert len(found["curl"]) < 500
    assert shlex.split(found["curl"])[2] == "http://[::1]:8080/v2/models/m/infer"
    assert "'http://[::1]:8080" in found["curl"]  # some shells read brackets as a pattern
    open_bundle(bundle.path)  # the bundle itself was not touched


def test_no_golden_sample_no_example(tmp_path: Path) -> None:
    x = np.zeros((1, 2), np.float32)
    bundle = bundle_of(tmp_path, models.identity(), x, x)
    with BundleWriter(tmp_path / "bare.bundle") as writer:
        folder = writer.variant_folder("onnx-fp32")
        (folder / "model.onnx").write_bytes(bundle.model_path(bundle.variant()).read_bytes())
        bare = writer.commit(bundle.manifest)
    assert example_request(bare, "http://127.0.0.1:8080") is None
