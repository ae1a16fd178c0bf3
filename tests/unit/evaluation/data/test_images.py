"""Folders of images by class: the numbers are the files' own, in the order and range that the input takes."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from shipway.errors import DataEmptyError, DataFormatError, DataMismatchError, DataNotFoundError, UsageError
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.images import open_images
from shipway.types import DType, TensorSpec

RGB = TensorSpec("image", DType.UINT8, ("batch", 6, 8, 3))
GRAY = TensorSpec("image", DType.UINT8, ("batch", 6, 8, 1))


def pixels(seed=0, shape=(6, 8, 3)):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def write(folder, name, image, **options):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(path, **options)
    return path


def read(reader, *, rows=4096, names=None):
    names = tuple(reader.columns) if names is None else names
    blocks = list(reader.blocks(names, {}, rows=rows))
    arrays = {name: np.concatenate([block.arrays[name] for block in blocks]) for name in names}
    return arrays, [problem for block in blocks for problem in block.problems]


def only(folder, spec=RGB, **reading):
    """The first image as the input takes it."""
    arrays, problems = read(open_images(folder, spec, Reading(**reading)))
    assert problems == []
    return arrays[spec.name][0]


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "animals"
    for seed, name in enumerate(["dog/1.png", "cat/b.png", "cat/a.PNG", "cat/deep/er/c.bmp"]):
        write(path, name, pixels(seed))
    return path


@pytest.mark.parametrize("rows", [1, 3, 100])
def test_classes_in_sorted_order_are_the_indices_and_files_are_sorted(folder, rows):
    write(folder, ".hidden/x.png", pixels())
    write(folder, "cat/.hidden.png", pixels())
    reader = open_images(folder, RGB, Reading())
    assert reader.class_names == ("cat", "dog")
    assert reader.label_names == ("labels",)
    assert {column.rows for column in reader.columns.values()} == {4}
    arrays, problems = read(reader, rows=rows)
    assert problems == []
    assert arrays["file"].tolist() == ["cat/a.PNG", "cat/b.png", "cat/deep/er/c.bmp", "dog/1.png"]
    assert arrays["labels"].tolist() == [0, 0, 0, 1]
    assert arrays["labels"].dtype == np.int64
    assert np.array_equal(arrays["image"], [pixels(2), pixels(1), pixels(3), pixels(0)])
    assert reader.sizes == {(8, 6): 4}
    assert reader.modes == {"RGB": 4}


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "webp", "tiff", "tif", "jpg", "jpeg"])
def test_each_format_is_decoded_as_pillow_does(tmp_path, suffix):
    path = write(tmp_path, f"a/1.{suffix}", pixels(), **({"lossless": True} if suffix == "webp" else {}))
    with Image.open(path) as image:
        expected = np.asarray(image.convert("RGB"))
    assert np.array_equal(only(tmp_path), expected)
    if suffix not in ("jpg", "jpeg", "gif"):
        assert np.array_equal(expected, pixels())


LAYOUTS = {
    "channels last": (("batch", 6, 8, 3), (6, 8, 3), pixels()),
    "channels first": (("batch", 3, 6, 8), (3, 6, 8), np.moveaxis(pixels(), -1, 0)),
    "free sizes": (("batch", 3, "h", "w"), (3, 6, 8), np.moveaxis(pixels(), -1, 0)),
    "one free size": (("batch", "h", 8, 3), (6, 8, 3), pixels()),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_channels_lie_where_the_input_has_them(tmp_path, layout):
    shape, row_shape, expected = LAYOUTS[layout]
    write(tmp_path, "a/1.png", pixels())
    spec = TensorSpec("image", DType.UINT8, shape)
    assert open_images(tmp_path, spec, Reading()).columns["image"].row_shape == row_shape
    assert np.array_equal(only(tmp_path, spec), expected)


@pytest.mark.parametrize("shape", [(6, 8), (6, 8, 1), (1, 6, 8)])
def test_gray_inputs_get_gray_with_the_axis_that_they_have(tmp_path, shape):
    gray = pixels(shape=(6, 8))
    write(tmp_path, "a/1.png", gray)
    found = only(tmp_path, TensorSpec("x", DType.UINT8, ("batch", *shape)))
    assert np.array_equal(found, gray.reshape(shape))


RANGES = {
    "0..255": lambda x: x,
    "0..1": lambda x: x / 255,
    "-1..1": lambda x: x / 127.5 - 1,
    "imagenet": lambda x: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
}


@pytest.mark.parametrize("how", RANGES)
@pytest.mark.parametrize("dtype", [DType.FP32, DType.FP16, DType.FP64])
@pytest.mark.parametrize("is_first", [False, True])
def test_floats_are_scaled_as_the_user_says(tmp_path, how, dtype, is_first):
    write(tmp_path, "a/1.png", pixels())
    spec = TensorSpec("image", dtype, ("batch", 3, 6, 8) if is_first else ("batch", 6, 8, 3))
    found = only(tmp_path, spec, pixels=how)
    assert found.dtype == dtype.numpy
    expected = RANGES[how](pixels().astype(np.float64))
    near = 2e-3 if dtype is DType.FP16 else 1e-6
    assert np.allclose(found, np.moveaxis(expected, -1, 0) if is_first else expected, atol=near, rtol=near)


@pytest.mark.parametrize(
    ("spec", "reading", "hint"),
    [
        (TensorSpec("image", DType.FP32, ("batch", 6, 8, 3)), {}, "--pixels 0..1"),
        (RGB, {"pixels": "0..1"}, "Leave out --pixels"),
        (TensorSpec("x", DType.FP32, ("batch", 6, 8, 1)), {"pixels": "imagenet"}, "--pixels 0..1"),
        (TensorSpec("x", DType.FP32, ("batch", 48)), {"pixels": "0..1"}, "savez"),
        (TensorSpec("x", DType.FP32, ("batch", 6, 8, 2)), {"pixels": "0..1"}, "savez"),
        (TensorSpec("x", DType.BYTES, ("batch",)), {}, "savez"),
        (TensorSpec("x", DType.INT8, ("batch", 6, 8, 3)), {}, "savez"),
    ],
)
def test_inputs_that_images_do_not_fit_are_told_with_the_way_out(folder, spec, reading, hint):
    with pytest.raises(DataMismatchError) as caught:
        open_images(folder, spec, Reading(**reading))
    assert str(folder) in caught.value.message
    assert repr(spec.name) in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize("reading", [{"resize": "cubic"}, {"pixels": "0-1"}])
def test_unknown_settings_are_told_with_the_known_ones(folder, reading):
    with pytest.raises(UsageError) as caught:
        open_images(folder, RGB, Reading(**reading))
    assert "bilinear" in caught.value.hint or "-1..1" in caught.value.hint


def test_images_of_another_size_are_refused_with_the_flag_that_resizes(folder):
    with pytest.raises(DataMismatchError, match=r"8 × 6 \(width × height\)") as caught:
        open_images(folder, TensorSpec("image", DType.UINT8, ("batch", 32, 16, 3)), Reading())
    assert "16 × 32" in caught.value.message
    assert "--resize bilinear" in caught.value.hint
    assert "training" in caught.value.hint


@pytest.mark.parametrize("shape", [("batch", 6, 8, 3), ("batch", "h", "w", 3)])
def test_a_few_of_another_size_are_problems_of_their_rows(folder, shape):
    write(folder, "cat/z.png", pixels(shape=(5, 8, 3)))
    reader = open_images(folder, TensorSpec("image", DType.UINT8, shape), Reading())
    arrays, problems = read(reader)
    assert [(problem.row, problem.column, problem.kind) for problem in problems] == [
        (2, "image", "image-size")
    ]
    assert problems[0].words == "cat/z.png is 8 × 5, not 8 × 6 (width × height)"
    assert not arrays["image"][2].any()
    assert np.array_equal(arrays["image"][4], pixels(0))


def test_a_model_of_free_size_needs_images_of_one_size(tmp_path):
    for size in range(4, 9):
        write(tmp_path, f"a/{size}.png", pixels(shape=(size, size, 3)))
    with pytest.raises(DataMismatchError, match="different sizes") as caught:
        open_images(tmp_path, TensorSpec("image", DType.UINT8, ("batch", "h", "w", 3)), Reading())
    assert "one size" in caught.value.hint


@pytest.mark.parametrize("name", ["nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"])
def test_resizing_is_pillows_and_noted(tmp_path, name):
    write(tmp_path, "a/1.png", pixels(shape=(30, 20, 3)))
    reader = open_images(tmp_path, RGB, Reading(resize=name))
    for _ in range(2):  # a second pass counts nothing twice
        arrays, problems = read(reader)
    expected = Image.fromarray(pixels(shape=(30, 20, 3))).resize(
        (8, 6), getattr(Image.Resampling, name.upper())
    )
    assert problems == []
    assert np.array_equal(arrays["image"][0], np.asarray(expected))
    assert reader.notes[0].startswith("1 image was made 8 × 6")
    assert name in reader.notes[0]
    assert reader.sizes == {(20, 30): 1}


def saved_modes():
    rgba = np.dstack([pixels(), pixels(1, (6, 8))])
    return {
        "gray": (Image.fromarray(pixels(shape=(6, 8))), "png", "L"),
        "gray and transparent": (Image.fromarray(pixels(shape=(6, 8, 2)), "LA"), "png", "LA (transparency"),
        "transparent": (Image.fromarray(rgba), "png", "RGBA (transparency"),
        "palette": (Image.fromarray(pixels()).quantize(16), "png", "P (a palette)"),
        "one bit": (Image.fromarray(pixels(shape=(6, 8))).convert("1"), "png", "1"),
        "print colors": (Image.fromarray(pixels()).convert("CMYK"), "jpg", "CMYK"),
        "float": (Image.fromarray(pixels(shape=(6, 8)).astype(np.float32)), "tiff", None),
    }


@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
@pytest.mark.parametrize(
    "kind", ["gray", "gray and transparent", "transparent", "palette", "one bit", "print colors"]
)
def test_other_colors_are_converted_with_a_note(tmp_path, kind):
    image, suffix, words = saved_modes()[kind]
    path = write(tmp_path, f"a/1.{suffix}", image)
    reader = open_images(tmp_path, RGB, Reading())
    arrays, problems = read(reader)
    assert problems == []
    with Image.open(path) as saved:
        assert np.array_equal(arrays["image"][0], np.asarray(saved.convert("RGB")))
    assert f"1 image was converted from {words}" in reader.notes[0]
    assert reader.notes[0].endswith("to RGB")


@pytest.mark.filterwarnings("ignore:'mode' parameter:DeprecationWarning")
def test_float_images_are_problems(tmp_path):
    write(tmp_path, "a/1.tiff", saved_modes()["float"][0])
    _, problems = read(open_images(tmp_path, GRAY, Reading()))
    assert [(problem.kind, problem.row) for problem in problems] == [("image-mode", 0)]


def test_sixteen_bits_keep_their_upper_eight(tmp_path):
    values = np.random.default_rng(0).integers(0, 65536, (6, 8)).astype(np.uint16)
    write(tmp_path, "a/1.png", values)
    reader = open_images(tmp_path, GRAY, Reading())
    arrays, _ = read(reader)
    assert np.array_equal(arrays["image"][0, ..., 0], values >> 8)
    assert "upper eight" in reader.notes[0]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_images_are_turned_upright_by_their_exif_orientation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = pixels() if orientation < 5 else pixels(shape=(8, 6, 3))
    write(tmp_path, "a/1.png", stored, exif=exif)
    turned = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.swapaxes(0, 1),
        6: np.rot90(stored, -1),
        7: np.rot90(stored, 2).swapaxes(0, 1),
        8: np.rot90(stored),
    }[orientation]
    reader = open_images(tmp_path, RGB, Reading())
    arrays, problems = read(reader)
    assert problems == []
    assert np.array_equal(arrays["image"][0], turned)
    assert any("EXIF" in note for note in reader.notes) == (orientation > 1)


def test_the_first_frame_of_an_animation_is_taken_with_a_note(tmp_path):
    frames = [Image.fromarray(np.full((6, 8), value, np.uint8)) for value in (10, 200)]
    write(tmp_path, "a/1.gif", frames[0], save_all=True, append_images=frames[1:])
    reader = open_images(tmp_path, GRAY, Reading())
    arrays, _ = read(reader)
    assert (arrays["image"] == 10).all()
    assert any("first frame" in note for note in reader.notes)


def test_unreadable_images_are_problems_that_name_the_file(folder):
    good = (folder / "dog" / "1.png").read_bytes()
    (folder / "dog" / "2.png").write_bytes(good[: len(good) // 2])
    (folder / "dog" / "3.jpg").write_bytes(b"no image")
    (folder / "dog" / "4.png").write_bytes(b"")
    arrays, problems = read(open_images(folder, RGB, Reading()), rows=2)
    assert [(problem.row, problem.kind) for problem in problems] == [(row, "unreadable") for row in (4, 5, 6)]
    assert [problem.words.split()[0] for problem in problems] == ["dog/2.png", "dog/3.jpg", "dog/4.png"]
    assert len(arrays["image"]) == 7
    assert not arrays["image"][4:].any()


def test_labels_and_files_are_given_without_opening_an_image(folder):
    (folder / "dog" / "2.png").write_bytes(b"no image")
    arrays, problems = read(open_images(folder, RGB, Reading()), names=("labels", "file"))
    assert arrays["labels"].tolist() == [0, 0, 0, 1, 1]
    assert problems == []


def test_classes_without_an_image_and_other_files_are_noted(folder):
    (folder / "bird").mkdir()
    (folder / "cat" / "Thumbs.db").write_bytes(b"x")
    reader = open_images(folder, RGB, Reading())
    assert reader.class_names == ("bird", "cat", "dog")
    assert "class 'bird' (index 0) has no image" in reader.notes
    assert any("cat/Thumbs.db" in note for note in reader.notes)


@pytest.mark.parametrize("names", [("labels",), ("file",)])
def test_an_input_may_have_the_name_of_another_column(folder, names):
    reader = open_images(folder, TensorSpec(names[0], DType.UINT8, ("batch", 6, 8, 3)), Reading())
    assert len(reader.columns) == 3
    assert read(reader)[0][names[0]].shape == (4, 6, 8, 3)


def test_the_digest_speaks_of_names_and_bytes(folder):
    first = open_images(folder, RGB, Reading()).sha256()
    assert first == open_images(folder, GRAY, Reading()).sha256()
    (folder / "dog" / "1.png").rename(folder / "dog" / "2.png")
    second = open_images(folder, RGB, Reading()).sha256()
    write(folder, "dog/2.png", pixels(9))
    assert len({first, second, open_images(folder, RGB, Reading()).sha256()}) == 3


def test_a_folder_of_parts_is_told_from_classes(tmp_path):
    for name in ("train/cat/1.png", "test/dog/1.png"):
        write(tmp_path, name, pixels())
    with pytest.raises(DataFormatError, match="parts") as caught:
        open_images(tmp_path, RGB, Reading())
    assert f"--data {tmp_path / 'test'}" in caught.value.hint


def test_images_without_a_class_and_folders_without_images_are_refused(tmp_path):
    with pytest.raises(DataNotFoundError):
        open_images(tmp_path / "none", RGB, Reading())
    with pytest.raises(DataEmptyError, match="no folder"):
        open_images(tmp_path, RGB, Reading())
    (tmp_path / "cat").mkdir()
    with pytest.raises(DataEmptyError, match="cat") as caught:
        open_images(tmp_path, RGB, Reading())
    assert "FOLDER/CLASS" in caught.value.hint
    write(tmp_path, "1.png", pixels())
    with pytest.raises(DataFormatError, match="outside of a class: 1"):
        open_images(tmp_path, RGB, Reading())


def test_links_out_of_the_folder_are_refused_and_links_inside_are_files(folder, tmp_path):
    (folder / "dog" / "inside.png").symlink_to(folder / "cat" / "b.png")
    assert len(read(open_images(folder, RGB, Reading()))[0]["image"]) == 5
    secret = write(tmp_path, "elsewhere.png", pixels())
    link = folder / "dog" / "outside.png"
    link.symlink_to(secret)
    with pytest.raises(DataFormatError, match="dog/outside"):
        open_images(folder, RGB, Reading())
    link.unlink()
    link.symlink_to(folder)
    with pytest.raises(DataFormatError, match="dog/outside"):
        open_images(folder, RGB, Reading())
    link.unlink()
    (folder / "mouse").symlink_to(tmp_path)
    with pytest.raises(DataFormatError, match="mouse"):
        open_images(folder, RGB, Reading())


def test_what_is_no_file_is_no_image(folder):
    os.mkfifo(folder / "dog" / "pipe.png")  # opening it would wait for ever
    assert len(read(open_images(folder, RGB, Reading()))[0]["image"]) == 4


def test_a_decompression_bomb_is_a_problem_before_it_takes_memory(folder):
    stream = io.BytesIO()
    Image.new("1", (20_000, 10_000)).save(stream, "PNG")
    (folder / "dog" / "bomb.png").write_bytes(stream.getvalue())
    _, problems = read(open_images(folder, RGB, Reading(resize="nearest")))
    assert [(problem.row, problem.kind) for problem in problems] == [(4, "unreadable")]
    assert "decompression bomb" in problems[0].words
