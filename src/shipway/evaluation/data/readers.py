"""Which reader a path needs: told by content first, by name where content says nothing.

Arrow and Pillow are imported by the reader that needs them: they are the extra `data`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shipway.errors import (
    DataEmptyError,
    DataFormatError,
    DataMismatchError,
    MissingDependencyError,
)
from shipway.evaluation.data.base import Reader, Reading
from shipway.evaluation.data.foreign_files import (
    refuse_foreign_content,
    refuse_foreign_folder,
    refuse_foreign_name,
)
from shipway.evaluation.data.npz_reader import NpzReader
from shipway.evaluation.data.python_function import open_python_function
from shipway.evaluation.data.text_files import check_data_file
from shipway.os_errors import os_errors_as_ours
from shipway.sources.base import Limits, Progress
from shipway.sources.detect import factory_of
from shipway.types import TensorSpec

_HEAD_BYTES = 4096
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")

Opener = Callable[[Path, Sequence[TensorSpec], Reading], Reader]


@dataclass(frozen=True)
class Format:
    """One format of data."""

    name: str
    """As `Reader.format`."""
    taken: str
    """As messages list it."""
    is_it: Callable[[Path, bytes], bool]
    """Whether this path, a folder or a file with these first bytes, is of the format."""
    open: Opener
    """Raises as `open_reader` does."""


def open_reader(
    path: Path,
    inputs: Sequence[TensorSpec],
    reading: Reading,
    *,
    formats: Sequence[Format] | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Reader:
    """Opens the data at `path` for a model with these inputs; `module.py:function` is run, within `limits`.

    Raises `DataNotFoundError`, `PermissionDeniedError`, `DataEmptyError`, `DataFormatError` (of no format that is
    read, or damaged), `DataMismatchError` (a folder of images for inputs that take none) and
    `MissingDependencyError`.
    """
    if factory_of(path) is not None:
        return open_python_function(str(path), reading, limits or Limits(), progress=progress)
    known = FORMATS if formats is None else formats
    taken = ", ".join(one.taken for one in known)
    head = _read_head(path)
    if path.is_dir():
        refuse_foreign_folder(path, taken)
    elif not head:
        raise DataEmptyError(f"{path} is empty (0 bytes).", hint="Give a file with at least one row of data.")
    else:
        refuse_foreign_content(path, head, taken)
    for one in known:
        if one.is_it(path, head):
            return one.open(path, inputs, reading)
    refuse_foreign_name(path, taken)
    raise DataFormatError(
        f"{path} is of no format that is read here (its first bytes are {head[:8]!r}); read are {taken}.",
        hint='Save it with numpy.savez("data.npz", x=inputs, y=labels), or name a table .csv, .tsv or .jsonl.',
    )


def _read_head(path: Path) -> bytes:
    """Nothing of a folder."""
    if path.is_dir():
        with os_errors_as_ours("read the data", path):
            next(path.iterdir(), None)
        return b""
    check_data_file(path)
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def _is_zip(path: Path, head: bytes) -> bool:  # noqa: ARG001 - content tells
    return head[:4] in ZIP_MAGIC


def _open_npz(path: Path, inputs: Sequence[TensorSpec], reading: Reading) -> Reader:  # noqa: ARG001 - an Opener
    return NpzReader(path)


def _open_csv(path: Path, inputs: Sequence[TensorSpec], reading: Reading) -> Reader:  # noqa: ARG001 - an Opener
    with _needing("pyarrow", path):
        from shipway.evaluation.data.csv_table import open_csv
    return open_csv(path)


def _open_parquet(path: Path, inputs: Sequence[TensorSpec], reading: Reading) -> Reader:  # noqa: ARG001 - an Opener
    with _needing("pyarrow", path):
        from shipway.evaluation.data.parquet import open_parquet
    return open_parquet(path)


def _open_jsonl(path: Path, inputs: Sequence[TensorSpec], reading: Reading) -> Reader:  # noqa: ARG001 - an Opener
    from shipway.evaluation.data.jsonl import open_jsonl

    return open_jsonl(path)


def _open_images(path: Path, inputs: Sequence[TensorSpec], reading: Reading) -> Reader:
    with _needing("pillow", path):
        from shipway.evaluation.data.images import open_images
    if len(inputs) != 1:
        listed = ", ".join(f"{spec.name} {spec}" for spec in inputs)
        raise DataMismatchError(
            f"{path} is a folder of images, which fill one input; the model takes {len(inputs)}: {listed}.",
            hint='Save all inputs of each row: numpy.savez("data.npz", '
            f"{', '.join(f'{spec.name}=...' for spec in inputs)}, y=...).",
        )
    return open_images(path, inputs[0], reading)


@contextmanager
def _needing(package: str, path: Path) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise MissingDependencyError(
            f"Reading {path} takes the package {package}, which cannot be imported: {error}.",
            hint="pip install 'shipway[data]'",
        ) from error


def _has_suffix(*suffixes: str) -> Callable[[Path, bytes], bool]:
    def is_it(path: Path, head: bytes) -> bool:  # noqa: ARG001 - text has no mark
        return path.suffix.lower() in suffixes

    return is_it


FORMATS: tuple[Format, ...] = (
    Format("npz", ".npz", _is_zip, _open_npz),
    Format(
        "parquet",
        ".parquet",
        lambda path, head: head.startswith(b"PAR1") or path.suffix.lower() in (".parquet", ".pq"),
        _open_parquet,
    ),
    Format("jsonl", ".jsonl (one object a line)", _has_suffix(".jsonl", ".ndjson"), _open_jsonl),
    Format("csv", ".csv and .tsv", _has_suffix(".csv", ".tsv"), _open_csv),
    Format("images", "folders of images by class", lambda path, _: path.is_dir(), _open_images),
)
"""In the order in which they are asked."""
