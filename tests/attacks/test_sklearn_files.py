"""Hostile skops, joblib and pickle files of scikit-learn's kind: named, never read by what would run them."""

import gzip
import io
import json
import pickle
import zipfile
import zlib

import joblib
import numpy as np
import pytest

from saved_files import Payload, mutations, rewrite, table_files  # noqa: F401
from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.sklearn_file import looks_like_pickle, looks_like_skops, read_sklearn

pytestmark = pytest.mark.framework


@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3)])
def test_a_joblib_file_that_would_write_a_file(tmp_path, compress):
    """The payload stands behind an array, whose raw bytes a plain reader of opcodes stumbles over."""
    marker, path = tmp_path / "marker", tmp_path / "a.joblib"
    joblib.dump([np.arange(5000.0), {"a": Payload(marker)}], path, compress=compress)
    assert any("system" in name for name in read_sklearn(path).foreign)
    assert not marker.exists()


def test_a_payload_in_an_array_of_objects(tmp_path):
    marker, path = tmp_path / "marker", tmp_path / "a.joblib"
    joblib.dump(np.array([1, Payload(marker)], dtype=object), path)
    assert any("system" in name for name in read_sklearn(path).foreign)
    assert not marker.exists()


def test_a_payload_as_an_array_of_a_skops_file(table_files, tmp_path):  # noqa: F811
    """The labels' file is a pickle of objects: it is refused, and not read."""
    marker, objects = tmp_path / "marker", io.BytesIO()
    np.save(objects, np.array([Payload(marker)], dtype=object), allow_pickle=True)

    def change(name, content):
        return objects.getvalue() if name.endswith(".npy") else content

    path = rewrite(table_files / "pipeline.skops", tmp_path / "a.skops", change)
    with pytest.raises(SourceDamagedError):
        read_sklearn(path)
    path = rewrite(
        table_files / "pipeline.skops",
        tmp_path / "a.skops",
        lambda name, content: pickle.dumps(Payload(marker)) if name.endswith(".npy") else content,
    )
    with pytest.raises(SourceDamagedError):
        read_sklearn(path)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("module", "name"), [("os", "system"), ("builtins", "eval"), ("numpy", "load"), ("subprocess", "Popen")]
)
def test_a_class_from_elsewhere_in_skops_is_named(table_files, tmp_path, module, name):  # noqa: F811
    def change(member, content):
        text = content.replace(b'"__class__": "StandardScaler"', f'"__class__": "{name}"'.encode())
        text = text.replace(b'"sklearn.preprocessing._data"', f'"{module}"'.encode())
        return text if member == "schema.json" else content

    found = read_sklearn(rewrite(table_files / "pipeline.skops", tmp_path / "a.skops", change))
    assert found.foreign == (f"{module}.{name}",)


def test_arrays_that_claim_too_much(table_files, tmp_path):  # noqa: F811
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)})
    path = rewrite(
        table_files / "pipeline.skops",
        tmp_path / "a.skops",
        lambda name, content: head.getvalue() if name.endswith(".npy") else content,
    )
    with pytest.raises(SourceDamagedError):
        read_sklearn(path)
    joblib.dump(np.arange(5000.0), tmp_path / "b.joblib")
    data = (tmp_path / "b.joblib").read_bytes()
    assert data.count(b"M\x88\x13") == 1
    (tmp_path / "b.joblib").write_bytes(data.replace(b"M\x88\x13", b"J\xff\xff\xff\x7f"))
    with pytest.raises(SourceDamagedError):
        read_sklearn(tmp_path / "b.joblib")


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress])
def test_a_bomb(tmp_path, pack):
    path = tmp_path / "a.joblib"
    path.write_bytes(pack(b"\x80\x04" + bytes(300 << 20)))
    with pytest.raises(SourceUnsupportedError, match="unpacks to more"):
        read_sklearn(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_schema_that_never_ends(tmp_path):
    path = tmp_path / "a.skops"
    node = {"__class__": "Pipeline", "__module__": "sklearn.pipeline", "__loader__": "ObjectNode"}
    for text in (json.dumps(node)[:-1] + ', "content": ' + "[" * 200_000, '{"a": 1}', "[]", "\xff"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("schema.json", text)
        assert looks_like_skops(path)
        with pytest.raises(SourceDamagedError):
            read_sklearn(path)


@pytest.mark.parametrize(
    "name", ["pipeline.skops", "forest.joblib", "forest-zlib.joblib", "forest-xz.joblib", "pipeline.pkl"]
)
def test_changed_files_raise_our_errors_only(table_files, tmp_path, name):  # noqa: F811
    path = tmp_path / name
    for data in mutations((table_files / name).read_bytes(), 200):
        path.write_bytes(data)
        looks_like_skops(path)
        looks_like_pickle(path)
        try:
            read_sklearn(path)
        except (SourceDamagedError, SourceUnsupportedError):
            continue
    assert list(tmp_path.iterdir()) == [path]


def test_a_schema_that_changes_under_a_right_checksum(table_files, tmp_path):  # noqa: F811
    with zipfile.ZipFile(table_files / "pipeline.skops") as archive:
        schema = archive.read("schema.json")
    for data in mutations(schema, 200):
        path = rewrite(
            table_files / "pipeline.skops",
            tmp_path / "a.skops",
            lambda name, content, new=data: new if name == "schema.json" else content,
        )
        try:
            read_sklearn(path)
        except (SourceDamagedError, SourceUnsupportedError):
            continue
