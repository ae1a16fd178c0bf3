"""Names and order beside a SavedModel: written, read again, and left out when they are of another form."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipway.sources.workers.frameworks import signature_notes

SIGNATURE = {
    "inputs": [
        {"name": "2nd input", "dtype": "float32", "shape": ["batch", 3]},
        {"name": "a", "dtype": "int32", "shape": ["batch", "a_1"]},
    ],
    "outputs": [{"name": "z", "dtype": "float32", "shape": ["batch", 1]}],
}


def test_names_order_and_axes_come_back(tmp_path: Path) -> None:
    keys = signature_notes.input_keys(["2nd input", "a"])
    signature_notes.write(tmp_path, SIGNATURE, keys)
    notes = signature_notes.read(tmp_path)
    assert notes is not None
    assert list(notes["inputs"]) == keys
    assert [note["name"] for note in notes["inputs"].values()] == ["2nd input", "a"]
    assert notes["inputs"]["a"]["shape"] == ["batch", "a_1"]
    assert list(notes["outputs"]) == ["z"]


@pytest.mark.parametrize("name", ["self", "class", "_x", "2nd", "a-b", "a/b", "ä", ""])
def test_what_is_no_argument_gets_another_key(name: str) -> None:
    first, second = signature_notes.input_keys([name, "plain"])
    assert first.isidentifier()
    assert first not in (name, "plain")
    assert second == "plain"


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", '{"inputs": {}}', '{"inputs": {"a": 1}, "outputs": {}}', "[" * 100_000],
)
def test_notes_of_another_form_are_none(tmp_path: Path, text: str) -> None:
    file = tmp_path / signature_notes.FILE
    file.parent.mkdir()
    file.write_text(text)
    assert signature_notes.read(tmp_path) is None


def test_without_notes_there_are_none(tmp_path: Path) -> None:
    assert signature_notes.read(tmp_path) is None
