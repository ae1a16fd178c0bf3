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

_SAVE = "Give the file that your framework's save or export wrote."
_COPY_AGAIN = "Save or copy the file again."
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
        for format_ in _formats():
            if format_.recognizes(path):
                return format_.open(path, python=python, limits=limits or Limits(), hints=hints or Hints())
        found, hint = _explain(path)
    raise SourceUnrecognizedError(f"{path} is {found}. Shipway reads {_titles()}.", hint=hint)


def _titles() -> str:
    return ", ".join(format_.title for format_ in _formats())


def _formats() -> list[type[SourceFormat]]:
    return [registry.load("sources", name) for name in registry.names("sources")]


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
    extensions = {extension for format_ in _formats() for extension in format_.extensions}
    try:
        models = sorted(
            item.name for item in path.parent.iterdir() if item.suffix in extensions and item.is_file()
        )
    except OSError:  # no such folder, or not for this user
        return ""
    return f"In that folder there are: {', '.join(models[:5])}." if models else ""


def _explain(path: Path) -> tuple[str, str]:
    """What the content is, and what to do about it."""
    if path.is_dir():
        return "a folder, not a model file", "Give the model file, or the folder that holds saved_model.pb."
    if not path.is_file():
        return "no regular file (a pipe or a device)", "Give the model file itself."
    if path.suffix == ".py":
        return (
            "Python code",
            f"Name the function or class that builds the module: {path}:FUNCTION --weights FILE.",
        )
    with path.open("rb") as file:
        head = file.read(4096)
    if zipfile.is_zipfile(path):
        try:
            with zipfile.ZipFile(path) as archive:
                members = archive.namelist()
        except (zipfile.BadZipFile, NotImplementedError, ValueError):  # its own list of members is damaged
            return "a zip archive that is damaged", _COPY_AGAIN
        return f"a zip archive ({', '.join(members[:3]) or 'empty'}) that no framework writes", _SAVE
    if head.startswith(b"PK"):
        return "a zip archive that is cut off", _COPY_AGAIN
    return _describe_bytes(path, head), _SAVE


def _describe_bytes(path: Path, head: bytes) -> str:
    claim = f"named {path.suffix}, and its content is" if path.suffix in (".keras", ".onnx") else ""
    start = head[:32].decode("utf-8", "replace")
    if all(char.isprintable() or char.isspace() for char in start.replace("\ufffd", "\0")):
        return f"{claim} text (it begins {start!r})".strip()
    return f"{claim} of no known format (it begins {head[:8].hex(' ')})".strip()
