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
