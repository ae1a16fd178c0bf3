"""Rows as a person looks at them: images as PNG, texts as they are, other values by name."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import numpy as np

from shipway.bundle.evidence import Json
from shipway.evaluation.report.contents import Sample
from shipway.types import Array, DType, TensorSpec

_CHANNELS = (1, 3, 4)
_LEAST_SIDE = 4
"""Pixels: smaller arrays are no images."""
_MOST_SIDE = 512
_SHOWN_VALUES = 16
_SHOWN_CHARACTERS = 1_000


def make_samples(
    worst: Sequence[Mapping[str, Json]],
    inputs: Mapping[str, Array],
    specs: Sequence[TensorSpec],
    *,
    column_names: Mapping[str, Sequence[str]] | None = None,
) -> list[Sample]:
    """One sample for each entry of the document's `worst`; `inputs` are these rows, `[entries, ...]` by name.

    The first input that is an image is shown, or a text that is the only input, else all values by name
    (`column_names` of inputs that a table's columns were joined to). Images need Pillow; without it their values
    are shown.
    """
    image = next((spec for spec in specs if _is_image(inputs[spec.name])), None)
    is_text = len(specs) == 1 and specs[0].dtype is DType.BYTES and inputs[specs[0].name].ndim <= 2
    pictures = None if image is None else _pictures(inputs[image.name])
    samples = []
    for number, entry in enumerate(worst):
        told = {
            "row": entry["row"],
            "label": entry["label"],
            "decision": entry["decision"],
            "loss": entry["loss"],
            "score": entry.get("score"),
            "confidence": entry.get("confidence"),
        }
        if pictures is not None:
            samples.append(Sample(kind="image", png=pictures[number], **told))
        elif is_text:
            row = inputs[specs[0].name][number : number + 1]
            words = " ".join(_word(item) for item in row.reshape(-1).tolist())
            samples.append(Sample(kind="text", text=words[:_SHOWN_CHARACTERS], **told))
        else:
            values = _values(
                {name: array[number : number + 1] for name, array in inputs.items()}, column_names or {}
            )
            samples.append(Sample(kind="values", text=values, **told))
    return samples


def _is_image(array: Array) -> bool:
    if array.dtype.kind not in "biuf" or array.ndim not in (3, 4):
        return False
    height, width, _ = _sides(array.shape[1:])
    return min(height, width) >= _LEAST_SIDE


def _sides(shape: tuple[int, ...]) -> tuple[int, int, bool]:
    """Height, width, and whether the channels come first."""
    if len(shape) == 2:
        return shape[0], shape[1], False
    if shape[2] in _CHANNELS:
        return shape[0], shape[1], False
    if shape[0] in _CHANNELS:
        return shape[1], shape[2], True
    return 0, 0, False


def _pictures(rows: Array) -> list[bytes] | None:
    """PNG of each, on one scale for all; None without Pillow."""
    try:
        from PIL import Image
    except ImportError:
        return None
    shape = rows.shape[1:]
    is_first = _sides(shape)[2]
    pixels = np.moveaxis(rows, 1, -1) if is_first else rows
    pixels = pixels[..., 0] if pixels.ndim == 4 and pixels.shape[-1] == 1 else pixels
    return [_png(Image, frame) for frame in _to_bytes(pixels)]


def _to_bytes(pixels: Array) -> Array:
    """0..255, from the scale that the values look to be on."""
    if pixels.dtype == np.uint8:
        return pixels
    values = np.nan_to_num(pixels.astype(np.float64))
    low, high = float(values.min(initial=0)), float(values.max(initial=0))
    if low >= 0 and high > 32:
        low, high = 0.0, max(high, 255.0)
    elif low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    span = (high - low) or 1.0
    return np.asarray(np.clip((values - low) / span * 255, 0, 255).round().astype(np.uint8))


def _png(image: object, frame: Array) -> bytes:
    made = image.fromarray(np.ascontiguousarray(frame))  # type: ignore[attr-defined]
    made.thumbnail((_MOST_SIDE, _MOST_SIDE))
    buffer = io.BytesIO()
    made.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def _values(row: Mapping[str, Array], column_names: Mapping[str, Sequence[str]]) -> str:
    """One `name: value` a line; arrays are `[1, ...]`."""
    lines = []
    for name, array in row.items():
        flat = array.reshape(-1)
        names = list(column_names.get(name, ()))
        for place, value in enumerate(flat[:_SHOWN_VALUES].tolist()):
            called = names[place] if place < len(names) else (name if flat.size == 1 else f"{name}[{place}]")
            lines.append(f"{called}: {_word(value)[:_SHOWN_CHARACTERS]}")
        if flat.size > _SHOWN_VALUES:
            lines.append(f"… {flat.size - _SHOWN_VALUES} more of {name}")
    return "\n".join(lines)


def _word(value: object) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return f"{value:.6g}" if isinstance(value, float) else str(value)
