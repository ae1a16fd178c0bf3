"""Unchanged Keras models PASS with a hundred samples: never FAIL, never INCONCLUSIVE. 20 nets, minutes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import shipway

SEEDS = range(20)
TRAIN = """
import sys, keras, numpy as np
from pathlib import Path
from sklearn.datasets import load_digits
folder = Path(sys.argv[1])
digits = load_digits()
x, y = (digits.images / 16).astype("float32")[..., None], digits.target
for seed in map(int, sys.argv[2:]):
    keras.utils.set_random_seed(seed)
    order = np.random.default_rng(seed).permutation(len(x))
    train, test = order[:1200], order[1200:1300]
    layers = [keras.Input((8, 8, 1)), keras.layers.Conv2D(16, 3, activation="relu")]
    if seed % 2:
        layers.append(keras.layers.BatchNormalization())
    if seed % 3 == 1:
        layers += [keras.layers.Reshape((6, 96)), keras.layers.LSTM(24)]
    layers += [keras.layers.Flatten(), keras.layers.Dense(10, activation="softmax" if seed % 4 else None)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=not seed % 4)
    model.compile("adam", loss)
    model.fit(x[train], y[train], epochs=1 + seed % 3, verbose=0)
    model.save(folder / f"net-{seed}.keras")
    np.savez(folder / f"net-{seed}.npz", x=x[test], y=y[test])
"""


@pytest.fixture(scope="module")
def nets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nets")
    subprocess.run(
        [sys.executable, "-c", TRAIN, str(folder), *map(str, SEEDS)], check=True, timeout=600, cwd=folder
    )
    return folder


@pytest.mark.heavy
@pytest.mark.framework
@pytest.mark.parametrize("seed", SEEDS)
def test_an_unchanged_net_passes(tmp_path: Path, nets: Path, seed: int) -> None:
    data = nets / f"net-{seed}.npz"
    with np.load(data) as stored:
        assert len(stored["x"]) == 100
    found = shipway.export(nets / f"net-{seed}.keras", tmp_path / "net.bundle", data=data)
    assert found.result == "PASS", [verdict.reason for verdict in found.verdicts]
    # The first way does it: the ladder must not have to save a sound model.
    assert [way["result"] for way in found.details["ways"]] == ["PASS"]
