"""Which format a file is of, by its content, and what is said of files that are none."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from served import models
from shipway.errors import (
    SourceDamagedError,
    SourceError,
    SourceNotFoundError,
    SourceUnrecognizedError,
)
from shipway.graph.wire import outline
from shipway.sources.detect import open_source


@pytest.fixture
def model(tmp_path: Path) -> Path:
    onnx.save(models.mlp(), tmp_path / "m.onnx")
    return tmp_path / "m.onnx"


@pytest.mark.parametrize("name", ["model", "model.keras", "model.txt", "mo[red]del.onnx"])
def test_a_name_is_only_a_claim(model: Path, name: str) -> None:
    renamed = model.rename(model.with_name(name))
    assert open_source(renamed).describe().format == "onnx"


def zipped(path: Path, *members: str) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            archive.writestr(member, "x" * 100)


def damaged_zip(path: Path) -> None:
    """A list of members that ends in the middle of one."""
    zipped(path, "a", "b")
    content = bytearray(path.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at : at + 4] = b"XXXX"
    path.write_bytes(content)


OTHERS = {
    "text": (lambda path: path.write_text("hello there"), "text \\(it begins 'hello there'"),
    "zip": (lambda path: zipped(path, "readme.txt"), r"a zip archive \(readme.txt\)"),
    "empty zip": (lambda path: zipped(path), r"a zip archive \(empty\)"),
    "cut zip": (lambda path: path.write_bytes(b"PK\x03\x04" + bytes(99)), "cut off"),
    "damaged zip": (damaged_zip, "zip archive that is damaged"),
    "noise": (lambda path: path.write_bytes(b"\xfe\x01\x02\x03\x00\xff" * 9), "begins fe 01 02 03"),
    "folder": (lambda path: path.mkdir(), "a folder, not a model file"),
    "pipe": (lambda path: os.mkfifo(path), "no regular file"),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_none_of_ours_is_named(tmp_path: Path, kind: str) -> None:
    make, says = OTHERS[kind]
    path = tmp_path / "model.onnx"
    make(path)
    with pytest.raises(SourceUnrecognizedError, match=says) as caught:
        open_source(path)
    assert str(path) in caught.value.message
    assert "Keras 3 (.keras)" in caught.value.message
    assert "ONNX (.onnx)" in caught.value.message
    assert caught.value.hint


def test_a_device_is_no_model() -> None:
    with pytest.raises(SourceUnrecognizedError, match="no regular file"):
        open_source(Path("/dev/null"))


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").touch()
    with pytest.raises(SourceDamagedError, match="empty"):
        open_source(tmp_path / "m.onnx")


@pytest.mark.parametrize("name", ["gone.onnx", "gone/m.onnx", "m.onnx/inside", "x" * 5000, "nul\0byte"])
def test_no_file_there(model: Path, name: str) -> None:
    with pytest.raises(SourceNotFoundError, match="no such file") as caught:
        open_source(model.parent / name)
    if name == "gone.onnx":
        assert "m.onnx" in caught.value.hint
    assert caught.value.hint


def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").symlink_to("gone")
    with pytest.raises(SourceNotFoundError):
        open_source(tmp_path / "m.onnx")


def varint(value: int) -> bytes:
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


@pytest.mark.parametrize("claim", [2**31, 2**63 - 1, 2**64 - 1, 2**70 - 1])
def test_a_field_that_claims_more_than_any_file_has_is_cut_off(tmp_path: Path, claim: int) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(b"\x08\x09" + b"\x3a" + varint(claim) + bytes(50))
    found = outline(path)
    assert found.is_onnx
    assert not found.is_whole
    with pytest.raises(SourceDamagedError, match="cut off"):
        open_source(path)


def test_every_cut_of_a_model_is_told(model: Path) -> None:
    whole = model.read_bytes()
    assert outline(model).is_whole
    cut = model.with_name("cut.onnx")
    for size in range(1, len(whole)):
        cut.write_bytes(whole[:size])
        found = outline(cut)
        # Behind the graph only the opsets follow: cut exactly between the two, no field is torn.
        assert not found.is_whole or len(whole) - size < 10
        if size < len(whole) // 2:
            with pytest.raises(SourceError):
                open_source(cut)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None)
@given(content=st.binary(min_size=1, max_size=200))
def test_any_bytes_are_told_or_described(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "anything"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        open_source(path)
    assert caught.value.hint
