"""Which reader a path gets: by content before name, in words where there is none."""

import bz2
import gzip
import io
import lzma
import pickle
import sqlite3
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import feather, orc, parquet

from shipway.errors import DataEmptyError, DataFormatError, DataMismatchError, DataNotFoundError
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.readers import FORMATS, Format, open_reader
from shipway.types import DType, TensorSpec

INPUT = TensorSpec("x", DType.UINT8, ("batch", 2, 2, 3))


def opened(path, *inputs, **options):
    return open_reader(path, inputs or (INPUT,), Reading(), **options)


def packed(members):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return stream.getvalue()


def in_memory(write):
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


TABLE = pa.table({"x": [1, 2]})
PNG = in_memory(lambda stream: Image.new("RGB", (2, 2)).save(stream, "PNG"))
PARQUET = in_memory(lambda stream: parquet.write_table(TABLE, stream))


@pytest.mark.parametrize(
    ("name", "content", "format_name"),
    [
        ("d.csv", b"a,b\n1,2\n", "csv"),
        ("D.TSV", b"a\tb\n1\t2\n", "csv"),
        ("d.csv", b"ORCID,PK\n1,2\n", "csv"),
        ("d.csv", b"PKID,b\n1,2\n", "csv"),
        ("d.jsonl", b'{"a": 1}\n', "jsonl"),
        ("d.ndjson", b'\xef\xbb\xbf{"a": 1}\n', "jsonl"),
        ("d.parquet", PARQUET, "parquet"),
        ("part-0000", PARQUET, "parquet"),
        ("d.csv", PARQUET, "parquet"),
        ("d.pkl", PARQUET, "parquet"),
    ],
)
def test_files_are_told_by_content_then_by_name(tmp_path, name, content, format_name):
    path = tmp_path / name
    path.write_bytes(content)
    assert opened(path).format == format_name


def test_a_folder_is_one_of_images_by_class(tmp_path):
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "1.png").write_bytes(PNG)
    assert opened(tmp_path).format == "images"
    with pytest.raises(DataMismatchError, match="fill one input") as caught:
        opened(tmp_path, INPUT, TensorSpec("other", DType.FP32, ("batch", 3)))
    assert "x=..., other=..." in caught.value.hint


def sqlite_bytes(tmp_path):
    connection = sqlite3.connect(tmp_path / "made.db")
    connection.execute("create table t (x)")
    connection.commit()
    connection.close()
    return (tmp_path / "made.db").read_bytes()


def tar_bytes():
    def write(stream):
        with tarfile.open(fileobj=stream, mode="w") as archive:
            archive.addfile(tarfile.TarInfo("a"))

    return in_memory(write)


FOREIGN = {
    "npy": ("d.npy", in_memory(lambda stream: np.save(stream, np.zeros(3))), "single array", "numpy.load"),
    "pickled npy": (
        "d.csv",
        in_memory(lambda stream: np.save(stream, np.array([{}], object), allow_pickle=True)),
        "single array",
        "savez",
    ),
    "hdf5": ("d.h5", b"\x89HDF\r\n\x1a\n" + bytes(100), "HDF5", "h5py"),
    "old excel": ("d.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(100), "Excel", "read_excel"),
    "new excel": ("d.csv", packed({"xl/workbook.xml": "x"}), "Excel", "read_excel"),
    "open document": ("d.csv", packed({"content.xml": "x"}), "Excel", "read_excel"),
    "feather": (
        "d.feather",
        in_memory(lambda stream: feather.write_feather(TABLE, stream)),
        "Arrow",
        "read_feather",
    ),
    "orc": ("d.bin", in_memory(lambda stream: orc.write_table(TABLE, stream)), "ORC", "read_orc"),
    "avro": ("d.avro", b"Obj\x01" + bytes(50), "Avro", "fastavro"),
    "matlab": ("d.mat", b"MATLAB 5.0 MAT-file" + bytes(200), "MATLAB", "loadmat"),
    "gzip": ("d.csv.gz", gzip.compress(b"a,b\n1,2\n"), "gzip", "gunzip"),
    "bzip2": ("d.csv", bz2.compress(b"a,b\n1,2\n"), "bzip2", "bunzip2"),
    "xz": ("d.csv", lzma.compress(b"a,b\n1,2\n"), "xz", "unxz"),
    "zstandard": ("d.csv", b"\x28\xb5\x2f\xfd" + bytes(range(128, 200)), "Zstandard", "unzstd"),
    "tar": ("d.csv", tar_bytes(), "tar archive", "tar -xf"),
    "pickle": ("d.csv", pickle.dumps({"x": list(range(300))}), "never loaded", "read_pickle"),
    "text pickle": ("d.pkl", pickle.dumps([1], protocol=0), "never loaded", "read_pickle"),
    "joblib": ("d.joblib", b"plain", "never loaded", "read_pickle"),
    "torch": ("d.pt", packed({"archive/data.pkl": "x"}), "never loaded", "torch.load"),
    "one image": ("d.png", PNG, "one image", "FOLDER/CLASS"),
    "tfrecord": ("d.tfrecord", b"\x10" + bytes(30), "TFRecord", "--data data.py:batches"),
    "tfrecord shard": (
        "d.tfrecord-00000-of-00002",
        b"\x10" + bytes(30),
        "TFRecord",
        "--data data.py:batches",
    ),
    "zip of images": ("d.zip", packed({"cat/1.png": PNG}), "zip file of images", "unzip"),
    "zip of tables": ("d.zip", packed({"d.csv": "a,b"}), "zip file of tables", "unzip"),
    "json": ("d.json", b'[{"a": 1}]', "JSON", "jq"),
}


@pytest.mark.parametrize("kind", [*FOREIGN, "sqlite"])
def test_other_formats_are_named_with_the_line_that_converts_them(tmp_path, kind):
    name, content, words, hint = FOREIGN.get(kind) or ("d.db", sqlite_bytes(tmp_path), "SQLite", "read_sql")
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match=words) as caught:
        opened(path)
    assert str(path) in caught.value.message
    assert ".parquet, .jsonl" in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"a,b\n1,2\n", "d.txt"),
        (b"hello", "d"),
        (bytes(range(1, 200)), "d.bin"),
    ],
)
def test_what_nobody_knows_is_refused_with_what_is_read(tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match="no format that is read here") as caught:
        opened(path)
    assert str(path) in caught.value.message
    assert ".csv and .tsv" in caught.value.message
    assert "savez" in caught.value.hint


def test_empty_and_missing_paths_are_told(tmp_path):
    (tmp_path / "d.csv").touch()
    with pytest.raises(DataEmptyError, match="0 bytes"):
        opened(tmp_path / "d.csv")
    with pytest.raises(DataNotFoundError):
        opened(tmp_path / "none.csv")


@pytest.mark.parametrize(
    ("names", "words", "hint"),
    [
        (("dataset_info.json", "state.json"), "save_to_disk", "to_parquet"),
        (("a.csv", "b.csv"), "tables", "a.csv"),
    ],
)
def test_folders_of_other_things_are_named(tmp_path, names, words, hint):
    for name in names:
        (tmp_path / name).write_text("x")
    with pytest.raises(DataFormatError, match=words) as caught:
        opened(tmp_path)
    assert hint in caught.value.hint


def test_formats_can_be_added(tmp_path):
    class Reader:
        format = "mine"

    mine = Format("mine", ".mine", lambda path, _: path.suffix == ".mine", lambda *_: Reader())
    (tmp_path / "d.mine").write_text("x")
    assert opened(tmp_path / "d.mine", formats=(mine, *FORMATS)).format == "mine"


LEFT_OUT = """
import sys
from pathlib import Path
sys.modules[sys.argv[1]] = None  # as if it were not installed
from shipway.errors import MissingDependencyError
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.readers import open_reader
from shipway.types import DType, TensorSpec
try:
    open_reader(Path(sys.argv[2]), (TensorSpec("x", DType.UINT8, ("batch", 2, 2, 3)),), Reading())
except MissingDependencyError as error:
    print(error.message, "HINT", error.hint)
else:
    print("loaded")
"""


@pytest.mark.parametrize(
    ("package", "name"),
    [("pyarrow", "d.csv"), ("pyarrow", "d.parquet"), ("PIL", "images"), ("pyarrow", "d.jsonl")],
)
def test_a_package_that_is_not_installed_is_told_with_the_extra(tmp_path, package, name):
    path = tmp_path / name
    if name == "images":
        (path / "cat").mkdir(parents=True)
        (path / "cat" / "1.png").write_bytes(PNG)
    else:
        path.write_bytes({"d.csv": b"a\n1\n", "d.parquet": PARQUET, "d.jsonl": b'{"a": 1}'}[name])
    command = [sys.executable, "-c", LEFT_OUT, package, path]
    told = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    if name == "d.jsonl":
        assert told == "loaded\n"
        return
    assert str(path) in told
    assert {"pyarrow": "pyarrow", "PIL": "pillow"}[package] in told
    assert "HINT pip install 'shipway[data]'" in told
