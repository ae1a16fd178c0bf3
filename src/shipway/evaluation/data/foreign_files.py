"""Files that hold data in a format that is not read here: each is named, with the line that converts it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shipway.errors import DataFormatError
from shipway.evaluation.data.image_names import SUFFIXES

_TAR_MARK = slice(257, 262)
_TABLES = (".parquet", ".csv", ".tsv", ".jsonl", ".npz")


@dataclass(frozen=True)
class Foreign:
    """One format, told by its first bytes or by its name."""

    called: str
    convert: str
    """With `{name}` for the file's own."""
    magic: tuple[bytes, ...] = ()
    suffixes: tuple[str, ...] = ()


FOREIGN = (
    Foreign(
        "a single array (.npy)",
        'numpy.savez("data.npz", x=numpy.load("{name}"), y=labels)',
        (b"\x93NUMPY",),
        (".npy",),
    ),
    Foreign(
        "HDF5",
        'with h5py.File("{name}") as f: numpy.savez("data.npz", x=f["x"][:], y=f["y"][:])',
        (b"\x89HDF\r\n\x1a\n",),
        (".h5", ".hdf5"),
    ),
    Foreign(
        "an Excel sheet",
        'pandas.read_excel("{name}").to_csv("data.csv", index=False)',
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",),
        (".xls", ".xlsx", ".ods"),
    ),
    Foreign(
        "an Arrow or Feather file",
        'pandas.read_feather("{name}").to_parquet("data.parquet")',
        (b"ARROW1", b"FEA1"),
        (".feather", ".arrow"),
    ),
    Foreign("ORC", 'pandas.read_orc("{name}").to_parquet("data.parquet")', (b"ORC",), (".orc",)),
    Foreign(
        "Avro",
        'pandas.DataFrame(fastavro.reader(open("{name}", "rb"))).to_parquet("data.parquet")',
        (b"Obj\x01",),
        (".avro",),
    ),
    Foreign(
        "a MATLAB file",
        'm = scipy.io.loadmat("{name}"); numpy.savez("data.npz", x=m["x"], y=m["y"])',
        (b"MATLAB ",),
        (".mat",),
    ),
    Foreign(
        "an SQLite database",
        'pandas.read_sql("select * from TABLE", sqlite3.connect("{name}")).to_parquet("data.parquet")',
        (b"SQLite format 3\0",),
        (".db", ".sqlite"),
    ),
    Foreign("packed by gzip", 'gunzip "{name}"', (b"\x1f\x8b",), (".gz",)),
    Foreign("packed by bzip2", 'bunzip2 "{name}"', (b"BZh",), (".bz2",)),
    Foreign("packed by xz", 'unxz "{name}"', (b"\xfd7zXZ\0",), (".xz",)),
    Foreign("packed by Zstandard", 'unzstd "{name}"', (b"\x28\xb5\x2f\xfd",), (".zst",)),
    Foreign(
        "a tar archive", 'tar -xf "{name}", then give the folder or the file in it', (), (".tar", ".tgz")
    ),
    Foreign(
        "a pickle, which is never loaded because it can run code",
        'where you trust it: pandas.read_pickle("{name}").to_parquet("data.parquet")',
        (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"),
        (".pkl", ".pickle", ".joblib"),
    ),
    Foreign(
        "one image",
        "put images into folders by class, FOLDER/CLASS/image.png, and give FOLDER",
        (b"\x89PNG", b"\xff\xd8\xff", b"GIF8"),
        SUFFIXES,
    ),
    Foreign(
        "TFRecord",
        'give a function that yields its batches: --data data.py:batches, with tf.data.TFRecordDataset("{name}")',
        (),
        (".tfrecord", ".tfrecords"),
    ),
    Foreign(
        "a PyTorch file, which is never loaded because it can run code",
        'where you trust it: d = torch.load("{name}"); numpy.savez("data.npz", x=d["x"].numpy(), y=...)',
        (),
        (".pt", ".pth"),
    ),
    Foreign(
        "JSON",
        'one object a line: jq -c ".[]" "{name}" > data.jsonl; or call it .jsonl where it is so already',
        (),
        (".json",),
    ),
)
_SHEET, _IMAGES, _PYTORCH = (
    next(foreign for foreign in FOREIGN if suffix in foreign.suffixes) for suffix in (".xls", ".png", ".pt")
)


def refuse_foreign_content(path: Path, head: bytes, taken: str) -> None:
    """Raises `DataFormatError` where the first bytes are of another format; `taken` lists what is read.

    Text is none of them: a header may begin like a mark.
    """
    if not _is_binary(head):
        return
    for foreign in FOREIGN:
        if head.startswith(foreign.magic) or (".tar" in foreign.suffixes and head[_TAR_MARK] == b"ustar"):
            raise _is_foreign(path, foreign, taken)
    found = _in_zip(path) if head.startswith(b"PK") else None
    if found is not None:
        raise _is_foreign(path, found, taken)


def refuse_foreign_name(path: Path, taken: str) -> None:
    """The same where the name says so; the content said nothing."""
    name = path.name.lower()
    for foreign in FOREIGN:
        is_shard = ".tfrecord" in foreign.suffixes and ".tfrecord-" in name  # .tfrecord-00000-of-00001
        if path.suffix.lower() in foreign.suffixes or is_shard:
            raise _is_foreign(path, foreign, taken)


def _is_binary(head: bytes) -> bool:
    try:
        head[:-4].decode()  # the last character may be cut
    except UnicodeDecodeError as error:
        return error.start < len(head) - 8
    return b"\0" in head


def refuse_foreign_folder(path: Path, taken: str) -> None:
    """Raises `DataFormatError` for a folder that is a data set of another kind than images by class."""
    names = {entry.name for entry in path.iterdir()}
    if {"dataset_info.json", "state.json"} & names:
        raise DataFormatError(
            f"{path} is a data set that `datasets.save_to_disk` wrote; read are {taken}.",
            hint=f'Convert it: datasets.load_from_disk("{path.name}").to_parquet("data.parquet")',
        )
    # Beside each file of captured requests lies its index.
    indices = {f"{name.removesuffix('.npz')}.jsonl" for name in names if name.endswith(".npz")}
    tables = sorted(name for name in names - indices if name.lower().endswith(_TABLES))
    if tables and not any((path / name).is_dir() for name in names):
        raise DataFormatError(
            f"{path} is a folder of tables ({', '.join(tables[:3])}), not of images by class.",
            hint=f"Give one of them: --data {path / tables[0]}",
        )


def _is_foreign(path: Path, foreign: Foreign, taken: str) -> DataFormatError:
    return DataFormatError(
        f"{path} is {foreign.called}; read are {taken}.",
        hint=f"Convert it: {foreign.convert.replace('{name}', path.name)}",
    )


def _in_zip(path: Path) -> Foreign | None:
    members = set(_members(path))
    if any(name.startswith("xl/") for name in members) or "content.xml" in members:
        return _SHEET
    if any(name.endswith("/data.pkl") for name in members):
        return _PYTORCH
    if not any(name.endswith(".npy") for name in members):
        inside = next(
            (name for name in sorted(members) if name.lower().endswith((*SUFFIXES, *_TABLES))), None
        )
        if inside is not None:
            what = "images" if inside.lower().endswith(SUFFIXES) else "tables"
            return Foreign(f"a zip file of {what}", 'unzip "{name}", then give the folder or the file in it')
    return None


def _members(path: Path) -> Iterator[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield from archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, UnicodeDecodeError):
        return  # damaged, which its own reader tells
