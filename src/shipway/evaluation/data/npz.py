"""Reads `.npz` files that may be damaged or hostile: headers first, claims checked before memory is taken.

Nothing pickled is ever loaded. What an array means to a model is not known here (`fit.py`).
"""

from __future__ import annotations

import math
import struct
import tokenize
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from shipway.errors import DataFormatError
from shipway.evaluation.data.memory import physical_memory_bytes
from shipway.evaluation.data.text_files import check_data_file
from shipway.types import Array

DEFLATE_MAX_RATIO = 1032
"""No deflate stream unpacks to more than this times its size (zlib's technical notes)."""

_MALFORMED = (
    zipfile.BadZipFile, zlib.error, EOFError, ValueError, TypeError, SyntaxError, RuntimeError,
    NotImplementedError, OverflowError, MemoryError, KeyError, IndexError, struct.error, tokenize.TokenError,
    OSError,
)  # fmt: skip
"""What zipfile, numpy's header reader and the literal parser behind it raise on hostile bytes."""


@dataclass(frozen=True)
class StoredArray:
    """One array of the file as its header describes it; the values are not read yet."""

    name: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    member: str
    is_fortran: bool = False
    """The first axis varies fastest, so its entries do not follow each other."""

    def __str__(self) -> str:
        if self.dtype.hasobject:
            return f"{self.name} Python objects{list(self.shape)}"
        return f"{self.name} {self.dtype.newbyteorder('=')}{list(self.shape)}"


class NpzFile:
    """An open `.npz`; `arrays` are the headers by name, `read` gives values."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path = path
        self._size_bytes = path.stat().st_size
        self._archive = archive
        self.arrays = {array.name: array for array in self._headers()}
        if not self.arrays:
            members = ", ".join(archive.namelist()[:5]) or "nothing"
            raise DataFormatError(
                f"{path} is a zip file without numpy arrays; it holds {members}.",
                hint='Save the data with numpy.savez("data.npz", x=..., y=...).',
            )

    def read(self, name: str) -> Array:
        """The values, in native byte order. Raises `DataFormatError` where bytes are damaged or pickled."""
        stored = self._readable(name)
        with _damage_as_ours(self.path, f"array {name!r}"), self._archive.open(stored.member) as file:
            array = npy.read_array(file, allow_pickle=False)
            file.read(1)  # the checksum is compared at the end of the member
        return np.ascontiguousarray(_native(array)).reshape(stored.shape)

    def stream(self, name: str, rows: int) -> Iterator[Array]:
        """The same, `rows` entries of the first axis at a time, in the memory of those."""
        stored = self._readable(name)
        if not stored.shape or stored.is_fortran:
            whole = self.read(name)
            yield from (whole[start : start + rows] for start in range(0, len(whole), rows))
            return
        entry_bytes = math.prod(stored.shape[1:]) * stored.dtype.itemsize
        with self._archive.open(stored.member) as file:
            with _damage_as_ours(self.path, f"array {name!r}"):
                _read_npy_header(file)
            for start in range(0, stored.shape[0], rows):
                count = min(rows, stored.shape[0] - start)
                with _damage_as_ours(self.path, f"array {name!r}"):
                    data = bytearray(file.read(count * entry_bytes))
                    block = np.frombuffer(data, stored.dtype).reshape(count, *stored.shape[1:])
                    if start + count == stored.shape[0]:
                        file.read(1)  # the checksum is compared at the end of the member
                yield _native(block)

    def _readable(self, name: str) -> StoredArray:
        """Raises `DataFormatError` for what is never loaded, or is no plain array."""
        stored = self.arrays[name]
        if stored.dtype.hasobject:
            raise DataFormatError(
                f"Array {name!r} in {self.path} holds pickled Python objects, which are never loaded: "
                "they can run code, and rows of unequal length end up so too.",
                hint=f'Save numbers: numpy.savez("data.npz", {name}=numpy.asarray(rows, dtype="float32")), '
                'or dtype="U" for strings.',
            )
        if stored.dtype.fields is not None or stored.dtype.subdtype is not None:
            raise DataFormatError(
                f"Array {name!r} in {self.path} is a record array ({stored.dtype}); "
                "a model takes plain arrays.",
                hint="Save the columns as one array: "
                f'numpy.savez("data.npz", {name}=numpy.stack([...], axis=1)).',
            )
        return stored

    def _headers(self) -> Iterator[StoredArray]:
        seen: set[str] = set()
        claimed = 0
        for info in self._archive.infolist():
            if not info.filename.endswith(".npy"):
                continue
            if info.filename in seen:
                raise DataFormatError(f"{self.path} holds {info.filename!r} twice.", hint=_AGAIN)
            seen.add(info.filename)
            with _damage_as_ours(self.path, info.filename):
                yield self._header(info)
            claimed += info.file_size
        memory = physical_memory_bytes()
        if memory is not None and claimed > memory:
            raise DataFormatError(
                f"{self.path} unpacks to {claimed / 1e9:.1f} GB; "
                f"this machine has {memory / 1e9:.1f} GB of memory.",
                hint="Give fewer rows.",
            )

    def _header(self, info: zipfile.ZipInfo) -> StoredArray:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise ValueError(f"packed by method {info.compress_type}, numpy stores or deflates")
        if info.header_offset + info.compress_size > self._size_bytes:
            raise ValueError(f"claims {info.compress_size} packed bytes of a {self._size_bytes} byte file")
        ratio = DEFLATE_MAX_RATIO if info.compress_type == zipfile.ZIP_DEFLATED else 1
        if info.file_size > info.compress_size * ratio:
            raise ValueError(f"claims {info.file_size} bytes out of {info.compress_size}")
        with self._archive.open(info) as file:
            shape, is_fortran, dtype = _read_npy_header(file)
            begin = file.tell()
        if dtype.itemsize == 0:
            raise ValueError(f"claims {math.prod(shape)} values of no size")
        size = math.prod(shape) * dtype.itemsize
        if not dtype.hasobject and size != info.file_size - begin:
            raise ValueError(
                f"claims {dtype}{list(shape)}, {size} bytes, and holds {max(0, info.file_size - begin)}"
            )
        return StoredArray(info.filename.removesuffix(".npy"), dtype, shape, info.filename, is_fortran)


@contextmanager
def open_npz(path: Path) -> Iterator[NpzFile]:
    """Opens the data file at `path`.

    Raises `DataNotFoundError`, `PermissionDeniedError`, and `DataFormatError` on what is no regular file, no zip
    file, or damaged.
    """
    check_data_file(path)
    with path.open("rb") as file:
        with _damage_as_ours(path, "the file"):
            archive = zipfile.ZipFile(file)
        with archive:
            yield NpzFile(path, archive)


def _native(array: Array) -> Array:
    return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))


def _read_npy_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = npy.read_magic(file)
    if version == (1, 0):
        shape, is_fortran, dtype = npy.read_array_header_1_0(file)
    elif version == (2, 0):
        shape, is_fortran, dtype = npy.read_array_header_2_0(file)
    else:  # 3.0 differs from 2.0 only for field names, and tensors have no fields
        raise ValueError(f"numpy array format {version[0]}.{version[1]}, expected 1.0 or 2.0")
    if any(isinstance(size, bool) or size < 0 for size in shape):
        raise ValueError(f"claims the shape {shape}")
    return shape, is_fortran, dtype


@contextmanager
def _damage_as_ours(path: Path, part: str) -> Iterator[None]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # numpy's about headers that Python 2 wrote
            yield
    except _MALFORMED as error:
        what = str(error).rstrip(".") or type(error).__name__
        raise DataFormatError(f"{path} is damaged at {part}: {what[:300]}.", hint=_AGAIN) from error


_AGAIN = "Copy or save the file again; a download or copy that was cut off looks like this."
