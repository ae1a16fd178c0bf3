"""A trained classifier, labelled data and a bundle of it, made once for all end-to-end tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from digit_models import colored_digits, run, single_output


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return single_output(tmp_path_factory.mktemp("model") / "digits.onnx")


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "test.npz"
    x, y = colored_digits(slice(900, 1000))
    np.savez(path, x=x, y=y)
    return path


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory, model: Path, data: Path) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "digits.bundle"
    ran = run("export", model, "--data", data, "--out", path)
    assert ran.code == 0, ran.text
    return path
