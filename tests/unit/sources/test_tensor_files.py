"""Arrays on their way to a child and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shipway.errors import DataMismatchError, DiskFullError
from shipway.sources.tensor_files import load_tensors, save_tensors

TENSORS = {
    "float": np.array([[1.5, np.nan], [np.inf, -0.0]], np.float32),
    "half": np.array([0.1], np.float16),
    "whole/number": np.array([2**63 - 1]),
    "file": np.zeros((0, 3)),
    "0": np.array(True),
}


def test_names_of_any_kind_and_values_come_back(tmp_path: Path) -> None:
    stored = save_tensors(tmp_path / "t.npz", TENSORS)
    assert stored["names"] == list(TENSORS)
    found = load_tensors(Path(stored["file"]), stored["names"])
    for name, array in TENSORS.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


@pytest.mark.parametrize(
    "given",
    [
        np.array([["ä", ""], ["b c", "日本"]]),
        np.array([["ä", ""], ["b c", "日本"]], dtype=object),
        np.array([["ä".encode(), b""], ["b c", "日本"]], dtype=object),
        np.char.encode(np.array([["ä", ""], ["b c", "日本"]]), "utf-8"),
    ],
    ids=["text", "objects", "mixed", "bytes"],
)
def test_text_is_never_pickled_and_comes_back_as_text(tmp_path: Path, given: np.ndarray) -> None:
    stored = save_tensors(tmp_path / "t.npz", {"x": given})
    assert load_tensors(Path(stored["file"]), ["x"])["x"].tolist() == [["ä", ""], ["b c", "日本"]]


def test_no_text_at_all(tmp_path: Path) -> None:
    stored = save_tensors(tmp_path / "t.npz", {"x": np.empty((0, 2), dtype=object)})
    assert load_tensors(Path(stored["file"]), ["x"])["x"].shape == (0, 2)


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataMismatchError, match=r"'x'.*element 1") as caught:
        save_tensors(tmp_path / "t.npz", {"x": np.array([b"a", b"\xff\xfe"], dtype=object)})
    assert caught.value.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.npz").symlink_to("/dev/full")
    with pytest.raises(DiskFullError, match="write the model's inputs"):
        save_tensors(tmp_path / "t.npz", {"x": np.zeros(10**6)})
