"""Shipway where no torch is installed exports a torch model by `--python`, the environment that has it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

import shipway

pytestmark = pytest.mark.framework

FRAMEWORKS = ("torch", "functorch", "onnxscript", "tensorflow", "keras", "tf_keras", "tf2onnx")


@pytest.fixture(scope="module")
def shipway_without_torch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that sees all packages of this one but the frameworks."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    (target,) = folder.glob("lib/python3*/site-packages")
    for found in Path(np.__file__).parents[1].iterdir():
        if not found.name.lower().replace("-", "_").startswith(FRAMEWORKS):
            (target / found.name).symlink_to(found)
    source = Path(shipway.__file__).parents[1]
    (target / "shipway-source.pth").write_text(f"{source}\n")
    return folder / "bin" / "python"


def run(python: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-m", "shipway", *map(str, arguments), "--json"],
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, "PYTHONPATH": ""},
    )


def test_a_torch_model_is_exported_by_the_environment_that_has_torch(
    shipway_without_torch: Path, torch_models: Path, tmp_path: Path
) -> None:
    model, out = torch_models / "cnn.pt2", tmp_path / "cnn.bundle"
    alone = run(shipway_without_torch, "export", model, "--out", out)
    assert alone.returncode == 3, alone.stdout + alone.stderr
    error = json.loads(alone.stdout)["error"]
    assert error["code"] == "environment.missing"
    assert "torch" in error["message"]
    assert not out.exists()

    done = run(shipway_without_torch, "export", model, "--out", out, "--python", sys.executable)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(done.stdout)
    assert document["result"] == "PASS"
    assert (out / "variants" / "onnx-fp32" / "model.onnx").is_file()
