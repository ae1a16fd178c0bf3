"""Recognizes scikit-learn's files (skops, joblib, pickle) and says what reading them would import.

skops names every class, and makes none that it does not know. joblib and pickle run whatever they name while
they are read, so they are read in a child and with the user's word only; the scan here tells what they name.
"""

from __future__ import annotations

import bz2
import lzma
import mmap
import tempfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, Protocol, cast

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.os_errors import os_errors_as_ours
from shipway.sources.files.pickle_scan import Call, Global, Items, Scan, scan
from shipway.sources.files.sklearn_names import find_foreign, is_estimator
from shipway.sources.files.skops_schema import Model, is_skops, read_schema, walk_names
from shipway.sources.files.torch_pickle import OLD_MAGIC
from shipway.sources.files.zip_archive import ArchiveKind, check_sums, member_names, open_archive, read_member

_SKOPS: Final = ArchiveKind(
    name="skops file",
    writer="skops",
    save_again="Save the model again with skops.io.dump(model, 'model.skops'), or copy the file again.",
    members=200_000,
    stores=False,
)
_SCHEMA_BYTES = 128 << 20
_CHUNK_BYTES = 1 << 20
_UNPACKED_BYTES = 4 << 30
_BOMB_BYTES = 256 << 20
_BOMB_RATIO = 200
_SAVE_AS_SKOPS = "Save the model with skops: skops.io.dump(model, 'model.skops')."


class _Unpacker(Protocol):
    """What zlib's, bz2's and lzma's objects share."""

    @property
    def eof(self) -> bool: ...

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


_PACKED: Final[tuple[tuple[bytes, str, Callable[[], _Unpacker]], ...]] = (
    (b"\x1f\x8b", "gzip", lambda: zlib.decompressobj(31)),
    (b"BZh", "bz2", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\x00", "xz", lzma.LZMADecompressor),
    (b"\x5d\x00\x00", "lzma", lzma.LZMADecompressor),
    (b"\x78\x01", "zlib", zlib.decompressobj),
    (b"\x78\x5e", "zlib", zlib.decompressobj),
    (b"\x78\x9c", "zlib", zlib.decompressobj),
    (b"\x78\xda", "zlib", zlib.decompressobj),
)
_LZ4 = b"\x04\x22\x4d\x18"


class SklearnKind(StrEnum):
    """How the model was saved."""

    SKOPS = "skops"
    JOBLIB = "joblib"
    PICKLE = "pickle"


@dataclass(frozen=True)
class SklearnOutline:
    """`foreign` names what would have to be trusted beyond scikit-learn's own classes.

    A pickle or joblib file runs what it names while it is read, so it has to be trusted as a whole, also when
    `foreign` is empty. `classes` and `feature_names` are known for skops only.
    """

    kind: SklearnKind
    estimator: str
    names: tuple[str, ...]
    foreign: tuple[str, ...]
    sklearn_version: str = ""
    features: int | None = None
    feature_names: tuple[str, ...] = ()
    classes: tuple[str | int | float | bool, ...] = ()
    compression: str = ""

    @property
    def is_sklearn(self) -> bool:
        """True where a class of scikit-learn is in it."""
        return any(is_estimator(name) for name in self.names)


def looks_like_skops(path: Path) -> bool:
    """True for a zip archive with a skops schema. Never raises."""
    return is_skops(member_names(path))


def looks_like_pickle(path: Path) -> bool:
    """True for a pickle of protocol 2 to 5 that is not torch's, or a compressed file as joblib writes it."""
    try:
        with path.open("rb") as file:
            head = file.read(32)
    except OSError:
        return False
    if head.startswith(b"\x80") and len(head) > 2:
        return 2 <= head[1] <= 5 and OLD_MAGIC not in head
    return _compression(head) != ""


def read_sklearn(path: Path) -> SklearnOutline:
    """Outlines any of them. Raises `SourceDamagedError`, `SourceUnsupportedError`, `PermissionDeniedError`."""
    if looks_like_skops(path):
        return _read_skops(path)
    return _read_pickle(path)


def _read_skops(path: Path) -> SklearnOutline:
    with open_archive(path, _SKOPS) as archive:
        check_sums(path, archive, _SKOPS)
        text = read_member(path, archive, "schema.json", _SKOPS, limit_bytes=_SCHEMA_BYTES)
        try:
            schema = read_schema(text)
        except ValueError as error:
            raise SourceDamagedError(
                f"{path}: schema.json is no schema of skops: {str(error)[:200]}.", hint=_SKOPS.save_again
            ) from error
        model = Model(schema, lambda name, limit: read_member(path, archive, name, _SKOPS, limit_bytes=limit))
        names = tuple(sorted(set(walk_names(schema))))
        return SklearnOutline(
            kind=SklearnKind.SKOPS,
            estimator=model.name,
            names=names,
            foreign=find_foreign(names),
            sklearn_version=model.version,
            features=model.features,
            feature_names=model.feature_names,
            classes=model.classes,
        )


def _read_pickle(path: Path) -> SklearnOutline:
    with os_errors_as_ours("read the model", path), path.open("rb") as file:
        compression = _compression(file.read(32))
        with _mapped(path, file, compression) as stream:
            found = scan(stream, where=str(path), with_joblib_arrays=True)
    is_joblib = bool(compression) or any(name.startswith("joblib.") for name in found.globals)
    attributes = _attributes(found)
    version, features = attributes.get("_sklearn_version"), attributes.get("n_features_in_")
    return SklearnOutline(
        kind=SklearnKind.JOBLIB if is_joblib else SklearnKind.PICKLE,
        estimator=_root_class(found.value),
        names=tuple(sorted(found.globals)),
        foreign=find_foreign(found.globals),
        sklearn_version=version if isinstance(version, str) else "",
        features=features if type(features) is int else None,
        compression=compression,
    )


def _compression(head: bytes) -> str:
    if head.startswith(_LZ4):
        return "lz4"
    return next((name for magic, name, _ in _PACKED if head.startswith(magic)), "")


@contextmanager
def _mapped(path: Path, file: IO[bytes], compression: str) -> Iterator[BinaryIO]:
    """The pickle's bytes as a map: of the file itself, or of a nameless one that it is unpacked to."""
    if not compression:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield cast("BinaryIO", mapped)
        return
    with tempfile.TemporaryFile() as unpacked:
        file.seek(0)
        if not _unpack(path, file, unpacked, compression):
            raise SourceDamagedError(f"{path} ({compression}) holds nothing.", hint=_SAVE_AS_SKOPS)
        unpacked.flush()
        with mmap.mmap(unpacked.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
            yield cast("BinaryIO", mapped)


def _unpack(path: Path, packed: IO[bytes], target: IO[bytes], compression: str) -> int:
    if compression == "lz4":
        raise SourceUnsupportedError(f"{path} is compressed by lz4.", hint=_SAVE_AS_SKOPS)
    size = path.stat().st_size
    unpacker = next(make for _, name, make in _PACKED if name == compression)()
    written = 0
    for chunk in _unpacked_chunks(path, packed, unpacker, compression):
        written += target.write(chunk)
        if written > _UNPACKED_BYTES or (written > _BOMB_BYTES and written > _BOMB_RATIO * size):
            raise SourceUnsupportedError(
                f"{path} ({size} bytes) unpacks to more than {written} bytes.",
                hint="No model is packed so tightly; do not trust it.",
            )
    return written


def _unpacked_chunks(path: Path, packed: IO[bytes], unpacker: _Unpacker, compression: str) -> Iterator[bytes]:
    """At most a megabyte at a time, whatever the next bytes claim."""
    try:
        data = packed.read(_CHUNK_BYTES)
        chunk = b"."
        while data or chunk:
            chunk = unpacker.decompress(data, _CHUNK_BYTES)
            yield chunk
            if unpacker.eof:
                return
            # zlib gives back what it did not take; bz2 and lzma keep it, and say that they need nothing.
            data = getattr(unpacker, "unconsumed_tail", b"")
            if not data and getattr(unpacker, "needs_input", True):
                data = packed.read(_CHUNK_BYTES)
    except (zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
        raise SourceDamagedError(
            f"{path} is damaged: it begins as {compression}, and cannot be unpacked ({error}).",
            hint=_SAVE_AS_SKOPS,
        ) from error
    raise SourceDamagedError(f"{path} is cut off: its {compression} data has no end.", hint=_SAVE_AS_SKOPS)


def _root_class(value: Any) -> str:  # noqa: ANN401 - a pickle holds anything
    """Of what `Class.__new__(Class)` or `copyreg._reconstructor(Class, …)` would give."""
    if not isinstance(value, Call) or not isinstance(value.function, Global):
        return ""
    if value.function.name.endswith("._reconstructor") and isinstance(value.arguments, Items):
        first = next(iter(value.arguments.values), None)
        return first.name if isinstance(first, Global) else ""
    return value.function.name


def _attributes(found: Scan) -> dict[str, Any]:
    """The plain attributes of the root, and of a pipeline's first step for what the root does not tell."""
    read: dict[str, Any] = {}
    value: Any = found.value
    for _ in range(20):
        state = value.state if isinstance(value, Call) else None
        if not isinstance(state, Items):
            break
        for key, item in state.pairs():
            if isinstance(key, str) and isinstance(item, (str, int)):
                read.setdefault(key, item)
        value = _first_step(state)
    return read


def _first_step(state: Items) -> Any:  # noqa: ANN401
    steps = state.get("steps")
    first = next(iter(steps.values), None) if isinstance(steps, Items) else None
    return first.values[1] if isinstance(first, Items) and len(first.values) > 1 else None
