"""The worst rows as a person looks at them: what is an image, on which scale, and what is shown of the rest."""

from __future__ import annotations

import io
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shipway.evaluation.report.contents import Sample
from shipway.evaluation.report.pictures import make_samples
from shipway.types import DType, TensorSpec

ENTRY = {"row": 7, "label": "cat", "decision": "dog", "loss": 2.5, "score": 0.1, "confidence": 0.9}


def samples(**inputs: np.ndarray) -> list[Sample]:
    """Of rows of these inputs, one for each row."""
    return made(inputs)


def made(inputs: Mapping[str, np.ndarray], **told: Any) -> list[Sample]:
    rows = len(next(iter(inputs.values())))
    specs = [
        TensorSpec(
            name, DType.BYTES if array.dtype.kind in "OSU" else DType.of(array.dtype), ("b", *array.shape[1:])
        )
        for name, array in inputs.items()
    ]
    return make_samples([{**ENTRY, "row": 7 + row} for row in range(rows)], inputs, specs, **told)


def pixels(sample: Sample) -> np.ndarray:
    assert sample.kind == "image"
    assert sample.png is not None
    assert sample.png.startswith(b"\x89PNG")
    return np.asarray(Image.open(io.BytesIO(sample.png)))


RANDOM = np.random.default_rng(0)
COLORS = RANDOM.integers(0, 256, (2, 6, 5, 3), dtype=np.uint8)


def test_each_row_has_its_own_picture_and_what_was_made_of_it() -> None:
    found = samples(image=COLORS)
    assert [sample.row for sample in found] == [7, 8]
    for sample, expected in zip(found, COLORS, strict=True):
        np.testing.assert_array_equal(pixels(sample), expected)
        told = (sample.label, sample.decision, sample.loss, sample.score, sample.confidence)
        assert told == ("cat", "dog", 2.5, 0.1, 0.9)
        assert sample.text is None


def test_channels_may_come_first() -> None:
    found = samples(image=np.moveaxis(COLORS, -1, 1))
    np.testing.assert_array_equal(pixels(found[1]), COLORS[1])


@pytest.mark.parametrize(
    ("shape", "mode"),
    [
        ((6, 5, 1), "L"),
        ((1, 6, 5), "L"),
        ((6, 5), "L"),
        ((6, 5, 3), "RGB"),
        ((6, 5, 4), "RGBA"),
        ((4, 6, 5), "RGBA"),
    ],
)
def test_gray_colors_and_opacity(shape: tuple[int, ...], mode: str) -> None:
    array = RANDOM.integers(0, 256, (1, *shape), dtype=np.uint8)
    picture = Image.open(io.BytesIO(samples(x=array)[0].png or b""))
    assert (picture.mode, picture.size) == (mode, (5, 6))


@pytest.mark.parametrize(
    ("scaled", "tolerance"),
    [
        (lambda bytes_: bytes_ / 255, 0),
        (lambda bytes_: bytes_, 0),
        (lambda bytes_: bytes_ / 127.5 - 1, 1),
        (lambda bytes_: (bytes_ / 255 - 0.45) / 0.22, 1),
    ],
    ids=["0..1", "0..255", "-1..1", "mean and spread"],
)
def test_floats_are_shown_on_the_scale_that_they_are_on(scaled: Any, tolerance: int) -> None:
    whole = np.concatenate([COLORS, np.zeros_like(COLORS[:1]), np.full_like(COLORS[:1], 255)])
    found = samples(x=scaled(whole.astype(np.float64)).astype(np.float32))
    for sample, expected in zip(found, whole, strict=True):
        np.testing.assert_allclose(pixels(sample).astype(int), expected, atol=tolerance)


def test_all_rows_share_one_scale_and_odd_values_are_pictures_too() -> None:
    dark, bright = np.zeros((4, 4, 1)), np.full((4, 4, 1), 1.0)
    found = samples(x=np.stack([0.1 + dark, bright, np.full((4, 4, 1), np.nan)]).astype(np.float32))
    assert [int(pixels(sample).max()) for sample in found] == [26, 255, 0]
    flat = samples(x=np.full((1, 4, 4, 1), -3.0, np.float32))
    assert pixels(flat[0]).shape == (4, 4)


def test_wide_images_are_made_smaller() -> None:
    assert pixels(samples(x=np.zeros((1, 1500, 600, 3), np.uint8))[0]).shape[:2] == (512, 205)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((1, 3, 3, 3), np.float32),
        np.zeros((1, 2, 40), np.float32),
        np.zeros((1, 8, 8, 7), np.float32),
        np.zeros((1, 40), np.float32),
        np.zeros((1, 2, 8, 8, 3), np.float32),
    ],
    ids=["too small", "too low", "seven channels", "a row of numbers", "a film"],
)
def test_what_is_no_image_is_told_by_its_values(array: np.ndarray) -> None:
    (sample,) = samples(x=array)
    assert (sample.kind, sample.png) == ("values", None)
    assert sample.text is not None
    assert sample.text.startswith("x[0]: 0\nx[1]: 0\n")


def test_texts_are_shown_as_they_are_and_cut_where_they_are_long() -> None:
    array = np.array([["Schöne Grüße"], ["x" * 5_000], [b"b\xff"]], object)
    found = samples(text=array)
    assert [sample.kind for sample in found] == ["text"] * 3
    assert found[0].text == "Schöne Grüße"
    assert len(found[1].text or "") == 1_000
    assert found[2].text == "b\N{REPLACEMENT CHARACTER}"
    assert samples(text=np.array(["flat"], object))[0].text == "flat"


def test_an_image_goes_before_a_text() -> None:
    (sample,) = samples(text=np.array([["a"]], object), image=COLORS[:1])
    assert sample.kind == "image"


def test_values_of_a_table_go_by_the_names_of_its_columns() -> None:
    inputs = {
        "color": np.array([["red"]], object),
        "place": np.array(["Łódź"], object),
        "x": np.array([[1.5, 20_000_000.0]], np.float32),
        "visits": np.array([3]),
    }
    (sample,) = made(inputs, column_names={"x": ("age", "income")})
    assert sample.text == "color: red\nplace: Łódź\nage: 1.5\nincome: 2e+07\nvisits: 3"


def test_of_many_values_the_first_are_shown() -> None:
    (sample,) = samples(x=np.arange(40, dtype=np.float32)[None])
    lines = (sample.text or "").splitlines()
    assert lines[0] == "x[0]: 0"
    assert lines[-1] == "… 24 more of x"
    assert len(lines) == 17


def test_without_pillow_values_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)  # as if it were not installed
    (sample,) = samples(x=COLORS[:1])
    assert (sample.kind, sample.png) == ("values", None)
    assert (sample.text or "").startswith(f"x[0]: {COLORS[0, 0, 0, 0]}\n")


def test_no_rows_are_no_samples() -> None:
    assert samples(x=np.zeros((0, 8, 8, 3), np.float32)) == []
