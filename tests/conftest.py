"""Real models of every framework for every suite, built once per run, each framework in one child process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from digit_models import single_output

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # some tests import onnxruntime by themselves, to compare with it

_QUIET = {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


def _built(script: str, folder: Path) -> Path:
    """The folder, with what the script beside this file writes into it, in one child process."""
    subprocess.run(
        [sys.executable, "-W", "ignore", str(Path(__file__).with_name(script)), str(folder)],
        check=True,
        cwd=folder,
        env={**os.environ, **_QUIET, "KERAS_HOME": str(folder)},
        timeout=300,
    )
    return folder


@pytest.fixture(scope="session")
def keras_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `.keras` files that `keras_models.py` builds; tests must not change them."""
    return _built("keras_models.py", tmp_path_factory.mktemp("keras-models"))


@pytest.fixture(scope="session")
def tabular_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that `tabular_models.py` trains, and their data; tests must not change them."""
    return _built("tabular_models.py", tmp_path_factory.mktemp("tabular-models"))


@pytest.fixture(scope="session")
def torch_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `torch_models.py` saves, and with that file itself, whose functions are factories."""
    folder = tmp_path_factory.mktemp("torch-models")
    (folder / "net.py").write_bytes(Path(__file__).with_name("torch_models.py").read_bytes())
    return _built("torch_models.py", folder)


@pytest.fixture(scope="session")
def tensorflow_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `tensorflow_source_models.py` builds; tests must not change it."""
    return _built("tensorflow_source_models.py", tmp_path_factory.mktemp("tensorflow-sources"))


@pytest.fixture(scope="session")
def litert_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the LiteRT files and SavedModels that `litert_models.py` builds; tests must not change it."""
    return _built("litert_models.py", tmp_path_factory.mktemp("litert-models"))


@pytest.fixture(scope="session")
def onnx_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `digits.onnx`, a trained classifier of colored digits."""
    return single_output(tmp_path_factory.mktemp("onnx-models") / "digits.onnx").parent


@pytest.fixture(scope="session")
def openvino_models(tmp_path_factory: pytest.TempPathFactory, onnx_models: Path) -> Path:
    """A folder with `digits.xml` and `digits.bin`, as OpenVINO's own converter makes them of `digits.onnx`."""
    folder = tmp_path_factory.mktemp("openvino-models")
    convert = (
        "import sys, openvino as ov; "
        "ov.save_model(ov.convert_model(sys.argv[1]), sys.argv[2], compress_to_fp16=False)"
    )
    files = [str(onnx_models / "digits.onnx"), str(folder / "digits.xml")]
    subprocess.run([sys.executable, "-c", convert, *files], check=True, cwd=folder, timeout=120)
    return folder
