"""Keras's HDF5 files read with h5py alone: whole models, weights only, layers with code of their own."""

import json

import h5py
import pytest

import tensorflow_files
from shipway.sources.workers import wire
from shipway.sources.workers.frameworks.hdf5_outline import outline


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tensorflow_files.build(tmp_path_factory)


@pytest.mark.framework
def test_a_whole_model_of_keras_2(models):
    found = outline(models / "keras_2.h5")
    assert found["kind"] == "model"
    assert found["keras_version"].startswith("2.")
    assert found["backend"] == "tensorflow"
    assert found["model_config"]["class_name"] == "Sequential"
    hidden = found["model_config"]["config"]["layers"][1]["config"]
    assert hidden["activation"] == "hard_sigmoid"
    assert found["weights_bytes"] == 4 * (6 * 4 + 4 + 4 * 2 + 2)  # the optimizer's do not count
    assert found["has_optimizer"]
    assert found["lambda_layers"] == []
    assert json.loads(json.dumps(found)) == found


@pytest.mark.framework
def test_a_whole_model_of_keras_3(models):
    found = outline(models / "keras_3.h5")
    assert found["kind"] == "model"
    assert found["keras_version"].startswith("3.")
    assert not found["has_optimizer"]


@pytest.mark.framework
def test_weights_of_keras_2_alone(models):
    found = outline(models / "keras_2_weights.h5")
    assert found["kind"] == "weights"
    assert found["model_config"] is None
    assert found["keras_version"].startswith("2.")
    assert [layer["name"] for layer in found["layers"]] == ["hidden", "label"]
    assert found["layers"][0]["weights"][1] == {
        "name": "hidden/hidden/kernel:0",
        "shape": [6, 4],
        "dtype": "float32",
    }


@pytest.mark.framework
def test_weights_of_keras_3_alone(models):
    found = outline(models / "keras_3.weights.h5")
    assert found["kind"] == "weights"
    assert [layer["name"] for layer in found["layers"]] == [
        "layers/conv2d",
        "layers/dense",
        "layers/dense_1",
    ]
    assert found["layers"][1]["weights"][0]["shape"] == [576, 32]


@pytest.mark.framework
def test_a_lambda_is_named(models):
    assert outline(models / "lambda.h5")["lambda_layers"] == ["payload"]


def test_an_hdf5_file_of_something_else(tmp_path):
    path = tmp_path / "other.h5"
    with h5py.File(path, "w") as file:
        file.create_group("empty")
    assert outline(path)["kind"] == "other"


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000])
def test_a_configuration_that_is_none(tmp_path, text):
    path = tmp_path / "model.h5"
    with h5py.File(path, "w") as file:
        file.attrs.create("model_config", text, dtype=h5py.string_dtype())
    with pytest.raises(wire.TaskError, match="JSON") as caught:
        outline(path)
    assert caught.value.code == "source.damaged"


def test_not_hdf5_at_all(tmp_path):
    path = tmp_path / "model.h5"
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(wire.TaskError, match="cut off or damaged"):
        outline(path)
