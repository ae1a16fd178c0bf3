"""Data files that are damaged, hostile or something else: each is refused in words, and takes no memory."""

import contextlib
import io
import os
import resource
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shipway.errors import DataFormatError, DataNotFoundError, PermissionDeniedError
from shipway.evaluation.data.npz import open_npz


def read_all(path):
    with open_npz(path) as file:
        return {name: file.read(name) for name in file.arrays}


def npz_bytes(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def header(text, *, version=(1, 0)):
    data = text.encode("latin1") + b"\n"
    size = struct.pack("<H" if version == (1, 0) else "<I", len(data))
    return b"\x93NUMPY" + bytes(version) + size + data


def zip_of(members, method=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_arrays_come_back_as_they_were(tmp_path, save):
    arrays = {
        "x": np.arange(24, dtype=">f4").reshape(2, 3, 4),
        "fortran": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "text": np.array(["a", "bé"]),
        "none": np.zeros((0, 3)),
        "scalar": np.array(3),
    }
    save(tmp_path / "d.npz", **arrays)
    found = read_all(tmp_path / "d.npz")
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert np.array_equal(found[name], array)
        assert found[name].dtype.isnative
        assert found[name].shape == array.shape
        assert found[name].flags.c_contiguous


NO_DATA = {
    "nothing": (b"", "not a zip file"),
    "noise": (bytes(range(1, 200)), "not a zip file"),
    "zip without arrays": (zip_of({"config.json": "{}"}), "holds config.json"),
    "empty zip": (zip_of({}), "without numpy arrays"),
}


@pytest.mark.parametrize("kind", NO_DATA)
def test_what_holds_no_arrays_is_refused(tmp_path, kind):
    content, words = NO_DATA[kind]
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match=words) as caught:
        read_all(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


X = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"
GOOD = header(X % "(2,)") + bytes(8)
HOSTILE = {
    "claims a terabyte": header(X % "(250000000000,)") + bytes(8),
    "claims more than it has": header(X % "(3,)") + bytes(8),
    "claims less than it has": header(X % "(1,)") + bytes(8),
    "overflowing shape": header(X % "(9223372036854775807, 9223372036854775807)") + bytes(8),
    "negative shape": header(X % "(-2,)") + bytes(8),
    "shape of booleans": header(X % "(True,)") + bytes(4),
    "shape is no tuple": header(X % "2") + bytes(8),
    "values of no size": header("{'descr': '|S0', 'fortran_order': False, 'shape': (1000000000000,), }"),
    "code in the header": header("__import__('os').system('true')"),
    "deep header": header("(" * 5000),
    "long chain in the header": header("-" * 9000 + "1"),
    "unhashable key": header("{[]: 1}"),
    "unknown dtype": header("{'descr': 'q9', 'fortran_order': False, 'shape': (1,), }"),
    "huge header": header("{'a': '" + "x" * 20000 + "'}", version=(2, 0)),
    "cut in the header": header(X % "(2,)")[:20],
    "no header": b"hello",
    "nothing": b"",
    "version 9": b"\x93NUMPY\x09\x00" + GOOD[8:],
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_hostile_headers_are_refused_before_memory_is_taken(tmp_path, kind, method):
    path = tmp_path / "d.npz"
    path.write_bytes(zip_of({"x.npy": HOSTILE[kind], "y.npy": GOOD}, method))
    tracemalloc.start()
    try:
        with pytest.raises(DataFormatError, match=r"damaged at x\.npy") as caught:
            read_all(path)
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert len(caught.value.message) < 600


def test_a_claim_that_the_zip_itself_repeats_is_refused(tmp_path):
    content = bytearray(zip_of({"x.npy": header(X % "(1000000000,)") + bytes(8)}))
    entry = content.rindex(b"PK\x01\x02")
    claimed = struct.pack("<I", 4_000_000_000 + len(header(X % "(1000000000,)")))
    content[entry + 20 : entry + 28] = claimed * 2  # packed and unpacked size in the central directory
    path = tmp_path / "d.npz"
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(DataFormatError, match="claims"):
        read_all(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_more_than_the_machine_holds_is_refused(tmp_path, monkeypatch):
    path = tmp_path / "d.npz"
    path.write_bytes(npz_bytes(x=np.zeros(1000)))
    monkeypatch.setattr("os.sysconf", lambda _: 64)
    with pytest.raises(DataFormatError, match="memory"):
        read_all(path)


@pytest.mark.parametrize("rows", [[[1, 2], [3]], [{"a": 1}]])
def test_python_objects_are_never_unpickled(tmp_path, rows):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    objects = np.array([*rows, Trap()], dtype=object)
    path = tmp_path / "d.npz"
    path.write_bytes(npz_bytes(x=objects))
    with pytest.raises(DataFormatError, match="pickled Python objects") as caught:
        read_all(path)
    assert "numpy.asarray" in caught.value.hint
    assert not (tmp_path / "ran").exists()


def test_record_arrays_are_refused(tmp_path):
    path = tmp_path / "d.npz"
    path.write_bytes(npz_bytes(x=np.zeros(3, dtype=[("a", "f4"), ("b", "i4")])))
    with pytest.raises(DataFormatError, match="record array"):
        read_all(path)


def test_a_changed_byte_is_found(tmp_path):
    content = bytearray(npz_bytes(x=np.arange(1000.0)))
    content[content.index(b"\x93NUMPY") + 2000] ^= 1
    path = tmp_path / "d.npz"
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match="CRC"):
        read_all(path)


def test_every_truncation_is_found(tmp_path):
    content = npz_bytes(x=np.arange(20.0), y=np.arange(3))
    path = tmp_path / "d.npz"
    for size in range(len(content)):
        path.write_bytes(content[:size])
        with pytest.raises(DataFormatError):
            read_all(path)


@given(data=st.data())
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_bytes_never_end_in_another_error(tmp_path, data):
    content = bytearray(npz_bytes(x=np.arange(6, dtype=np.float32), y=np.arange(3)))
    for place, value in data.draw(
        st.lists(st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255)), min_size=1, max_size=8)
    ):
        content[place] = value
    path = tmp_path / "d.npz"
    path.write_bytes(content)
    with contextlib.suppress(DataFormatError):  # any other error fails the test
        read_all(path)


def test_the_same_name_twice_and_a_locked_archive_are_refused(tmp_path):
    path = tmp_path / "d.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x.npy", GOOD)
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("x.npy", GOOD)
    with pytest.raises(DataFormatError, match="twice"):
        read_all(path)
    content = bytearray(zip_of({"x.npy": GOOD}))
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    content[6] |= 1
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match="encrypted"):
        read_all(path)


def test_paths_that_are_no_file(tmp_path):
    with pytest.raises(DataNotFoundError, match="No data file"):
        read_all(tmp_path / "missing.npz")
    with pytest.raises(DataFormatError, match="folder"):
        read_all(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataFormatError, match="not a regular file"):
        read_all(tmp_path / "pipe")


def test_a_file_that_may_not_be_read(tmp_path, monkeypatch):
    path = tmp_path / "d.npz"
    path.write_bytes(npz_bytes(x=np.zeros(2)))

    def refuse(*arguments, **keywords):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(path), "open", refuse)  # root may read everything, so chmod would not refuse
    with pytest.raises(PermissionDeniedError):
        read_all(path)
