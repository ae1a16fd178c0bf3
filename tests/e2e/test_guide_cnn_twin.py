"""Takes the guide CNN's twin, the same layers at 32×32, through the whole line.

The full size takes minutes: `make example-guide-cnn`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from shipway.bundle.store import open_bundle

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "guide_cnn"
SHIPWAY = Path(sys.executable).with_name("shipway")
pytestmark = pytest.mark.framework


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("guide_cnn")
    command = [sys.executable, EXAMPLE / "train.py", folder, "--size", "32", "--epochs", "4"]
    subprocess.run(command, check=True, timeout=300, stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture(scope="module")
def deployed(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [SHIPWAY, "deploy", folder / "guide_cnn.keras", "--data", folder / "test.npz"]
    command += ["--out", folder, "--port", "0", "--once", "--json"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, env=environment)


@pytest.fixture(scope="module")
def document(deployed: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    return json.loads(deployed.stdout)


def test_it_passes(deployed: subprocess.CompletedProcess[str], document: dict[str, Any]) -> None:
    assert deployed.returncode == 0, deployed.stderr[-3000:]
    assert document["result"] == "PASS"


def test_the_document_is_of_the_published_schema(document: dict[str, Any]) -> None:
    schema = (ROOT / "docs" / "reference" / "result.schema.json").read_text(encoding="utf-8")
    jsonschema.validate(document, json.loads(schema))


def test_every_hand_over_has_its_verdict(document: dict[str, Any]) -> None:
    rules = {verdict["rule"] for verdict in document["verdicts"]}
    assert {"numeric-parity", "decision-parity", "label-fit", "signature", "answer-parity"} <= rules
    assert {verdict["result"] for verdict in document["verdicts"]} == {"PASS"}


def test_metrics_have_intervals_and_show_a_model_that_learned(document: dict[str, Any]) -> None:
    metrics = document["metrics"]
    assert {"accuracy", "precision_macro", "recall_macro", "f1_macro", "f1_weighted"} <= metrics.keys()
    accuracy = metrics["accuracy"]
    assert accuracy["low"] < accuracy["value"] < accuracy["high"]
    assert accuracy["low"] > 0.5  # ten classes: guessing gives 0.1


def test_the_endpoint_was_measured(document: dict[str, Any]) -> None:
    assert document["measurements"]


def test_the_bundle_keeps_the_weights_beside_the_graph(folder: Path, document: dict[str, Any]) -> None:
    bundle = open_bundle(folder / "guide_cnn.bundle")
    assert document["bundle"]["id"] == bundle.id
    sizes = {file.path: file.size for file in bundle.variant().files}
    assert sizes[bundle.variant().main] < 100_000
    assert sum(sizes.values()) > 9_000_000  # 2.4 million float32 weights
    [image] = bundle.manifest.signature.inputs
    assert (image.name, image.shape[1:]) == ("image", (32, 32, 3))
