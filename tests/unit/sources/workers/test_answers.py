"""How a loaded model is asked: rows in batches, requests whole, and what its noise is measured by."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shipway.sources.tensor_files import save_tensors
from shipway.sources.workers.answers import answer, refer
from shipway.sources.workers.loaded import Arrays, Twin
from shipway.sources.workers.wire import TaskError


class Mean:
    """y = x · t, and its mean: a scalar in, a scalar out. Keeps what it was asked."""

    framework = "numpy"

    def __init__(self, *, perturbs: bool = False, twin_fails_at: int = 99) -> None:
        self.perturbs = perturbs
        self.asked: list[Arrays] = []
        self.asked_twin = 0
        self.twin_fails_at = twin_fails_at
        self.input_specs = [
            {"name": "x", "dtype": "float32", "shape": ["n", 2]},
            {"name": "t", "dtype": "float32", "shape": []},
        ]
        self.output_specs = [
            {"name": "y", "dtype": "float32", "shape": ["n", 2]},
            {"name": "m", "dtype": "float32", "shape": []},
        ]

    def predict(self, arrays: Arrays) -> Arrays:
        self.asked.append(arrays)
        y = arrays["x"] * arrays["t"]
        return {"y": y, "m": y.mean()}

    def twin(self) -> Twin | None:
        def predict(arrays: Arrays) -> Arrays:
            self.asked_twin += 1
            if self.asked_twin > self.twin_fails_at:
                raise MemoryError
            y = arrays["x"].astype(np.float64) * arrays["t"]
            return {"y": y, "m": y.mean()}

        return Twin(predict)

    def versions(self) -> dict[str, str]:
        return {}


def requests(folder: Path, count: int) -> dict[str, Any]:
    found = {}
    for number in range(count):
        x = np.random.default_rng(number).normal(size=(50 + number, 2)).astype(np.float32)
        tensors = {"x": x, "t": np.array(number + 1, np.float32)}
        found[f"request-generated-{number:03}"] = save_tensors(folder / f"case-{number}.npz", tensors)
    return found


def test_a_request_is_asked_whole_and_its_scalar_answer_kept(tmp_path: Path) -> None:
    model = Mean()
    files = answer(model, requests(tmp_path, 3), tmp_path)["outputs"]
    assert [len(asked["x"]) for asked in model.asked] == [50, 51, 52]  # a batch of rows would be cut at 32
    with np.load(files["request-generated-002"]) as stored:
        assert stored["0"].shape == (52, 2)
        assert stored["1"].shape == ()
        assert stored["1"] == pytest.approx(stored["0"].mean())


@pytest.mark.parametrize("perturbs", [False, True])
def test_the_first_requests_are_asked_again_and_in_float64(tmp_path: Path, perturbs: bool) -> None:
    model = Mean(perturbs=perturbs)
    files = refer(model, requests(tmp_path, 10), tmp_path)
    assert len(files["outputs"]) == 10
    assert list(files["repeated"]) == list(files["outputs"])[:8]
    assert list(files["precise"]) == list(files["outputs"])[:4]
    for case in files["repeated"]:
        with np.load(files["outputs"][case]) as first, np.load(files["repeated"][case]) as again:
            assert np.array_equal(first["0"], again["0"]) == (not perturbs)
            np.testing.assert_allclose(first["0"], again["0"], rtol=1e-6)
    with np.load(files["precise"]["request-generated-001"]) as precise:
        assert precise["1"].dtype == np.float64


def test_float64_answers_that_came_before_a_failure_stand(tmp_path: Path) -> None:
    files = refer(Mean(twin_fails_at=2), requests(tmp_path, 6), tmp_path)
    assert len(files["precise"]) == 2


def test_rows_of_such_a_model_are_refused_as_before(tmp_path: Path) -> None:
    """Cases in rows are for models that have them; the parent asks again when it learns better."""
    model = Mean()
    model.input_specs = model.input_specs[:1]
    model.predict = lambda arrays: {"y": arrays["x"], "m": arrays["x"].mean()}  # type: ignore[method-assign]
    case = save_tensors(tmp_path / "case.npz", {"x": np.ones((5, 2), np.float32)})
    with pytest.raises(TaskError, match=r"Asked 5 rows, output 'm' has the shape \[\]"):
        answer(model, {"real": case}, tmp_path)
