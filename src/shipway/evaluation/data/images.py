"""A folder of images by class as rows for a model's image input: its size, its colors, its range of numbers."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from shipway.errors import DataMismatchError, UsageError
from shipway.evaluation.data.base import Block, Column, Problem, Reading
from shipway.evaluation.data.image_folder import list_images
from shipway.evaluation.data.image_form import FIT_TRAINING, MODES, check_pixels, form_of, scale
from shipway.evaluation.data.image_pixels import (
    FILTERS,
    BadImageError,
    Picture,
    read_picture,
    strictly,
    upright_size,
)
from shipway.types import Array, Dim, TensorSpec

_LOOKED_AT = 64
"""Images whose headers tell what size most of them have."""
_THREADS = 4


class ImagesReader:
    """Lists the folder and looks at some headers when made."""

    format = "images"

    def __init__(self, path: Path, spec: TensorSpec, reading: Reading) -> None:
        self.path = path
        self._spec = spec
        self._reading = reading
        self._form = form_of(spec, path)
        check_pixels(spec, self._form, reading, path)
        if reading.resize is not None and reading.resize not in FILTERS:
            raise UsageError(
                f"--resize {reading.resize} is no filter for images.", hint=f"Filters: {', '.join(FILTERS)}."
            )
        self._folder = list_images(path)
        self.class_names = self._folder.classes
        self.label_names: tuple[str, ...] = ("labels" if spec.name != "labels" else "class",)
        self._file_column = "file" if spec.name != "file" else "path"
        self._size = self._settle_size()
        self.sizes: Counter[tuple[int, int]] = Counter()
        """(width, height) in the files → images, of those decoded so far."""
        self.modes: Counter[str] = Counter()
        """Pillow's name of the files' colors → images, of those decoded so far."""
        self._turned = self._animated = self._resized = self._counted = 0
        self.columns: Mapping[str, Column] = {column.name: column for column in self._columns()}

    @property
    def notes(self) -> tuple[str, ...]:
        """How files became numbers, with counts of what was done to those decoded so far."""
        mode = MODES[self._form.channels]
        told = list(self._folder.notes())
        if self._reading.pixels:
            told.append(f"bytes of pixels became {self._reading.pixels}")
        if self._resized:
            antialiased = "" if self._reading.resize == "nearest" else "antialiased "
            told.append(
                f"{_images_were(self._resized)} made {_size_words(self._size)} (width × height) by Pillow's "
                f"{antialiased}{self._reading.resize} filter, without a crop; training must have done the same"
            )
        for found, count in sorted(self.modes.items()):
            if found != mode:
                told.append(f"{_images_were(count)} converted from {_mode_words(found, mode)} to {mode}")
        if self._turned:
            told.append(
                f"{_images_were(self._turned)} turned upright by their EXIF orientation, which Keras and "
                "torchvision ignore"
            )
        if self._animated:
            told.append(f"{_images_were(self._animated)} animated; the first frame was taken")
        return tuple(told)

    def blocks(
        self,
        names: tuple[str, ...],
        dtypes: Mapping[str, np.dtype[Any]],  # noqa: ARG002 - the images are as the input takes them
        *,
        rows: int,
    ) -> Iterator[Block]:
        """As `Reader.blocks`. Images that cannot be used are zeros, with a problem: `unreadable`, `image-size`,
        `image-mode`."""
        labels = np.array(self._folder.labels, np.int64)
        files = np.array(self._folder.files, object)
        for first in range(0, len(files), rows):
            part = slice(first, first + rows)
            arrays = {self.label_names[0]: labels[part], self._file_column: files[part]}
            problems: tuple[Problem, ...] = ()
            if self._spec.name in names:
                arrays[self._spec.name], problems = self._decode(first, self._folder.files[part])
            yield Block(first, {name: arrays[name] for name in names}, problems)

    def sha256(self) -> str:
        """Of the classes' names, and of all images' names and bytes."""
        return self._folder.sha256()

    def close(self) -> None:
        """Nothing is held."""

    def _columns(self) -> Iterator[Column]:
        rows = len(self._folder.files)
        width, height = (side if isinstance(side, int) else 0 for side in self._size)
        shape: tuple[int, ...] = (height, width)
        if self._form.has_channel_axis:
            channels = (self._form.channels,)
            shape = (*channels, *shape) if self._form.is_channels_first else (*shape, *channels)
        yield Column(self._spec.name, self._spec.dtype.numpy, shape, rows=rows)
        yield Column(self.label_names[0], np.dtype(np.int64), rows=rows)
        yield Column(self._file_column, np.dtype(object), rows=rows)

    def _decode(self, first: int, files: tuple[str, ...]) -> tuple[Array, tuple[Problem, ...]]:
        column = self.columns[self._spec.name]
        values = np.zeros((len(files), *column.row_shape), column.dtype)
        problems = []
        with strictly(), ThreadPoolExecutor(min(_THREADS, os.cpu_count() or 1)) as pool:
            for row, found in enumerate(pool.map(self._read, files)):
                if isinstance(found, Picture):
                    self._count(first + row, found)
                    values[row] = self._to_numbers(found.pixels)
                else:
                    words = f"{files[row]} {found.words}"
                    problems.append(Problem(first + row, self._spec.name, found.kind, words))
        self._counted = max(self._counted, first + len(files))
        return values, tuple(problems)

    def _read(self, file: str) -> Picture | BadImageError:
        resampling = FILTERS[self._reading.resize] if self._reading.resize else None
        try:
            return read_picture(self.path / file, MODES[self._form.channels], self._size, resampling)
        except BadImageError as error:
            return error

    def _count(self, row: int, picture: Picture) -> None:
        """Each row once, however often the folder is read."""
        if row < self._counted:
            return
        self.sizes[picture.size] += 1
        self.modes[picture.mode] += 1
        self._turned += picture.is_turned
        self._animated += picture.is_animated
        height, width = picture.pixels.shape[:2]
        self._resized += picture.size != (width, height)

    def _to_numbers(self, pixels: Array) -> Array:
        """`[height, width(, channels)]` of bytes as the input takes them."""
        if self._form.has_channel_axis and pixels.ndim == 2:
            pixels = pixels[..., None]
        if self._spec.dtype.is_float:
            pixels = scale(pixels, self._reading.pixels)
        return np.moveaxis(pixels, -1, 0) if self._form.is_channels_first else pixels

    def _settle_size(self) -> tuple[int | None, int | None]:
        """The width and height of all rows. Raises `DataMismatchError` where most images have another."""
        wanted = tuple(side if isinstance(side, int) else None for side in self._form.size)
        seen = Counter(self._look())
        if not seen:  # nothing is readable there, which reading tells of each image
            return (wanted[0] or 1, wanted[1] or 1)
        if self._reading.resize and None not in wanted:
            return (wanted[0], wanted[1])
        fitting = Counter({size: count for size, count in seen.items() if _is_like(size, wanted)})
        if 2 * fitting.total() < seen.total() or not fitting:
            raise self._other_sizes(seen)
        (often, count), *_ = fitting.most_common(1)
        if 2 * count < seen.total():
            raise self._mixed_sizes(fitting)
        return often

    def _look(self) -> Iterator[tuple[int, int]]:
        files = self._folder.files
        step = max(1, len(files) // _LOOKED_AT)
        with strictly():
            for file in files[::step]:
                try:
                    yield upright_size(self.path / file)
                except BadImageError:  # told when it is read
                    continue

    def _other_sizes(self, seen: Counter[tuple[int, int]]) -> DataMismatchError:
        return DataMismatchError(
            f"The images in {self.path} are {_sizes_words(seen)} (width × height); input {self._spec.name!r} of "
            f"the model takes {_size_words(self._form.size)}.",
            hint="Resize them in reading: --resize bilinear (or "
            f"{', '.join(name for name in FILTERS if name != 'bilinear')}). " + FIT_TRAINING,
        )

    def _mixed_sizes(self, seen: Counter[tuple[int, int]]) -> DataMismatchError:
        return DataMismatchError(
            f"The images in {self.path} have different sizes: {_sizes_words(seen)} (width × height); input "
            f"{self._spec.name!r} of the model takes any, and the rows of a request need one.",
            hint="Bring the files to one size, with the filter of the training.",
        )


def open_images(path: Path, spec: TensorSpec, reading: Reading) -> ImagesReader:
    """Opens a folder `path/CLASS/…` of images for the input `spec`: columns are the input, `labels`, `file`.

    Raises `DataNotFoundError`, `DataEmptyError`, `DataFormatError` (no classes, links out of the folder),
    `DataMismatchError` (the input takes no images, another size, `--pixels` is missing) and `UsageError` (no such
    filter).
    """
    return ImagesReader(path, spec, reading)


def _images_were(count: int) -> str:
    return "1 image was" if count == 1 else f"{count} images were"


def _is_like(size: tuple[int, int], wanted: tuple[int | None, ...]) -> bool:
    return all(side in (None, own) for own, side in zip(size, wanted, strict=True))


def _sizes_words(seen: Counter[tuple[int, int]]) -> str:
    shown = [_size_words(size) for size, _ in seen.most_common(3)]
    return ", ".join(shown) + (", …" if len(seen) > 3 else "")


def _size_words(size: tuple[Dim | None, Dim | None]) -> str:
    return " × ".join(str(side) if isinstance(side, int) else "any" for side in size)


def _mode_words(mode: str, wanted: str) -> str:
    if mode.startswith("I"):
        return f"{mode} (16 bits, the upper eight kept)"
    if mode in ("RGBA", "LA", "PA") and wanted != "RGBA":
        return f"{mode} (transparency dropped)"
    return {"P": "P (a palette)"}.get(mode, mode)
