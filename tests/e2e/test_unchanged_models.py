"""Unchanged models of every family PASS on a hundred rows: never FAIL, never INCONCLUSIVE.

180 here, and the 20 Keras nets of `test_unchanged_keras.py`: 200 runs, some ten minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import shipway

pytestmark = [pytest.mark.heavy, pytest.mark.framework]

_BUILD = Path(__file__).parents[1] / "unchanged_models.py"
_SUFFIXES = {
    "sklearn": (80, ".skops"),
    "xgboost": (25, ".json"),
    "lightgbm": (25, ".txt"),
    "torch": (40, ".pt2"),
    "litert": (10, ".tflite"),
}
_BUILDERS = {"xgboost": "boosting", "lightgbm": "boosting"}
MODELS = [f"{family}-{number}" for family, (count, _) in _SUFFIXES.items() for number in range(count)]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Builder → the folder with its models, made when it is first asked for."""
    return {}


def model_of(name: str, built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    family, _, number = name.partition("-")
    builder = _BUILDERS.get(family, family)
    if builder not in built:
        folder = tmp_path_factory.mktemp(builder)
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
        command = [sys.executable, "-W", "ignore", str(_BUILD), builder, str(folder)]
        subprocess.run(command, check=True, cwd=folder, env=environment, timeout=900)
        built[builder] = folder
    suffix = ".ubj" if family == "xgboost" and int(number) % 2 else _SUFFIXES[family][1]
    return built[builder] / f"{name}{suffix}"


@pytest.mark.parametrize("name", MODELS)
def test_an_unchanged_model_passes(
    name: str, tmp_path: Path, built: dict[str, Path], tmp_path_factory: pytest.TempPathFactory
) -> None:
    model = model_of(name, built, tmp_path_factory)
    found = shipway.export(model, tmp_path / "m.bundle", data=model.with_suffix(".npz"))
    assert found.result == "PASS", [verdict.reason for verdict in found.verdicts]
