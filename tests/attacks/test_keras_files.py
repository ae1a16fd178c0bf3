"""Hostile `.keras` files: no code of theirs runs, nothing is written outside, and the error says why."""

import json
import zipfile
from pathlib import Path

import pytest

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.base import Limits
from shipway.sources.detect import open_source

LIMITS = {"timeout_seconds": 120.0}


def silent(text: str) -> None:
    assert text


def rewrite(source: Path, target: Path, change) -> Path:
    """A copy of a `.keras` file whose configuration went through `change`."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for member in old.namelist():
            data = old.read(member)
            if member == "config.json":
                data = json.dumps(change(json.loads(data))).encode()
            new.writestr(member, data)
    return target


@pytest.mark.framework
def test_a_lambda_hidden_from_our_reading_does_not_run_in_the_child_either(keras_models, tmp_path):
    """Keras itself is the second lock: the layer's name in the configuration is another, its class the same."""
    marker = tmp_path / "marker"

    def hide(config):
        text = json.dumps(config).replace('"class_name": "Lambda"', '"class_name": "keras>Lambda"')
        text = text.replace('"__lambda__"', '"__lambda__ "')
        return json.loads(text)

    path = rewrite(keras_models / "with_lambda.keras", tmp_path / "hidden.keras", hide)
    source = open_source(path, limits=Limits(**LIMITS, scratch=tmp_path))
    assert source.describe().details["needs_trust"] == []
    with pytest.raises((SourceUnsupportedError, SourceDamagedError)):
        source.learn_signature(silent)
    source.close()
    assert not marker.exists()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.framework
@pytest.mark.parametrize(
    ("module", "name"),
    [("os", "system"), ("subprocess", "Popen"), ("keras.utils", "get_file"), ("antigravity", "x")],
)
def test_a_class_from_elsewhere_is_not_imported(keras_models, tmp_path, module, name):
    def change(config):
        for layer in config["config"]["layers"]:
            if layer["class_name"] == "Dense":
                layer.update(module=module, class_name=name, registered_name=name)
        return config

    path = rewrite(keras_models / "cnn.keras", tmp_path / "elsewhere.keras", change)
    source = open_source(path, limits=Limits(**LIMITS, scratch=tmp_path))
    with pytest.raises((SourceUnsupportedError, SourceDamagedError)):
        source.learn_signature(silent)
    source.close()
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_that_leaves_the_archive(keras_models, tmp_path):
    path = rewrite(keras_models / "cnn.keras", tmp_path / "escape.keras", lambda config: config)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("assets/../../../escaped", "x")
    with pytest.raises(SourceDamagedError, match="leaves the archive"):
        open_source(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_configuration_of_gigabytes(keras_models, tmp_path):
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("metadata.json", "{}")
        with archive.open("config.json", "w", force_zip64=True) as file:
            for _ in range(300):
                file.write(b" " * (1 << 20))
        archive.writestr("model.weights.h5", "x")
    with pytest.raises(SourceDamagedError, match="claims"):
        open_source(path)
