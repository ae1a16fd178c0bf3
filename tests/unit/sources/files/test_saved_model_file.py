"""SavedModels of TensorFlow 1 and 2: signatures, operators, files, and what they would do when they run."""

import json
import shutil

import pytest

import tensorflow_files
from shipway.errors import SourceDamagedError, SourceUnsupportedError, UsageError
from shipway.sources.files.saved_model_file import choose_signature, looks_like_saved_model, read_saved_model

pytestmark = pytest.mark.framework


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tensorflow_files.build(tmp_path_factory)


def spelled(specs):
    return {spec.name: str(spec) for spec in specs}


def test_what_keras_exports(models):
    outline = read_saved_model(models / "convolutional")
    signature = choose_signature(outline)
    assert signature.name == "serving_default"
    assert spelled(signature.inputs) == {"image": "FP32[batch, 8, 8, 3]"}
    assert spelled(signature.outputs) == {"output_0": "FP32[batch, 5]"}
    assert signature.tensors["inputs/image"] == "serving_default_image:0"
    assert outline.tags == ("serve",)
    assert outline.tensorflow_version[0] == "2"
    assert outline.has_objects
    assert outline.variables_bytes > 4 * (3 * 3 * 3 * 16 + 576 * 32)
    assert outline.dangerous == ()


def test_operators_are_those_that_tensorflow_reads(models):
    expected = json.loads((models / "operators.json").read_text())
    assert len(expected) > 15
    for name, counts in expected.items():
        assert read_saved_model(models / name).op_counts == counts, name


def test_every_element_type_and_free_axes_are_named_by_their_first_owner(models):
    outline = read_saved_model(models / "typed")
    expected = {
        "count": "INT64[batch]",
        "half": "FP16[batch, 2]",
        "mask": "BOOL[batch, mask_1]",
        "pixels": "UINT8[batch, mask_1, 7]",
        "scalar": "FP32[]",
        "wide": "FP64[batch, 3]",
    }
    assert spelled(outline.signatures["types"].inputs) == expected
    assert spelled(outline.signatures["types"].outputs) == expected


def test_several_signatures_and_none_by_default(models):
    outline = read_saved_model(models / "typed")
    assert list(outline.signatures) == ["double", "ranks", "spectrum", "types"]
    with pytest.raises(UsageError, match="4 signatures") as caught:
        choose_signature(outline)
    assert "double, ranks, spectrum, types" in caught.value.message
    assert "--signature NAME" in caught.value.hint
    with pytest.raises(UsageError, match="no signature 'other'"):
        choose_signature(outline, "other")
    assert choose_signature(outline, "double").inputs[0].name == "x"


@pytest.mark.parametrize(("name", "says"), [("spectrum", "complex64"), ("ranks", "number of dimensions")])
def test_a_signature_that_cannot_be_served_is_listed_and_refused(models, name, says):
    outline = read_saved_model(models / "typed")
    with pytest.raises(SourceUnsupportedError, match=says) as caught:
        choose_signature(outline, name)
    assert "double, types" in caught.value.hint


def test_version_1_with_an_asset_and_serialized_examples(models):
    outline = read_saved_model(models / "version_1")
    assert not outline.has_objects
    assert outline.tags == ("serve",)  # beside a graph tagged "train"
    assert outline.assets == ("words.txt",)
    assert outline.signatures["classify"].method == "tensorflow/serving/classify"
    assert spelled(outline.signatures["classify"].inputs) == {"inputs": "BYTES[batch]"}
    assert spelled(outline.signatures["predict"].inputs) == {"row": "FP32[batch, 4]"}
    assert outline.dangerous == ()


@pytest.mark.parametrize("name", ["vocabulary", "counting", "recurrent", "prints", "typed"])
def test_usual_models_are_not_called_dangerous(models, name):
    """Their savers write and read files, and a table is filled from an asset; nothing else reaches outside."""
    outline = read_saved_model(models / name)
    assert "SaveV2" in outline.op_counts
    assert outline.dangerous == ()


def test_a_vocabulary_of_the_models_own(models):
    outline = read_saved_model(models / "vocabulary")
    assert outline.assets == ("words.txt",)
    assert spelled(choose_signature(outline).inputs) == {"text": "BYTES[batch]"}


@pytest.mark.parametrize(
    ("name", "op", "when"),
    [
        ("writes", "WriteFile", "serving_default"),
        ("reads", "ReadFile", "serving_default"),
        ("calls_python", "PyFunc", "serving_default"),
        ("prints_to_a_file", "PrintV2", "serving_default"),
        ("lists_files", "MatchingFiles", "serving_default"),
        ("reads_records", "TextLineDataset", "serving_default"),
        ("writes_behind_a_plain_signature", "WriteFile", "serving_default"),
        ("starts_by_writing", "WriteFile", ""),
        ("version_1_writes_at_start", "WriteFile", ""),
        ("version_1_writes_at_restore", "WriteFile", ""),
        ("version_1_foreign_words", "InitializeTableFromTextFileV2", ""),
        ("vocabulary_elsewhere", "Const", ""),
    ],
)
def test_what_acts_on_the_outside_is_named(models, name, op, when):
    outline = read_saved_model(models / name)
    found = [one for one in outline.dangerous if one.op == op]
    assert found
    assert {one.when for one in found} == {when}
    assert found[0] in outline.dangers("serving_default")
    assert op in str(found[0])
    assert (when or "loading the model") in str(found[0])


def test_a_danger_belongs_to_its_signature_alone(models):
    outline = read_saved_model(models / "writes")
    assert outline.dangers("serving_default")
    assert outline.dangers("another") == ()


def test_recognized_by_content(models, tmp_path):
    assert looks_like_saved_model(models / "typed")
    assert not looks_like_saved_model(models)
    assert not looks_like_saved_model(models / "fp32.tflite")
    assert not looks_like_saved_model(tmp_path / "missing")


@pytest.mark.parametrize("missing", ["variables.index", "variables.data-00000-of-00001"])
def test_variables_left_behind(models, tmp_path, missing):
    folder = shutil.copytree(models / "convolutional", tmp_path / "copy")
    (folder / "variables" / missing).unlink()
    with pytest.raises(SourceDamagedError, match="variables"):
        read_saved_model(folder)


def test_an_asset_left_behind(models, tmp_path):
    folder = shutil.copytree(models / "vocabulary", tmp_path / "copy")
    (folder / "assets" / "words.txt").unlink()
    with pytest.raises(SourceDamagedError, match=r"assets/words\.txt"):
        read_saved_model(folder)


def test_another_form_of_the_graph_is_told_apart(models, tmp_path):
    folder = shutil.copytree(models / "convolutional", tmp_path / "copy")
    (folder / "saved_model.pb").rename(folder / "saved_model.pbtxt")
    assert looks_like_saved_model(folder)
    with pytest.raises(SourceUnsupportedError, match=r"saved_model\.pbtxt"):
        read_saved_model(folder)
