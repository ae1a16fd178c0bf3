"""Sizes and modes of image files."""

from shipway.evaluation.inspection.pictures import picture_findings


def test_one_size_and_mode_is_silent():
    assert not list(picture_findings({(32, 32): 100}, {"RGB": 100}))
    assert not list(picture_findings({}, {}))


def test_mixed_sizes_are_a_note_and_mixed_modes_a_warning():
    sizes, modes = picture_findings({(32, 32): 90, (64, 48): 8, (8, 8): 2}, {"L": 3, "RGB": 97})
    assert (sizes.severity, sizes.count, sizes.of) == ("note", 10, 100)
    assert sizes.examples == ("32 × 32: 90 images", "64 × 48: 8 images", "8 × 8: 2 images")
    assert "10 of 100 are not 32 × 32" in sizes.words
    assert (modes.severity, modes.examples) == ("warning", ("RGB: 97 images", "L: 3 images"))
