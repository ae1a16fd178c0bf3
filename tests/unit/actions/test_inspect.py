"""`shipway.inspect`: what is said of files and bundles, without running either."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest

import shipway
from served import models
from shipway.errors import BundleDigestError, SourceUnrecognizedError

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/result.schema.json").read_text())


def test_a_model_file(model: Path) -> None:
    outcome = shipway.inspect(str(model))
    jsonschema.validate(json.loads(json.dumps(outcome.to_json(), allow_nan=False)), SCHEMA)
    found = outcome.details
    assert outcome.result == "DONE"
    assert (found["kind"], found["format"], found["size"]) == ("source", "onnx", model.stat().st_size)
    assert found["signature"] == {
        "inputs": [{"name": "image", "dtype": "FP32", "shape": ["batch", 8, 8, 3]}],
        "outputs": [{"name": "probs", "dtype": "FP32", "shape": ["batch", 10]}],
    }
    assert found["facts"]["operators"]["Gemm"] == 1
    assert found["facts"]["parameters"] == 192 * 10 + 10 + 3


def test_a_bundle(model: Path, data: Path, tmp_path: Path) -> None:
    made = shipway.export(model, tmp_path / "d.bundle", data=data, name="numbers")
    outcome = shipway.inspect(tmp_path / "d.bundle")
    jsonschema.validate(json.loads(json.dumps(outcome.to_json(), allow_nan=False)), SCHEMA)
    assert outcome.bundle == made.bundle
    found = outcome.details
    assert (found["kind"], found["name"], found["version"]) == ("bundle", "numbers", "1")
    assert [verdict["rule"] for verdict in found["evidence"]["verdicts"]] == [
        verdict.rule for verdict in made.verdicts
    ]
    assert found["provenance"]["source"]["file"] == model.name
    (tmp_path / "d.bundle" / "extra").write_text("x")
    with pytest.raises(BundleDigestError, match="not listed: extra"):
        shipway.inspect(tmp_path / "d.bundle")


def test_a_folder_that_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(SourceUnrecognizedError, match="a folder"):
        shipway.inspect(tmp_path)


def test_nothing_is_run_and_no_runtime_is_loaded(tmp_path: Path) -> None:
    """A graph that no runtime could load is described all the same."""
    made = models.model(
        [onnx.helper.make_node("Mul", ["x", "w"], ["y"])],
        [("x", onnx.TensorProto.FLOAT, ["n", 4])],
        [("y", onnx.TensorProto.FLOAT, ["n", 4])],
        weights=[("w", np.ones(4, np.float32))],
    )
    made.graph.node[0].op_type = "Frobnicate"
    onnx.save(made, tmp_path / "odd.onnx")
    code = (
        "import sys, shipway; outcome = shipway.inspect(sys.argv[1]);"
        "print(outcome.details['facts']['operators']);"
        "assert not {'onnxruntime', 'keras', 'tensorflow', 'torch'} & set(sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "odd.onnx"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.strip() == "{'Frobnicate': 1}"
