"""KServe's own client, from the SDK that its users have, against our server.

The SDK pins packages that frameworks here need in other versions, so it has an environment of its own, made
once and kept in `.cache`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest

from served import bundles, models, process, zoo

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "tests" / "kserve_asking.py"
VERSION = "0.21.0"
X = np.array([[0.5, -1, 2, 0.25], [1, 2, 3, 4]], np.float32)
EXPECTED = bundles.reference(models.mlp(), {"x": X})["y"]


@pytest.fixture(scope="session")
def kserve_python() -> Path:
    folder = ROOT / ".cache" / f"kserve-{VERSION}-{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if not (folder / "complete").exists():
        venv.create(folder, with_pip=False, symlinks=True, clear=True)
        subprocess.run(
            [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", f"kserve=={VERSION}"],
            check=True,
            timeout=300,
            capture_output=True,
        )
        (folder / "complete").touch()
    return python


@pytest.fixture(scope="module")
def found(kserve_python, tmp_path_factory):
    with process.serving(*zoo.write(tmp_path_factory.mktemp("zoo"), "mlp", "text", "fp16")) as server:
        done = subprocess.run(
            [kserve_python, "-W", "ignore", SCRIPT, server.report["url"]],
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_health(found):
    """kserve#3820: health bodies on which servers of the protocol disagree; this client reads them."""
    assert [found[name] for name in ("live", "ready", "model")] == [True, True, True]
    assert found["none"] in (404, False)


@pytest.mark.parametrize("form", ["json", "binary", "in", "out"])
def test_inference(found, form):
    assert found[form]["id"] == form
    np.testing.assert_allclose(found[form]["y"], EXPECTED, rtol=1e-4, atol=1e-7)


def test_text_and_half_precision(found):
    assert found["text"] == ["é", "b"]
    assert found["fp16"] == [[0.5, -2]]


def test_its_error_has_our_words(found):
    assert found["error"]["status"] == 400
    assert "axis 1 is 3, not 4" in found["error"]["text"]
