"""Real Keras models for every suite, built once per run in one child process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # some tests import onnxruntime by themselves, to compare with it

_BUILD = Path(__file__).parent / "keras_models.py"


@pytest.fixture(scope="session")
def keras_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the `.keras` files that `keras_models.py` builds; tests must not change them."""
    folder = tmp_path_factory.mktemp("keras-models")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(folder),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    subprocess.run(
        [sys.executable, str(_BUILD), str(folder)], check=True, cwd=folder, env=environment, timeout=120
    )
    return folder


@pytest.fixture(scope="session")
def tabular_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the files that `tabular_models.py` trains, and their data; tests must not change them."""
    folder = tmp_path_factory.mktemp("tabular-models")
    build = Path(__file__).parent / "tabular_models.py"
    subprocess.run([sys.executable, str(build), str(folder)], check=True, cwd=folder, timeout=120)
    return folder


@pytest.fixture(scope="session")
def torch_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `torch_models.py` saves, and with that file itself, whose functions are factories."""
    folder = tmp_path_factory.mktemp("torch-models")
    build = Path(__file__).parent / "torch_models.py"
    (folder / "net.py").write_bytes(build.read_bytes())
    subprocess.run(
        [sys.executable, "-W", "ignore", str(build), str(folder)],
        check=True,
        cwd=folder,
        env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        timeout=240,
    )
    return folder


@pytest.fixture(scope="session")
def tensorflow_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with what `tensorflow_source_models.py` builds; tests must not change it."""
    folder = tmp_path_factory.mktemp("tensorflow-sources")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(folder),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    build = Path(__file__).parent / "tensorflow_source_models.py"
    subprocess.run(
        [sys.executable, str(build), str(folder)], check=True, cwd=folder, env=environment, timeout=180
    )
    return folder


@pytest.fixture(scope="session")
def litert_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the LiteRT files and SavedModels that `litert_models.py` builds; tests must not change it."""
    folder = tmp_path_factory.mktemp("litert-models")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(folder),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    build = Path(__file__).parent / "litert_models.py"
    subprocess.run(
        [sys.executable, str(build), str(folder)], check=True, cwd=folder, env=environment, timeout=180
    )
    return folder
