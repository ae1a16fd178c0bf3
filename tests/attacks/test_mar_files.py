"""Hostile TorchServe archives: nothing lands outside of the folder, no handler runs, no bomb unpacks."""

import json
import zipfile

import pytest

from saved_files import mutations
from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.mar_archive import extract_model, looks_like_mar, read_mar


def save(path, model, files, compression=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("MAR-INF/MANIFEST.json", json.dumps({"model": model}))
        for name, content in files.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    "name", ["../escaped.pt", "/tmp/escaped.pt", "a/../../escaped.pt", "..\\escaped.pt", "C:\\x"]
)
def test_a_path_that_leaves_the_archive(tmp_path, name):
    path = save(tmp_path / "a.mar", {"serializedFile": name}, {name: "x"})
    into = tmp_path / "into"
    into.mkdir()
    with pytest.raises(SourceDamagedError, match="leaves the archive"):
        extract_model(path, into)
    assert sorted(tmp_path.iterdir()) == [path, into]
    assert list(into.iterdir()) == []


def test_a_handler_is_not_run(tmp_path):
    marker = tmp_path / "marker"
    code = f"open({str(marker)!r}, 'w')"
    path = save(
        tmp_path / "a.mar", {"serializedFile": "m.pt", "handler": "h.py"}, {"m.pt": "x", "h.py": code}
    )
    read_mar(path)
    extract_model(path, tmp_path)
    assert not marker.exists()


def test_a_link_where_the_model_should_land(tmp_path):
    """`into` holds a link of that name already: it is not followed."""
    path = save(tmp_path / "a.mar", {"serializedFile": "m.pt"}, {"m.pt": "x"})
    into, victim = tmp_path / "into", tmp_path / "victim"
    into.mkdir()
    victim.write_text("mine")
    (into / "m.pt").symlink_to(victim)
    with pytest.raises(FileExistsError):
        extract_model(path, into)
    assert victim.read_text() == "mine"


def test_a_bomb(tmp_path):
    path = save(tmp_path / "a.mar", {"serializedFile": "m.pt"}, {"m.pt": bytes(300 << 20)})
    with pytest.raises(SourceDamagedError, match="claims"):
        extract_model(path, tmp_path)
    assert list(tmp_path.iterdir()) == [path]


def test_changed_archives_raise_our_errors_only(tmp_path):
    data = save(
        tmp_path / "a.mar", {"serializedFile": "m.pt", "handler": "h"}, {"m.pt": "x" * 400}
    ).read_bytes()
    path = tmp_path / "b.mar"
    for changed in mutations(data, 300):
        path.write_bytes(changed)
        looks_like_mar(path)
        try:
            read_mar(path)
        except (SourceDamagedError, SourceUnsupportedError):
            continue
