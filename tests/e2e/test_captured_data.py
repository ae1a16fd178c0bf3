"""Requests that a server captured, as data: what is really asked judges the next model, labelled and not."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

import shipway
from served import bundles, models
from served.process import serving
from served.wire import Wire, infer_body
from shipway.bundle.evidence import Result
from shipway.errors import DataFormatError

ROWS = bundles.rows(24, 4, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("captured data")


@pytest.fixture(scope="module")
def served(folder):
    return write(folder, 0, "served")


def write(folder, seed, name):
    """A classifier; another seed, other weights."""
    made = models.mlp(seed=seed)
    return bundles.write_bundle(folder, made, bundles.golden_of(made, {"x": ROWS[:8]}), name=name).path


@pytest.fixture(scope="module")
def captured(served, folder):
    """The only file of a server that was asked 24 rows, in requests of one, two and three."""
    target = folder / "captured"
    environment = {"SHIPWAY_SERVER_CAPTURE_FOLDER": str(target), "SHIPWAY_SERVER_CAPTURE_SHARE": "1"}
    with serving(served, environment=environment) as running:
        with Wire(running.port) as wire:
            first = 0
            for count in [1, 2, 3] * 4:
                body = json.dumps(infer_body("x", ROWS[first : first + count])).encode()
                assert wire.request("POST", "/v2/models/served/infer", body).status == 200
                first += count
        assert running.stop() == 0
    arrays = joined(target)
    path = folder / "asked.npz"
    np.savez(path, **arrays)
    return path


def joined(folder):
    """As the guide does it: how many files there are is a matter of time."""
    files = [np.load(file) for file in sorted(folder.glob("*.npz"))]
    return {name: np.concatenate([arrays[name] for arrays in files]) for name in files[0]}


def test_every_row_is_there_as_it_was_asked(captured):
    assert (np.load(captured)["x"] == ROWS).all()


def test_without_labels_two_models_are_compared_on_it(served, captured, folder):
    outcome = shipway.diff(served, served, data=captured, measure_latency=False)
    assert outcome.is_fine
    assert outcome.details["diff"]["rows"] == len(ROWS)
    other = shipway.diff(served, write(folder, 5, "other"), data=captured, measure_latency=False)
    assert other.result is not Result.PASS


def test_with_labels_quality_is_judged_on_it(served, captured, folder):
    arrays = dict(np.load(captured))
    right = arrays["answered:y"].argmax(axis=1)
    path = folder / "labelled.npz"
    np.savez(path, **arrays, labels=right)
    assert shipway.evaluate(served, path).metrics["accuracy"].value == 1
    done = subprocess.run(
        [sys.executable, "-m", "shipway", "evaluate", served, "--data", path, "--json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    document = json.loads(done.stdout)
    assert document["metrics"]["accuracy"]["value"] == 1
    assert "not used: answered:y" in done.stderr


def test_a_folder_of_them_is_not_taken_for_tables(served, captured):
    """The `.jsonl` beside a file says whose its rows are; nobody should be told to give that."""
    with pytest.raises(DataFormatError) as caught:
        shipway.evaluate(served, captured.parent / "captured")
    assert ".jsonl" not in str(caught.value)
    assert ".npz" in str(caught.value)
