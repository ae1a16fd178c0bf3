"""`shipway.evaluate` on bundles and on live addresses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import shipway
from odd_server import DOUBLING, Request, doubled, http, metadata, odd_server, tensor, v2
from shipway.errors import DataMismatchError, EndpointAnswerError, LabelError, UsageError
from shipway.targets.local import start_server

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/result.schema.json").read_text())


@pytest.fixture(scope="module")
def bundle(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "digits.bundle"
    shipway.export(model, path)
    return path


def test_a_bundle_and_its_endpoint_are_equally_good(bundle: Path, data: Path, watcher) -> None:
    here = shipway.evaluate(bundle, data, observer=watcher)
    assert watcher.stages() == ["evaluate"]
    with start_server([bundle]) as server:
        there = shipway.evaluate(server.url, str(data))
        named = shipway.evaluate(f"{server.url}/v2/models/digits", data)
    assert here.metrics == there.metrics == named.metrics
    assert here.metrics["accuracy"].value > 0.85
    assert here.bundle is not None
    assert there.bundle is None
    assert there.details["evaluation"] == here.details["evaluation"]
    assert here.details["data"]["rows"] == 100
    for outcome in (here, there):
        assert outcome.result == "PASS"
        jsonschema.validate(json.loads(json.dumps(outcome.to_json(), allow_nan=False)), SCHEMA)


def test_labels_that_count_otherwise_are_told(bundle: Path, data: Path, tmp_path: Path) -> None:
    with np.load(data) as stored:
        np.savez(tmp_path / "shifted.npz", x=stored["x"], y=(stored["y"] + 1) % 10)
    outcome = shipway.evaluate(bundle, tmp_path / "shifted.npz")
    assert outcome.result == "FAIL"
    assert [verdict.rule for verdict in outcome.verdicts] == ["label-fit"]


def test_labels_are_needed(bundle: Path, data: Path, tmp_path: Path) -> None:
    with np.load(data) as stored:
        np.savez(tmp_path / "bare.npz", x=stored["x"])
    with pytest.raises(LabelError):
        shipway.evaluate(bundle, tmp_path / "bare.npz")


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    x = np.random.default_rng(0).normal(size=(50, 2)).astype(np.float32)
    np.savez(tmp_path / "pairs.npz", x=x, y=x.argmax(axis=1))
    return tmp_path / "pairs.npz"


def test_any_v2_server_can_be_evaluated(pairs: Path) -> None:
    with odd_server(v2(doubled)) as odd:
        outcome = shipway.evaluate(odd.url, pairs)
    assert outcome.metrics["accuracy"].value == 1.0


def infer(change: Callable[[np.ndarray], list]) -> Callable[[Request], bytes]:
    return lambda request: http({"outputs": change(2 * request.inputs()["x"])})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda _: [], "'y' is missing"),
        (lambda _: [tensor("z", [1], data=[1.0])], "'y' is missing"),
        (lambda y: [tensor("y", [len(y)], data=y[:, 0].tolist())], "1 dimensions"),
        (lambda y: [tensor("y", list(y[1:].shape), data=y[1:].ravel().tolist())], "rows that were asked"),
        (lambda y: [tensor("y", list(y.shape), "INT64", data=[1] * y.size)], "another dtype"),
    ],
    ids=["nothing", "another name", "another form", "too few rows", "another dtype"],
)
def test_an_answer_that_breaks_its_own_metadata_is_told(pairs: Path, change, says: str) -> None:
    with odd_server(v2(infer(change))) as odd, pytest.raises(EndpointAnswerError, match=says):
        shipway.evaluate(odd.url, pairs)


def test_a_server_with_several_models_needs_a_name(pairs: Path) -> None:
    with (
        odd_server(lambda _: http({"models": {"a": 1, "b": 2}})) as odd,
        pytest.raises(UsageError, match="it has a, b"),
    ):
        shipway.evaluate(odd.url, pairs)


def test_data_for_another_model(data: Path) -> None:
    with odd_server(v2(doubled)) as odd, pytest.raises(DataMismatchError, match=r"does not hold|shape"):
        shipway.evaluate(odd.url, data)


def test_what_does_not_classify(pairs: Path) -> None:
    described = metadata(DOUBLING["inputs"], [tensor("y", [-1, 2, 2])])
    four = infer(lambda y: [tensor("y", [len(y), 2, 2], data=np.repeat(y, 2).tolist())])
    with odd_server(v2(four, described)) as odd, pytest.raises(DataMismatchError, match="classes"):
        shipway.evaluate(odd.url, pairs)


def test_an_address_that_is_none_is_not_asked(pairs: Path) -> None:
    with pytest.raises(UsageError, match="http://HOST:PORT"):
        shipway.evaluate("http://127.0.0.1:99999", pairs)
