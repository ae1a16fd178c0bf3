"""The header of a safetensors file: read as the library reads it, and refused where it lies."""

import json

import pytest

from saved_files import torch_files  # noqa: F401
from shipway.errors import SourceDamagedError
from shipway.sources.files.safetensors_file import looks_like_safetensors, read_safetensors
from shipway.sources.files.weights import Weight


def save(path, header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


@pytest.mark.framework
def test_what_the_library_writes(torch_files):  # noqa: F811
    path = torch_files / "half.safetensors"
    assert looks_like_safetensors(path)
    found = read_safetensors(path)
    assert found.metadata == {"format": "pt"}
    assert Weight("small.weight", "BF16", (2, 4)) in found.weights
    assert found.size_bytes == 12 * 4 + 3 * 4 + 8 * 2 + 2 * 2 + 16 * 4 + 4 * 4


@pytest.mark.parametrize(
    ("header", "data", "says"),
    [
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"1234567", "7 follow"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, b"123456789", "9 follow"),
        ({"a": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}, b"12345678", "takes 8 bytes"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}, b"1" * 12, "begin at 4"),
        ({"a": {"dtype": "X", "shape": [2], "data_offsets": [0, 8]}}, b"1" * 8, "unknown dtype"),
        ({"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}, b"1" * 8, "no shape"),
        ({"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}}, b"1" * 4, "no shape"),
        ({"a": {"dtype": "F32", "shape": [10**18] * 60_000, "data_offsets": [0, 4]}}, b"1" * 4, "no shape"),
        ({"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}}, b"1" * 4, "unknown dtype"),
        ({"a": 3}, b"", "unknown dtype"),
        ({"__metadata__": {"a": 1}}, b"", "metadata"),
        (b"[]", b"", "no JSON object"),
        (b"{", b"", "not JSON"),
        (b"[" * 200_000, b"", "not JSON"),
        (b'{"a": 1, "a": 2}', b"", "twice"),
        (b"\xff\xfe", b"", "not JSON"),
    ],
)
def test_damaged(tmp_path, header, data, says):
    with pytest.raises(SourceDamagedError, match=says):
        read_safetensors(save(tmp_path / "a.safetensors", header, data))


@pytest.mark.parametrize("claim", [100_000_001, 1 << 62, 99_000_000])
def test_a_header_that_claims_more_than_there_is(tmp_path, claim):
    path = tmp_path / "a.safetensors"
    path.write_bytes(claim.to_bytes(8, "little") + b"{}")
    with pytest.raises(SourceDamagedError, match=f"claims {claim} bytes"):
        read_safetensors(path)


def test_no_tensors_at_all(tmp_path):
    assert read_safetensors(save(tmp_path / "a", {})).weights == ()
    (tmp_path / "b").write_bytes(b"")
    assert not looks_like_safetensors(tmp_path / "b")
    with pytest.raises(SourceDamagedError):
        read_safetensors(tmp_path / "b")
