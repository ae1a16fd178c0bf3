"""One set of checks for every zip archive: sizes that lie, twins, files one on the other."""

import struct
import zipfile

import pytest

from shipway.errors import SourceDamagedError
from shipway.sources.files.zip_archive import (
    ArchiveKind,
    check_sums,
    leaves_folder,
    member_names,
    open_archive,
    read_json,
    read_member,
)

KIND = ArchiveKind(name="test file", writer="The test", save_again="Save again.", members=3)


def save(path, members):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_a_sound_archive_is_read(tmp_path):
    path = save(tmp_path / "a.zip", {"a/x.json": '{"a": 1}', "a/y": b"12"})
    with open_archive(path, KIND) as archive:
        check_sums(path, archive, KIND)
        assert read_json(path, archive, "a/x.json", KIND, limit_bytes=100) == {"a": 1}
        assert read_member(path, archive, "a/y", KIND, limit_bytes=2) == b"12"
        with pytest.raises(SourceDamagedError, match="claims 8 bytes; at most 7"):
            read_member(path, archive, "a/x.json", KIND, limit_bytes=7)
        with pytest.raises(SourceDamagedError, match="holds no z"):
            read_member(path, archive, "z", KIND, limit_bytes=7)
    assert member_names(path) == ("a/x.json", "a/y")


@pytest.mark.parametrize(
    ("name", "leaves"),
    [("a/b", False), ("..", True), ("a/../b", True), ("/a", True), ("C:/a", True), ("a\\..\\b", True)],
)
def test_paths(name, leaves):
    assert leaves_folder(name) is leaves


def test_too_many_members(tmp_path):
    path = save(tmp_path / "a.zip", {str(number): b"" for number in range(4)})
    with pytest.raises(SourceDamagedError, match="holds 4 files"), open_archive(path, KIND):
        pass


def test_names_that_differ_in_case_only(tmp_path):
    path = save(tmp_path / "a.zip", {"a/data.pkl": b"1", "a/DATA.PKL": b"2"})
    with pytest.raises(SourceDamagedError, match="two files of the same name"), open_archive(path, KIND):
        pass


def test_members_that_share_their_bytes(tmp_path):
    """A bomb without compression: every entry of the table points at the same bytes."""
    path = save(tmp_path / "a.zip", {"a": bytes(50_000), "b": b"", "c": b""})
    data = bytearray(path.read_bytes())
    place = 0
    while (place := data.find(b"PK\x01\x02", place + 1)) > 0:
        struct.pack_into("<II", data, place + 20, 50_000, 50_000)
    path.write_bytes(data)
    with pytest.raises(SourceDamagedError, match="one on the other"), open_archive(path, KIND):
        pass


def test_what_is_no_archive_has_no_members(tmp_path):
    (tmp_path / "text").write_text("PK is not enough")
    assert member_names(tmp_path / "text") == ()
    assert member_names(tmp_path / "none") == ()
    assert member_names(tmp_path) == ()
