"""Starts the process that builds TensorFlow's, LiteRT's and HDF5's files; once, however many suites ask."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

_BUILD = Path(__file__).parent / "tensorflow_models.py"
WRITTEN = Path("/tmp/shipway-test-written-by-a-model")
"""What the hostile models would write when they were loaded or called."""


def build(factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that `tensorflow_models.py` builds; tests must not change it."""
    folder = factory.getbasetemp() / "tensorflow-models"
    if folder.exists():
        return folder
    folder.mkdir()
    environment = {
        **os.environ,
        "KERAS_BACKEND": "tensorflow",
        "KERAS_HOME": str(folder),
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    done = subprocess.run(
        [sys.executable, str(_BUILD), str(folder)],
        cwd=folder,
        env=environment,
        timeout=180,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder
