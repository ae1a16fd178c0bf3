"""`shipway.doctor`: what is there, what is missing, and a line that installs it."""

from __future__ import annotations

import json
import shlex
import sys
from importlib.metadata import version

import pytest

import shipway
from shipway.actions.doctor import _look, install_line
from shipway.errors import UsageError
from shipway.needs import Need, Needs


def test_every_part_is_looked_at() -> None:
    outcome = shipway.doctor()
    assert outcome.result == "DONE"
    json.dumps(outcome.to_json(), allow_nan=False)
    parts = {item["name"]: item for item in outcome.details["parts"]}
    assert {"keras", "onnx", "onnxruntime", "local"} <= set(parts)
    assert {item["kind"] for item in parts.values()} == {"source", "runtime", "target"}
    runtime = parts["onnxruntime"]
    assert runtime["is_ready"]
    assert runtime["install"] is None
    assert runtime["needs"][0]["installed"] == version(runtime["needs"][0]["package"])
    assert outcome.details["machine"]["cpus"] >= 1


def test_one_part() -> None:
    assert [item["name"] for item in shipway.doctor("onnx").details["parts"]] == ["onnx"]
    with pytest.raises(UsageError, match="'tensorrt'") as caught:
        shipway.doctor("tensorrt")
    assert "onnxruntime" in caught.value.hint


def test_what_is_missing_is_named_with_a_line_for_this_interpreter() -> None:
    needs = Needs("does magic", (Need("numpy", ">=2"), Need("no-such-package-here", ">=1")), extra="magic")
    found = _look("wand", "source", needs)
    assert not found["is_ready"]
    assert [item["installed"] is None for item in found["needs"]] == [False, True]
    assert shlex.split(found["install"]) == [sys.executable, "-m", "pip", "install", "shipway[magic]"]
    assert shlex.split(install_line(Needs("base", ()))) == [sys.executable, "-m", "pip", "install", "shipway"]


def test_another_package_may_serve_as_well() -> None:
    found = _look("r", "runtime", Needs("runs", (Need("onnxruntime-from-mars", ">=1", ("numpy",)),)))
    assert found["is_ready"]
    assert found["needs"][0]["package"] == "numpy"
