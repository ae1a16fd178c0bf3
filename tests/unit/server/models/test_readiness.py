"""Ready means proven: alone, in a batch, on this machine."""

import asyncio
from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto

from served import bundles, models
from shipway.bundle.evidence import Result, Verdict
from shipway.server.models.loading import load
from shipway.server.models.model import State
from shipway.server.models.readiness import rows_per_request
from shipway.server.settings import ServerSettings
from shipway.types import DType, Signature, TensorSpec


def prove(folder, made, golden, *, verdict=bundles.VERDICT, accepted=(), **settings):
    """State and reason after loading."""
    bundle = bundles.write_bundle(folder, made, golden, verdict=verdict, accepted=accepted)

    async def run():
        model = await load(bundle.path, ServerSettings(**settings))
        found = model.state, model.reason
        if model.is_ready:
            await model.close()
        return found

    return asyncio.run(run())


def test_answers_as_trained_is_ready(tmp_path):
    made = models.mlp()
    assert prove(tmp_path, made, bundles.golden_of(made, {"x": bundles.rows(16, 4)})) == (State.READY, "")


@pytest.mark.parametrize(
    ("result", "accepted", "state"),
    [
        (Result.FAIL, [], State.REFUSED),
        (Result.FAIL, ["FAIL", "INCONCLUSIVE"], State.REFUSED),
        (Result.INCONCLUSIVE, [], State.REFUSED),
        (Result.INCONCLUSIVE, ["INCONCLUSIVE"], State.READY),
    ],
)
def test_a_bundle_whose_own_evidence_speaks_against_it_is_refused(tmp_path, result, accepted, state):
    made = models.mlp()
    golden = bundles.golden_of(made, {"x": bundles.rows(16, 4)})
    verdict = Verdict("numeric-parity", "keras → onnx", result, "batch 3 differs")
    found, reason = prove(tmp_path, made, golden, verdict=verdict, accepted=accepted)
    assert found is state
    assert ("batch 3 differs" in reason) == (state is State.REFUSED)


def test_other_outputs_are_refused_with_figures(tmp_path):
    made = models.mlp()
    golden = bundles.golden_of(made, {"x": bundles.rows(16, 4)})
    golden.outputs["y"][1] += 0.01
    state, reason = prove(tmp_path, made, golden)
    assert state is State.REFUSED
    assert "golden samples alone: output 'y' differs" in reason
    assert "sample 1" in reason


def test_other_weights_are_refused(tmp_path):
    golden = bundles.golden_of(models.mlp(), {"x": bundles.rows(16, 4)})
    assert prove(tmp_path, models.mlp(seed=1), golden)[0] is State.REFUSED


def test_a_model_that_is_right_alone_and_wrong_in_a_batch_is_refused(tmp_path):
    """triton#808: some models answer otherwise in company."""
    made, x = models.mixing_rows(), bundles.rows(8, 2)
    alone = np.concatenate([bundles.reference(made, {"x": x[i : i + 1]})["y"] for i in range(8)])
    golden = bundles.golden_of(made, {"x": x}, outputs={"y": alone})
    state, reason = prove(tmp_path, made, golden)
    assert state is State.REFUSED
    assert reason.startswith("golden samples in a batch")


def test_the_same_model_is_right_without_batching(tmp_path):
    made, x = models.mixing_rows(), bundles.rows(8, 2)
    alone = np.concatenate([bundles.reference(made, {"x": x[i : i + 1]})["y"] for i in range(8)])
    golden = bundles.golden_of(made, {"x": x}, outputs={"y": alone})
    assert prove(tmp_path, made, golden, batching=False)[0] is State.READY


def test_no_samples_no_proof(tmp_path):
    state, reason = prove(tmp_path, models.mlp(), None)
    assert state is State.REFUSED
    assert "no golden samples" in reason


def test_samples_that_the_model_cannot_take(tmp_path):
    made = models.mlp()
    golden = bundles.golden_of(made, {"x": bundles.rows(4, 4)})
    wider = bundles.Golden({"x": bundles.rows(4, 5)}, golden.outputs, golden.tolerances, "data")
    state, reason = prove(tmp_path, made, wider)
    assert state is State.REFUSED
    assert "axis 1 is 5" in reason


@pytest.mark.parametrize("count", [6, 7])
def test_a_fixed_batch_is_filled_up(tmp_path, count):
    made, x = models.mlp(batch=2), bundles.rows(count, 4)
    golden = bundles.golden_of(made, {"x": x}, outputs=bundles.reference(models.mlp(), {"x": x}))
    assert prove(tmp_path, made, golden) == (State.READY, "")


def test_strings_are_compared_as_text(tmp_path):
    made = models.identity(TensorProto.STRING)
    values = np.array([["a", "ü"], ["", "long text"]], dtype=object)
    golden = bundles.golden_of(made, {"x": values}, outputs={"y": values})
    assert prove(tmp_path, made, golden) == (State.READY, "")


def test_a_long_set_is_proven_whole(tmp_path):
    """More samples than a batch has rows; the last one is the wrong one."""
    made = models.mlp()
    golden = bundles.golden_of(made, {"x": bundles.rows(100, 4)})
    golden.outputs["y"][99] += 0.1
    assert "sample 99" in prove(tmp_path, made, golden)[1]


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [([("batch", 4)], 1), ([(1, 4)], 1), ([(8, 4)], 8), ([(8, 4), (2, 4)], 1), ([()], 1)],
)
def test_rows_per_request(shapes, expected):
    specs = tuple(TensorSpec(f"x{i}", DType.FP32, shape) for i, shape in enumerate(shapes))
    assert rows_per_request(Signature(specs, specs)) == expected


def requests(**changes):
    """A batch of three beside a scalar, answered with rows and a mean: `[requests, *shape]`."""
    made = models.with_scalars(**changes)
    x, t = bundles.rows(5, 3, 4), np.float32([0.5, 1, 2, 3, 4])
    answers = [bundles.reference(made, {"x": x[n], "temperature": t[n, ...]}) for n in range(5)]
    outputs = {name: np.stack([answer[name] for answer in answers]) for name in answers[0]}
    golden = bundles.golden_of(made, {"x": x, "temperature": t}, outputs=outputs)
    return made, replace(golden, has_rows=False)


def test_requests_without_rows_are_proven_one_by_one(tmp_path):
    assert prove(tmp_path, *requests()) == (State.READY, "")


def test_other_answers_to_requests_are_refused(tmp_path):
    _, golden = requests()
    state, reason = prove(tmp_path, models.with_scalars(seed=1), golden)
    assert state is State.REFUSED
    assert "golden samples alone: output" in reason
    assert "differs from the trained model's" in reason
