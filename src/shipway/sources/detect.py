"""Which format a file is of, by its content: an extension is a claim, the bytes are the fact.

What is not read yet is still recognized, so that the error can say how to get to a file that is.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from shipway import registry
from shipway.errors import SourceDamagedError, SourceNotFoundError, SourceUnrecognizedError
from shipway.os_errors import os_errors_as_ours
from shipway.sources.base import Hints, Limits, Source, SourceFormat

_TO_KERAS = "Load it in your training environment and save it again: model.save('model.keras')."
_TO_ONNX = "Export it to ONNX in your training environment, and give Shipway the .onnx file."


_FACTORY = re.compile(r"(.+\.py):([A-Za-z_]\w*)")


def open_source(
    path: Path,
    *,
    python: Path | None = None,
    limits: Limits | None = None,
    hints: Hints | None = None,
) -> Source:
    """The source at `path`: a file, a folder, or `module.py:factory`, which builds an `nn.Module`.

    `python` is the interpreter that its framework runs in (None: this one). Raises `SourceNotFoundError`,
    `SourceDamagedError` (an empty file), `SourceUnrecognizedError`, `PermissionDeniedError`.
    """
    if not _exists(_file_of(path)):
        raise SourceNotFoundError(
            f"No model at {path}: there is no such file.",
            hint=_nearby(path) or "Check the path; give the file that model.save() wrote.",
        )
    with os_errors_as_ours("read the model", path):
        if path.is_file() and path.stat().st_size == 0:
            raise SourceDamagedError(f"{path} is empty (0 bytes).", hint="Save the model again.")
        for name in registry.names("sources"):
            format_: type[SourceFormat] = registry.load("sources", name)
            if format_.recognizes(path):
                return format_.open(path, python=python, limits=limits or Limits(), hints=hints or Hints())
        found, hint = _explain(path)
    raise SourceUnrecognizedError(f"{path} is {found}. Shipway reads {_titles()}.", hint=hint)


def _titles() -> str:
    formats: list[type[SourceFormat]] = [registry.load("sources", name) for name in registry.names("sources")]
    return ", ".join(format_.title for format_ in formats)


def factory_of(path: Path) -> tuple[Path, str] | None:
    """`net.py:make` as (`net.py`, `"make"`); None for a path that is no such thing."""
    found = None if _exists(path) else _FACTORY.fullmatch(str(path))
    return (Path(found[1]), found[2]) if found else None


def _file_of(path: Path) -> Path:
    factory = factory_of(path)
    return path if factory is None else factory[0]


def _exists(path: Path) -> bool:
    """False too for what no file can be called, and for a folder on the way that this user may not enter."""
    try:
        return path.exists()
    except OSError:
        return False


def _nearby(path: Path) -> str:
    try:
        models = sorted(
            item.name
            for item in path.parent.iterdir()
            if item.suffix in (".keras", ".onnx") and item.is_file()
        )
    except OSError:  # no such folder, or not for this user
        return ""
    return f"In that folder there are: {', '.join(models[:5])}." if models else ""


def _explain(path: Path) -> tuple[str, str]:
    """What the content is, and what to do about it."""
    if path.is_dir():
        if (path / "saved_model.pb").is_file():
            return "a TensorFlow SavedModel folder", _TO_KERAS
        return "a folder, not a model file", "Give the model file itself."
    if not path.is_file():
        return "no regular file (a pipe or a device)", "Give the model file itself."
    with path.open("rb") as file:
        head = file.read(4096)
    if head.startswith(b"\x89HDF\r\n"):
        return "an HDF5 file, as Keras 2 and model.save('model.h5') write it", _TO_KERAS
    if head[4:8] == b"TFL3":
        return "a LiteRT (.tflite) file", "Give the model that it was converted from."
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.namelist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError):  # its own list of members is damaged
            return "a zip archive that is damaged", "Save or copy the file again."
        if any(member.endswith("data.pkl") for member in members):
            return "a PyTorch file", _TO_ONNX
        return f"a zip archive ({', '.join(members[:3]) or 'empty'}) and not a Keras model", _TO_KERAS
    if head.startswith(b"PK"):
        return "a zip archive that is cut off", "Save or copy the file again."
    if head.startswith(b"\x80"):
        return "a Python pickle, which can run any code when it is read", _TO_ONNX
    return _describe_bytes(path, head), "Give the file that your framework's save or export wrote."


def _describe_bytes(path: Path, head: bytes) -> str:
    claim = f"named {path.suffix}, and its content is" if path.suffix in (".keras", ".onnx") else ""
    start = head[:32].decode("utf-8", "replace")
    if all(char.isprintable() or char.isspace() for char in start.replace("\ufffd", "\0")):
        return f"{claim} text (it begins {start!r})".strip()
    return f"{claim} of no known format (it begins {head[:8].hex(' ')})".strip()
