"""HDF5 files told by their first bytes, whole ones from those cut off."""

import h5py
import pytest

from shipway.errors import SourceDamagedError
from shipway.sources.files.hdf5_file import looks_like_hdf5, read_head


@pytest.fixture(params=[("earliest", 0), ("v110", 3)], ids=str)
def written(request, tmp_path):
    path = tmp_path / "file.bin"
    version, _ = request.param
    with h5py.File(path, "w", libver=(version, version if version != "earliest" else "latest")) as file:
        file["weights"] = list(range(5000))
    return path, request.param[1]


def test_recognized_by_content(written, tmp_path):
    path, superblock = written
    assert looks_like_hdf5(path)
    assert read_head(path).superblock == superblock
    assert read_head(path).size_bytes == path.stat().st_size
    assert not looks_like_hdf5(tmp_path)
    assert not looks_like_hdf5(tmp_path / "missing")


def test_cut_off_anywhere(written):
    path, _ = written
    whole = path.read_bytes()
    for kept in (8, 40, 95, 200, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:kept])
        assert looks_like_hdf5(path)
        with pytest.raises(SourceDamagedError, match="cut off"):
            read_head(path)


def test_behind_a_user_block(tmp_path):
    path = tmp_path / "file.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["weights"] = [1.0]
    assert looks_like_hdf5(path)
    read_head(path)


def test_something_else(tmp_path):
    path = tmp_path / "file.h5"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    assert not looks_like_hdf5(path)
    with pytest.raises(SourceDamagedError, match="no HDF5 mark"):
        read_head(path)
