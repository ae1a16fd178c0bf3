"""A real trained model of each family goes the whole line: converted, verified, served, and asked again.

`check` inside of `deploy` asks the live endpoint every labelled row, and judges its answers by the model's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shipway import deploy, export
from shipway.actions.observer import Silent
from shipway.sources.base import Hints
from shipway.types import DType, TensorSpec

pytestmark = pytest.mark.framework


@dataclass(frozen=True)
class Family:
    """Where the fixture's folder has the file and its labelled data, and what accuracy a sound model reaches."""

    fixture: str
    model: str
    data: str
    accuracy: float
    hints: Hints = field(default_factory=Hints)
    weights: str = ""


FAMILIES = {
    "Keras 2 h5": Family("tensorflow_sources", "digits.h5", "digits.npz", 0.8),
    "SavedModel": Family("tensorflow_sources", "digits", "digits.npz", 0.8),
    "module and safetensors": Family(
        "torch_models", "net.py:digits", "digits.npz", 0.85, weights="digits.safetensors"
    ),
    "LiteRT": Family("litert_models", "digits.tflite", "digits.npz", 0.85),
    "scikit-learn": Family("tabular_models", "logistic.skops", "logistic.npz", 0.9),
    "scikit-learn trees": Family("tabular_models", "forest.skops", "forest.npz", 0.85),
    "scikit-learn strings and numbers": Family("tabular_models", "mixed.skops", "mixed.npz", 0.6),
    "XGBoost": Family("tabular_models", "xgb-multi.json", "xgb-multi.npz", 0.85),
    "LightGBM": Family("tabular_models", "lgbm-multi.txt", "lgbm-multi.npz", 0.85),
}


@pytest.fixture(autouse=True)
def quick_speed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Speed is measured for a moment only: its figures are no business of these tests."""
    monkeypatch.setattr("shipway.actions.check._SPEED_SECONDS", 0.15)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_trained_model_is_deployed(name: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    family = FAMILIES[name]
    folder: Path = request.getfixturevalue(family.fixture)
    hints = Hints(weights=folder / family.weights) if family.weights else family.hints
    with deploy(folder / family.model, folder / family.data, out=tmp_path, port=0, hints=hints) as deployed:
        outcome = deployed.outcome
        assert outcome.result == "PASS", [f"{v.rule}: {v.result}: {v.reason}" for v in outcome.verdicts]
        assert deployed.url is not None
        rules = [verdict.rule for verdict in outcome.verdicts]
        assert {"numeric-parity", "signature", "answer-parity", "label-fit"} <= set(rules)
        assert outcome.metrics["accuracy"].value is not None
        assert outcome.metrics["accuracy"].value >= family.accuracy


def test_an_encoder_that_refuses_what_it_was_not_trained_on_is_judged_on_the_data_alone(
    tabular_models: Path, tmp_path: Path
) -> None:
    told: list[str] = []

    class Listener(Silent):
        def note(self, text: str) -> None:
            told.append(text)

    data = tabular_models / "by-place.npz"
    found = export(tabular_models / "by-place.skops", tmp_path / "b.bundle", data=data, observer=Listener())
    assert found.result == "PASS"
    assert any("refuses values that are not in the data" in text for text in told)


def test_a_torchserve_archive_goes_on_as_its_model_file(torch_models: Path, tmp_path: Path) -> None:
    hints = Hints(inputs=(TensorSpec("input", DType.FP32, ("batch", 3, 12, 12)),))
    found = export(torch_models / "script.mar", tmp_path / "m.bundle", hints=hints)
    assert found.result == "PASS"
