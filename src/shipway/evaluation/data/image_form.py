"""What a model's input takes of an image: where its channels are, and the range of its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from shipway.errors import DataMismatchError, UsageError
from shipway.evaluation.data.base import PIXELS, Reading
from shipway.types import Array, Dim, DType, TensorSpec

MODES = {1: "L", 3: "RGB", 4: "RGBA"}
"""Channels → Pillow's name of the colors."""
_IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_IMAGENET_SPREAD = np.array([0.229, 0.224, 0.225], np.float32)
"""Of the three channels of ImageNet's training images in 0..1 (torchvision's constants)."""
FIT_TRAINING = "It must be as for training, or the model sees other numbers than it has learned from."


@dataclass(frozen=True)
class ImageForm:
    """What an input takes of an image."""

    channels: int
    is_channels_first: bool
    has_channel_axis: bool
    size: tuple[Dim, Dim]
    """Width and height."""


def form_of(spec: TensorSpec, path: Path) -> ImageForm:
    """How the input has its images: the channels are the axis of 1, 3 or 4, the last one first looked at.

    Raises `DataMismatchError` where it takes none.
    """
    dims = spec.shape[1:]
    if spec.dtype not in (DType.BYTES, DType.BOOL, DType.INT8):
        if len(dims) == 3 and dims[2] in MODES:
            return ImageForm(int(dims[2]), False, True, (dims[1], dims[0]))
        if len(dims) == 3 and dims[0] in MODES:
            return ImageForm(int(dims[0]), True, True, (dims[2], dims[1]))
        if len(dims) == 2:
            return ImageForm(1, False, False, (dims[1], dims[0]))
    raise DataMismatchError(
        f"{path} is a folder of images; input {spec.name!r} of the model takes {spec}, expected an image: uint8 "
        "or float, [rows, height, width, channels] or [rows, channels, height, width] with 1, 3 or 4 channels.",
        hint='Save the rows as the model takes them: numpy.savez("data.npz", x=..., y=...).',
    )


def check_pixels(spec: TensorSpec, form: ImageForm, reading: Reading, path: Path) -> None:
    """Raises `DataMismatchError` where `--pixels` is missing or does not fit, `UsageError` for no range."""
    pixels = reading.pixels
    if pixels is not None and pixels not in PIXELS:
        raise UsageError(f"--pixels {pixels} is no range of pixels.", hint=f"Ranges: {', '.join(PIXELS)}.")
    if spec.dtype.is_float and pixels is None:
        raise DataMismatchError(
            f"The images in {path} are bytes; input {spec.name!r} of the model takes {spec.dtype.numpy}, and "
            "nothing says in which range.",
            hint="Say it: --pixels 0..1 (or 0..255, -1..1, imagenet). " + FIT_TRAINING,
        )
    if not spec.dtype.is_float and pixels not in (None, "0..255"):
        raise DataMismatchError(
            f"Input {spec.name!r} of the model takes {spec.dtype.numpy}: the bytes of the images in {path} as "
            f"they are, not {pixels}.",
            hint="Leave out --pixels.",
        )
    if pixels == "imagenet" and form.channels != 3:
        raise DataMismatchError(
            f"--pixels imagenet is for three channels; input {spec.name!r} of the model has {form.channels}, and "
            f"gets the images in {path}.",
            hint="Give --pixels 0..1 or another range.",
        )


def scale(pixels: Array, how: str | None) -> Array:
    """Bytes `[..., channels]` as float32 in the range `how`, one of `Pixels`."""
    values = pixels.astype(np.float32)
    if how == "0..1":
        return values / np.float32(255)
    if how == "-1..1":
        return values / np.float32(127.5) - np.float32(1)
    if how == "imagenet":
        scaled: Array = (values / np.float32(255) - _IMAGENET_MEAN) / _IMAGENET_SPREAD
        return scaled
    return values
