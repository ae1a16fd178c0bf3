"""Whether an input's values lie where the model was trained: 0..255, 0..1, -1..1, standardized, or none of them.

Against the bundle's golden samples where those are real; else only what is odd in itself, as notes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import numpy as np

from shipway.evaluation.data.base import Finding
from shipway.evaluation.inspection.values import WIDE_COLUMNS, Spread
from shipway.evaluation.inspection.wording import figure

Trained = tuple[float, float, float]
"""Low, high and mean of the golden samples' values."""
_Scale = Literal["0..255", "0..1", "-1..1", "standardized", "other"]

_BYTES_FROM: Final = 32.0
"""Pixels that reach no further than this are no bytes: digits of 4 bits end at 16."""
_OVERSHOOT: Final = 0.1
"""Of a scale's width that values may lie outside of it: what bicubic resizing adds at edges."""
_NEGATIVE: Final = -0.5
"""Values on -1..1 reach below this, or they are on no scale that is known."""
_FAR: Final = 20.0
"""How many times the golden samples' largest size a column may reach before its unit is doubted: outliers of real
data are rarely ten times the largest of 256 rows."""
_ENOUGH_ROWS: Final = 10
_STANDARD_SHARE: Final = 0.9
"""Of the columns that must have a mean near 0 and a deviation near 1 to be called standardized."""


def range_findings(
    name: str, spread: Spread, *, trained: Trained | None, is_image: bool, is_integer: bool
) -> Iterator[Finding]:
    """At most one finding on the scale of an input's values."""
    if spread.rows < _ENOUGH_ROWS:
        return
    if trained is None:
        yield from _odd_in_itself(name, spread, is_image=is_image, is_integer=is_integer)
        return
    wrong_scale = _on_another_scale(name, spread, trained, is_image=is_image)
    if wrong_scale is not None:
        yield wrong_scale
    elif not is_integer:  # whole numbers may be of any size: words of a vocabulary
        yield from _far_from(name, spread, trained)


def scale_of(low: float, high: float, mean: float) -> _Scale:
    """The usual scale that values of this range are on."""
    if low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT:
        return "0..1"
    if low >= -255 * _OVERSHOOT and _BYTES_FROM < high <= 255 * (1 + _OVERSHOOT):
        return "0..255"
    if -1 - _OVERSHOOT <= low < _NEGATIVE and high <= 1 + _OVERSHOOT:
        return "-1..1"
    return "standardized" if low < 0 and abs(mean) < 1 and max(-low, high) < 12 else "other"


_REMEDIES: Final = {
    ("0..255", "0..1"): "Divide by 255: x / 255 (images of a folder: --pixels 0..1).",
    ("0..255", "-1..1"): "Use x / 127.5 - 1 (images of a folder: --pixels=-1..1).",
    ("0..255", "standardized"): "Scale them as in training (images of a folder: --pixels imagenet).",
    ("0..1", "0..255"): "Multiply by 255: x * 255 (images of a folder: --pixels 0..255).",
    ("0..1", "-1..1"): "Use x * 2 - 1 (images of a folder: --pixels=-1..1).",
    ("-1..1", "0..1"): "Use (x + 1) / 2 (images of a folder: --pixels 0..1).",
    ("-1..1", "0..255"): "Use (x + 1) * 127.5 (images of a folder: --pixels 0..255).",
}
"""By the scale that is there and the one of training."""
_AS_TRAINED: Final = (
    "Prepare the values as for training; or put that step into the model, and export it again."
)


def _on_another_scale(name: str, spread: Spread, trained: Trained, *, is_image: bool) -> Finding | None:
    found, expected = scale_of(spread.low, spread.high, spread.mean), scale_of(*trained)
    if is_image and (found, expected) in _REMEDIES:
        return _range(name, "error", spread, trained, f"on the scale {found}", _REMEDIES[found, expected])
    is_wide = len(spread.column_means) >= WIDE_COLUMNS
    if is_wide and {found, expected} == {"0..1", "0..255"}:  # pixels side by side, or columns not yet scaled
        return _range(name, "error", spread, trained, f"on the scale {found}", _AS_TRAINED)
    low, high, _ = trained
    if not is_image and _looks_standardized(spread) and low >= 0 and high > 3:
        return _range(name, "error", spread, trained, "as if standardized, and raw in training", _AS_TRAINED)
    return None


def _far_from(name: str, spread: Spread, trained: Trained) -> Iterator[Finding]:
    low, high, _ = trained
    reach, usual = max(abs(spread.low), abs(spread.high)), max(abs(low), abs(high))
    if usual > 0 and reach > _FAR * usual:
        yield _range(name, "warning", spread, trained, "far outside of them", _AS_TRAINED)
    elif reach > 0 and usual > _FAR * reach:
        yield _range(name, "warning", spread, trained, "in a small part of them", _AS_TRAINED)


def _odd_in_itself(name: str, spread: Spread, *, is_image: bool, is_integer: bool) -> Iterator[Finding]:
    if not is_image or is_integer or scale_of(spread.low, spread.high, spread.mean) != "0..255":
        return
    yield _range(
        name,
        "note",
        spread,
        None,
        "pixels as bytes hold them",
        "Right if the model scales them itself; if it was trained on 0..1, divide by 255.",
    )


def _looks_standardized(spread: Spread) -> bool:
    varying = spread.column_deviations > 0
    if not varying.any() or spread.low >= 0:
        return False
    means, deviations = spread.column_means[varying], spread.column_deviations[varying]
    near = (np.abs(means) < 0.3) & (np.abs(deviations - 1) < 0.4)
    return bool(near.mean() >= _STANDARD_SHARE)


def _range(
    name: str,
    severity: Literal["error", "warning", "note"],
    spread: Spread,
    trained: Trained | None,
    what: str,
    remedy: str,
) -> Finding:
    golden = (
        ""
        if trained is None
        else f"; golden samples run from {figure(trained[0])} to {figure(trained[1])} (mean {figure(trained[2])})"
    )
    return Finding(
        "range",
        severity,
        name,
        count=spread.rows,
        of=spread.rows,
        examples=(),
        words=f"Values of {name} run from {figure(spread.low)} to {figure(spread.high)} (mean "
        f"{figure(spread.mean)}), {what}{golden}.",
        remedy=remedy,
    )
