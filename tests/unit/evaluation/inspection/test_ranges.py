"""Scales: each usual mistake against golden samples is an error with its remedy; the right scale is silent."""

import numpy as np
import pytest

rng = np.random.default_rng(7)
pixels = rng.integers(0, 256, (60, 8, 8, 3)).astype(np.float32)
SCALES = {"0..255": pixels, "0..1": pixels / 255, "-1..1": pixels / 127.5 - 1}
TRAINED = {"0..255": (0.0, 255.0, 120.0), "0..1": (0.0, 1.0, 0.45), "-1..1": (-1.0, 1.0, -0.1)}
MENDED = {
    ("0..255", "0..1"): ("x / 255", lambda x: x / 255),
    ("0..255", "-1..1"): ("x / 127.5 - 1", lambda x: x / 127.5 - 1),
    ("0..1", "0..255"): ("x * 255", lambda x: x * 255),
    ("0..1", "-1..1"): ("x * 2 - 1", lambda x: x * 2 - 1),
    ("-1..1", "0..1"): ("(x + 1) / 2", lambda x: (x + 1) / 2),
    ("-1..1", "0..255"): ("(x + 1) * 127.5", lambda x: (x + 1) * 127.5),
}


@pytest.mark.parametrize("expected", SCALES)
@pytest.mark.parametrize("given", SCALES)
def test_every_wrong_scale_of_images_is_an_error_with_the_way_out(inspect, given, expected):
    found = inspect(SCALES[given].astype(np.float32), trained={"x": TRAINED[expected]})
    if given == expected:
        assert not found
        return
    (finding,) = found
    assert (finding.kind, finding.severity) == ("range", "error")
    assert f"on the scale {given}" in finding.words
    formula, mend = MENDED[given, expected]
    assert formula in finding.remedy
    np.testing.assert_allclose(mend(SCALES[given]), SCALES[expected], atol=1e-4)


def test_dark_images_are_still_on_their_scale(inspect):
    assert not inspect(SCALES["0..1"] * 0.2, trained={"x": TRAINED["0..1"]})
    assert not inspect(SCALES["0..255"] * 0.5, trained={"x": TRAINED["0..255"]})


def test_a_standardized_table_where_raw_was_trained(inspect):
    raw = rng.gamma(4, 10, (200, 5))
    standard = (raw - raw.mean(axis=0)) / raw.std(axis=0)
    (finding,) = inspect(standard, trained={"x": (0.5, 130.0, 40.0)})
    assert finding.severity == "error"
    assert "as if standardized" in finding.words
    assert not inspect(raw, trained={"x": (0.5, 130.0, 40.0)})


def test_another_unit_is_a_warning(inspect):
    table = rng.normal(10, 1, (100, 3))
    for factor in (1_000, 1 / 1_000):
        (finding,) = inspect(table * factor, trained={"x": (7.0, 13.0, 10.0)})
        assert (finding.kind, finding.severity) == ("range", "warning")
        assert "golden samples run from 7 to 13 (mean 10)" in finding.words


def test_without_golden_samples_only_bytes_in_a_float_image_are_noted(inspect):
    (finding,) = inspect(pixels)
    assert (finding.kind, finding.severity) == ("range", "note")
    for values in (
        SCALES["0..1"].astype(np.float32),
        SCALES["-1..1"].astype(np.float32),
        pixels.astype(np.uint8),
    ):
        assert not inspect(values)
    assert not inspect(rng.uniform(0, 200, (50, 6)))  # a table


def test_pixels_in_a_row_are_on_a_scale_too(inspect):
    flat = pixels.reshape(60, -1)
    (finding,) = inspect(flat, trained={"x": TRAINED["0..1"]})
    assert (finding.severity, "on the scale 0..255" in finding.words) == ("error", True)
    assert not inspect(flat / 255, trained={"x": TRAINED["0..1"]})


def test_what_resizing_adds_at_edges_is_no_other_scale(inspect):
    overshot = SCALES["0..1"] * 1.1 - 0.05
    assert not inspect(overshot.astype(np.float32), trained={"x": TRAINED["0..1"]})


def test_bytes_that_were_cut_to_0_and_1_are_found(inspect):
    cut = rng.integers(0, 2, (60, 8, 8, 3)).astype(np.uint8)
    (finding,) = inspect(cut, trained={"x": TRAINED["0..255"]})
    assert finding.severity == "error"


def test_words_of_a_vocabulary_have_no_scale(inspect):
    assert not inspect(rng.integers(0, 500, (60, 20)), trained={"x": (0.0, 30_000.0, 900.0)})
