"""A folder of images by class: which files are rows, and what their class is. No image is opened here."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from shipway.bundle.files import sha256_of
from shipway.errors import DataEmptyError, DataFormatError, DataNotFoundError
from shipway.evaluation.data.image_names import SUFFIXES
from shipway.os_errors import os_errors_as_ours

_PARTS = {"train", "training", "test", "testing", "val", "valid", "validation"}
_LAYOUT = "Lay images out as FOLDER/CLASS/image.png; the classes in sorted order are the indices 0, 1, …"


@dataclass(frozen=True)
class ImageFolder:
    """The images below a folder, class by class, each in sorted order: Keras' and torchvision's convention."""

    path: Path
    classes: tuple[str, ...]
    files: tuple[str, ...]
    """Relative, with `/`; the first part is the class."""
    labels: tuple[int, ...]
    ignored: tuple[str, ...]
    """Files that are no images by their name."""

    def notes(self) -> Iterator[str]:
        """What a user may not expect."""
        present = Counter(self.labels)
        for index, name in enumerate(self.classes):
            if not present[index]:
                yield f"class {name!r} (index {index}) has no image"
        if self.ignored:
            more = ", …" if len(self.ignored) > 3 else ""
            yield (
                f"{len(self.ignored)} files are no images by their name and were left out: "
                f"{', '.join(self.ignored[:3])}{more}"
            )

    def sha256(self) -> str:
        """Of the classes' names, and of all images' names and bytes."""
        digest = hashlib.sha256("\0".join(self.classes).encode("utf-8", "surrogateescape"))
        for name in self.files:
            digest.update(b"\0" + name.encode("utf-8", "surrogateescape") + b"\0")
            digest.update(sha256_of(self.path / name).encode())
        return digest.hexdigest()


def list_images(path: Path) -> ImageFolder:
    """Walks the folder; hidden files and folders are left out, folders inside a class belong to it.

    Raises `DataNotFoundError`, `PermissionDeniedError`, `DataEmptyError` without images, and `DataFormatError`
    where images lie outside of a class, or a link leads out of the folder.
    """
    if not path.is_dir():
        raise DataNotFoundError(f"No folder at {path}.", hint="Check the path given to --data.")
    root = path.resolve()
    with os_errors_as_ours("read the data", path):
        entries = [entry for entry in sorted(path.iterdir()) if not entry.name.startswith(".")]
        classes = [entry.name for entry in entries if _is_folder(path, entry)]
        loose = [entry.name for entry in entries if entry.name not in classes and _is_image(entry.name)]
        found = [(index, file) for index, name in enumerate(classes) for file in _walk(path, root, name)]
    images = [(index, file) for index, file in found if _is_image(file) and (path / file).is_file()]
    _check(path, classes, loose, [file for _, file in images])
    return ImageFolder(
        path,
        tuple(classes),
        tuple(file for _, file in images),
        tuple(index for index, _ in images),
        tuple(file for _, file in found if not _is_image(file)),
    )


def _check(path: Path, classes: list[str], loose: list[str], images: list[str]) -> None:
    if loose:
        raise DataFormatError(
            f"{path} holds images outside of a class: {', '.join(loose[:3])}{', …' if len(loose) > 3 else ''}.",
            hint=_LAYOUT,
        )
    if not images:
        found = f"the folders {', '.join(classes[:5])}" if classes else "no folder"
        raise DataEmptyError(
            f"{path} holds no image ({', '.join(suffix[1:] for suffix in SUFFIXES)}); it has {found}.",
            hint=_LAYOUT,
        )
    if {name.lower() for name in classes} <= _PARTS and all(file.count("/") > 1 for file in images):
        raise DataFormatError(
            f"{path} holds parts ({', '.join(classes)}), not classes.",
            hint=f"Give the part to judge on: --data {path / classes[0]}",
        )


def _walk(path: Path, root: Path, name: str) -> Iterator[str]:
    for folder, folders, files in os.walk(path / name, onerror=_raise):
        folders[:] = sorted(inner for inner in folders if not inner.startswith("."))
        for inner in folders:
            _is_folder(path, Path(folder, inner))
        for file in sorted(files):
            if not file.startswith("."):
                _refuse_leaving(path, root, Path(folder, file))
                yield Path(folder, file).relative_to(path).as_posix()


def _raise(error: OSError) -> None:
    raise error


def _is_folder(path: Path, entry: Path) -> bool:
    """Links to folders are refused: they lead out, or round in a circle."""
    if entry.is_symlink() and not entry.is_file():
        raise DataFormatError(
            f"{entry.relative_to(path).as_posix()} in {path} is a link to a folder, or to nothing; links to "
            "folders are not followed.",
            hint="Copy or move the images into the folder.",
        )
    return entry.is_dir()


def _refuse_leaving(path: Path, root: Path, file: Path) -> None:
    if file.is_symlink() and not file.resolve().is_relative_to(root):
        raise DataFormatError(
            f"{file.relative_to(path).as_posix()} in {path} is a link that leaves the folder.",
            hint="Copy the image into the folder; a file outside of it is not read.",
        )


def _is_image(name: str) -> bool:
    return name.lower().endswith(SUFFIXES)
