"""One image file as the numbers of its pixels: decoded by Pillow, upright, in the wanted colors and size."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from warnings import catch_warnings, simplefilter

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "WEBP", "TIFF")
"""Pillow's decoders that are asked; others may start programs (EPS)."""
FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "hamming": Image.Resampling.HAMMING,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}
_DAMAGED = (
    OSError, SyntaxError, ValueError, TypeError, EOFError, IndexError, KeyError, AttributeError,
    ZeroDivisionError, OverflowError, MemoryError, RuntimeError, AssertionError, struct.error, zlib.error,
    Image.DecompressionBombError, Image.DecompressionBombWarning,
)  # fmt: skip
"""What Pillow's decoders raise on hostile bytes."""
_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_TURNED = (5, 6, 7, 8)
"""EXIF orientations that swap width and height."""


class BadImageError(Exception):
    """Why one file is no row: never leaves this room."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind
        self.words = words


@dataclass(frozen=True)
class Picture:
    """A decoded image and what was done to it."""

    pixels: NDArray[np.uint8]
    """`[height, width]` in gray, else `[height, width, channels]`."""
    size: tuple[int, int]
    """Width and height in the file, upright."""
    mode: str
    """Pillow's name of the file's own colors."""
    is_turned: bool = False
    is_animated: bool = False


@contextmanager
def strictly() -> Iterator[None]:
    """Images that unpack to more than Pillow's limit are errors in here; its other warnings are not shown.

    Once around many images: Python's warning filters are the process's.
    """
    Image.init()  # loads Pillow's decoders, which threads at once would do half
    with catch_warnings():
        simplefilter("ignore")
        simplefilter("error", Image.DecompressionBombWarning)
        yield


def upright_size(path: Path) -> tuple[int, int]:
    """Width and height by the header. Raises `BadImageError`."""
    with _opened(path) as image:
        width, height = image.size
        return (
            (height, width) if image.getexif().get(ExifTags.Base.Orientation) in _TURNED else (width, height)
        )


def read_picture(
    path: Path, mode: str, size: tuple[int | None, int | None], resampling: Image.Resampling | None
) -> Picture:
    """Decodes the first frame as `mode` (`L`, `RGB`, `RGBA`).

    `size` is the wanted width and height, None where any will do; another one is brought there by `resampling`,
    or is a problem. Raises `BadImageError` of kind `unreadable`, `image-mode` or `image-size`.
    """
    with _opened(path) as image:
        is_animated = getattr(image, "n_frames", 1) > 1
        found = image.mode
        image.load()
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
        upright = ImageOps.exif_transpose(image)
        own = upright.size
        pixels = _convert(upright, mode)
        if not _fits(own, size):
            if resampling is None:
                wanted = " × ".join("any" if side is None else str(side) for side in size)
                raise BadImageError("image-size", f"is {own[0]} × {own[1]}, not {wanted} (width × height)")
            pixels = pixels.resize((size[0] or own[0], size[1] or own[1]), resampling)
        return Picture(np.asarray(pixels, np.uint8), own, found, orientation not in (0, 1), is_animated)


def _fits(own: tuple[int, int], size: tuple[int | None, int | None]) -> bool:
    return all(wanted in (None, side) for side, wanted in zip(own, size, strict=True))


def _convert(image: Image.Image, mode: str) -> Image.Image:
    if image.mode in _SIXTEEN_BIT:
        image = _to_eight_bit(image)
    elif image.mode == "F":
        raise BadImageError("image-mode", "holds float values, which have no meaning as colors")
    elif image.mode in ("P", "PA") and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)


def _to_eight_bit(image: Image.Image) -> Image.Image:
    """The upper eight of sixteen bits; Pillow itself would cut everything above 255."""
    values = np.asarray(image)
    if values.size and not (int(values.min()) >= 0 and int(values.max()) <= 0xFFFF):
        raise BadImageError("image-mode", "holds values beyond 16 bits")
    return Image.fromarray((values >> 8).astype(np.uint8))


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with Image.open(path, formats=FORMATS) as image:
            yield image
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = Image.MAX_IMAGE_PIXELS
        raise BadImageError(
            "unreadable", f"unpacks to more than {limit} pixels, a decompression bomb"
        ) from error
    except UnidentifiedImageError as error:
        raise BadImageError("unreadable", "is no image") from error
    except _DAMAGED as error:
        what = str(error).split("\n")[0].rstrip(".")[:120] or type(error).__name__
        raise BadImageError("unreadable", f"is damaged: {what}") from error
