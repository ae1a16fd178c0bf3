"""TorchServe's `.mar` archives, whose users need a new home: the model's file is taken out, the handler named.

A `.mar` is a zip archive with `MAR-INF/MANIFEST.json`. Its handler is Python that TorchServe runs for every
request; it is never run here, so what it does before and after the model has to be rebuilt by hand.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, Final

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.os_errors import os_errors_as_ours
from shipway.sources.files.torch_archive import TorchKind, kind_of_members
from shipway.sources.files.torch_pickle import OLD_MAGIC
from shipway.sources.files.zip_archive import (
    MAGIC,
    ArchiveKind,
    check_sums,
    leaves_folder,
    member_names,
    open_archive,
    read_json,
)

MANIFEST: Final = "MAR-INF/MANIFEST.json"

_KIND: Final = ArchiveKind(
    name="TorchServe archive",
    writer="torch-model-archiver",
    save_again="Make the archive again with torch-model-archiver, or copy the file again.",
    stores=False,
)
_JSON_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 20
_HANDLERS: Final = frozenset(
    ("image_classifier", "image_segmenter", "object_detector", "text_classifier", "base_handler")
)
"""TorchServe's own; any other name is a file in the archive."""


@dataclass(frozen=True)
class MarOutline:
    """The manifest. `model_kind` is a `TorchKind`'s value, `onnx` or `unknown`, by the content of the file.

    `model_file` is the Python file of an eager model's class, empty for what needs none.
    """

    model_name: str
    model_version: str
    serialized_file: str
    serialized_bytes: int
    model_kind: str
    model_file: str
    handler: str
    has_own_handler: bool
    extra_files: tuple[str, ...]


def looks_like_mar(path: Path) -> bool:
    """True for a zip archive with TorchServe's manifest. Never raises."""
    return MANIFEST in member_names(path)


def read_mar(path: Path) -> MarOutline:
    """Raises `SourceDamagedError`, `SourceUnsupportedError` (no model file), `PermissionDeniedError`."""
    with os_errors_as_ours("read the model", path), path.open("rb") as file:
        if file.read(2) == b"\x1f\x8b":
            raise SourceUnsupportedError(
                f"{path} is a compressed tar archive (torch-model-archiver --archive-format tgz).",
                hint=f"Unpack it (tar xzf {path.name}), and give Shipway the model file that is in it.",
            )
    with open_archive(path, _KIND) as archive:
        check_sums(path, archive, _KIND)
        manifest = read_json(path, archive, MANIFEST, _KIND, limit_bytes=_JSON_BYTES)
        model = manifest.get("model")
        if not isinstance(model, dict):
            raise SourceDamagedError(f"{path}: {MANIFEST} names no model.", hint=_KIND.save_again)
        serialized = _find(path, archive, _text(model, "serializedFile"))
        handler = _text(model, "handler")
        used = {MANIFEST, serialized.filename, _text(model, "modelFile"), handler}
        return MarOutline(
            model_name=_text(model, "modelName"),
            model_version=_text(model, "modelVersion"),
            serialized_file=serialized.filename,
            serialized_bytes=serialized.file_size,
            model_kind=_kind_of(archive, serialized),
            model_file=_text(model, "modelFile"),
            handler=handler,
            has_own_handler=handler.partition(":")[0] not in _HANDLERS,
            extra_files=tuple(name for name in archive.namelist() if name not in used)[:1000],
        )


def extract_model(path: Path, into: Path) -> Path:
    """Writes the model's file, alone, into the folder `into`; gives its path.

    Raises as `read_mar` does, and `DiskFullError`.
    """
    outline = read_mar(path)
    target = into / PurePosixPath(outline.serialized_file).name
    with (
        open_archive(path, _KIND) as archive,
        archive.open(outline.serialized_file) as member,
        os_errors_as_ours("take the model out of the archive", into),
        target.open("xb") as file,
    ):
        _copy(path, member, file, outline.serialized_bytes)
    return target


def _copy(path: Path, member: IO[bytes], file: IO[bytes], size: int) -> None:
    written = 0
    while chunk := member.read(_CHUNK_BYTES):
        written += len(chunk)
        if written > size:
            raise SourceDamagedError(f"{path}: the model is longer than the {size} bytes that it claims.")
        file.write(chunk)


def _text(model: dict[str, Any], key: str) -> str:
    value = model.get(key, "")
    return value[:500] if isinstance(value, str) else ""


def _find(path: Path, archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    if not name:
        raise SourceUnsupportedError(
            f"{path} names no model file (serializedFile): its handler gets the model by itself.",
            hint="Save the model from the handler's code, and give Shipway that file.",
        )
    if leaves_folder(name) or name not in archive.namelist() or name.endswith("/"):
        raise SourceDamagedError(
            f"{path} names the model file {name[:100]!r}, which it does not hold.", hint=_KIND.save_again
        )
    return archive.getinfo(name)


def _kind_of(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> str:
    with archive.open(member) as file:
        head = file.read(4096)
    if OLD_MAGIC in head[:32] or (head[:1] == b"\x80" and member.filename.endswith((".pt", ".pth", ".bin"))):
        return TorchKind.CHECKPOINT
    if head.startswith(MAGIC):
        with archive.open(member) as file:
            try:
                with zipfile.ZipFile(file) as inner:
                    return kind_of_members(tuple(inner.namelist()))
            except zipfile.BadZipFile:
                return "unknown"
    return "onnx" if member.filename.endswith(".onnx") else "unknown"
