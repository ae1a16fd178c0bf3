"""`shipway.diff` on bundles, variants and live addresses."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import shipway
from digit_models import colored_digits, single_output
from odd_server import DOUBLING, doubled, metadata, odd_server, tensor, v2
from shipway.actions.judging import Judging
from shipway.bundle.evidence import Result
from shipway.bundle.store import open_bundle
from shipway.errors import BundleNotFoundError, DataMismatchError, UsageError
from shipway.targets.local import start_server

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/result.schema.json").read_text())


def _bundle(folder: Path, name: str, **fault) -> Path:
    path = folder / f"{name}.bundle"
    shipway.export(single_output(folder / f"{name}.onnx", **fault), path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bundles")


@pytest.fixture(scope="module")
def old(folder: Path) -> Path:
    return _bundle(folder, "old")


@pytest.fixture(scope="module")
def worse(folder: Path) -> Path:
    """One weight of digit 3 is off by much: every picture that reaches it is a 3."""
    return _bundle(folder, "worse", change=40.0)


@pytest.fixture(scope="module")
def labelled(folder: Path) -> Path:
    x, y = colored_digits(slice(900, 1797))
    np.savez(folder / "labelled.npz", x=x, y=y)
    return folder / "labelled.npz"


@pytest.fixture(scope="module")
def bare(folder: Path) -> Path:
    np.savez(folder / "bare.npz", x=colored_digits(slice(900, 1797))[0])
    return folder / "bare.npz"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latency is measured for a moment only: its figures are no business of these tests."""
    monkeypatch.setattr("shipway.actions.diff._LATENCY_SECONDS", 0.2)


def _rules(outcome: shipway.Outcome) -> dict[str, str]:
    return {verdict.rule: str(verdict.result) for verdict in outcome.verdicts}


def test_a_model_is_no_worse_than_itself(old: Path, labelled: Path, watcher) -> None:
    outcome = shipway.diff(old, f"{old}#onnx-fp32", data=labelled, observer=watcher)
    assert watcher.stages() == ["diff"]
    assert _rules(outcome) == {"signature": "PASS", "label-fit": "PASS", "quality-non-inferiority": "PASS"}
    assert [verdict.rule for verdict in watcher.verdicts] == list(_rules(outcome))
    found = outcome.details["diff"]
    assert found["are_same"] is True
    assert found["differences"] == []
    assert (found["decisions"]["flips"], found["rows"]) == (0, 897)
    assert found["a"] == found["b"]
    assert found["a"]["size_bytes"] == sum(file.stat().st_size for file in old.rglob("*.onnx"))
    assert found["latency"]["ratio"] == outcome.measurements["latency_ratio"]["value"]
    assert outcome.metrics["accuracy"].value == shipway.evaluate(old, labelled).metrics["accuracy"].value
    assert outcome.bundle.path == old
    jsonschema.validate(json.loads(json.dumps(outcome.to_json(), allow_nan=False)), SCHEMA)


def test_few_rows_are_enough_for_the_same_answers_and_for_nothing_else(
    old: Path, worse: Path, folder: Path
) -> None:
    x, y = colored_digits(slice(900, 903))
    np.savez(folder / "three.npz", x=x, y=y)
    same = shipway.diff(old, old, data=folder / "three.npz", measure_latency=False)
    assert same.result == "PASS"
    other = shipway.diff(old, worse, data=folder / "three.npz", measure_latency=False)
    assert _rules(other)["quality-non-inferiority"] == "INCONCLUSIVE"
    assert not other.is_fine
    accepted = shipway.diff(
        old, worse, data=folder / "three.npz", measure_latency=False, accept=[Result.INCONCLUSIVE]
    )
    assert accepted.is_fine


def test_a_worse_model_fails_with_examples(old: Path, worse: Path, labelled: Path) -> None:
    outcome = shipway.diff(old, worse, data=labelled, measure_latency=False)
    assert _rules(outcome)["quality-non-inferiority"] == "FAIL"
    found = outcome.details["diff"]
    examples = found["decisions"]["examples"]
    assert len(examples) == 10
    assert {example["b"] for example in examples} == {"3"}
    labels = colored_digits(slice(900, 1797))[1]
    assert all(str(labels[example["row"]]) == example["label"] for example in examples)
    assert all(0.9 < example["b_confidence"] <= 1 for example in examples)
    accuracy = next(row for row in found["metrics"] if row["metric"] == "accuracy")
    assert accuracy["high"] < 0
    assert any(one["differs"] for one in found["classes"])
    assert found["differences"] == [{"field": "name", "a": "old", "b": "worse"}]
    assert (found["latency"], outcome.measurements) == (None, {})


def test_the_margin_decides(old: Path, worse: Path, labelled: Path) -> None:
    outcome = shipway.diff(old, worse, data=labelled, margin=0.9, measure_latency=False)
    verdict = outcome.verdicts[-1]
    assert (verdict.result, verdict.figures["direction"]) == (Result.PASS, "worse")


def test_an_endpoint_and_its_bundle(old: Path, labelled: Path) -> None:
    with start_server([old]) as server:
        outcome = shipway.diff(old, server.url, data=labelled)
    assert outcome.result == "PASS"
    found = outcome.details["diff"]
    assert found["decisions"]["flips"] == 0
    assert found["b"] == {"called": server.url, "kind": "endpoint", "name": "old", "size_bytes": None}
    assert found["latency"]["ratio"] > 1
    assert any("over HTTP" in note for note in found["notes"])
    assert outcome.bundle is None


def test_without_labels_only_agreement_is_judged(old: Path, worse: Path, bare: Path) -> None:
    same = shipway.diff(old, old, data=bare, measure_latency=False)
    assert _rules(same) == {"signature": "PASS", "decision-parity": "PASS"}
    other = shipway.diff(old, worse, data=bare, measure_latency=False)
    assert _rules(other) == {"signature": "PASS", "decision-parity": "FAIL"}
    assert other.metrics == {}
    assert other.details["diff"]["metrics"] == []


def _answering(columns: int):
    described = metadata(DOUBLING["inputs"], [tensor("y", [-1, columns])])
    return v2(doubled, described) if columns == 2 else v2(lambda _: None, described)


def test_another_number_of_classes_fails_and_asks_nothing(tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=np.zeros((5, 2), np.float32), y=np.zeros(5, np.int64))
    with odd_server(_answering(2)) as two, odd_server(_answering(3)) as three:
        outcome = shipway.diff(two.url, three.url, data=tmp_path / "d.npz")
    assert _rules(outcome) == {"signature": "FAIL"}
    assert "2 along axis 1 in A and 3 in B" in outcome.verdicts[0].reason
    assert outcome.details["diff"]["outputs"] == []
    assert "nothing else was compared" in outcome.details["diff"]["notes"][0]
    jsonschema.validate(json.loads(json.dumps(outcome.to_json(), allow_nan=False)), SCHEMA)


def test_unlike_inputs_fail_whatever_the_data(old: Path, labelled: Path) -> None:
    with odd_server(v2(doubled)) as odd:
        outcome = shipway.diff(old, odd.url, data=labelled)
    assert outcome.result == "FAIL"
    assert "the inputs are called image in A and x in B" in outcome.verdicts[0].reason


def test_what_cannot_be_opened_is_an_error(old: Path, labelled: Path, tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError):
        shipway.diff(old, tmp_path / "none.bundle", data=labelled)
    with pytest.raises(UsageError, match="it has: onnx-fp32"):
        shipway.diff(old, f"{old}#onnx-int8", data=labelled)
    with pytest.raises(UsageError, match="margin"):
        shipway.diff(old, old, data=labelled, margin=1.0)
    with pytest.raises(UsageError, match="no task"):
        shipway.diff(old, old, data=labelled, judging=Judging(task="ranking"))
    np.savez(tmp_path / "odd.npz", x=np.zeros((2, 3), np.float32))
    with pytest.raises(DataMismatchError):
        shipway.diff(old, old, data=tmp_path / "odd.npz")


def test_slices_and_a_metric_of_the_users(old: Path, worse: Path, tmp_path: Path) -> None:
    x, y = colored_digits(slice(900, 1797))
    np.savez(tmp_path / "d.npz", x=x, y=y, digit=y, site=np.where(np.arange(len(y)) % 2, "Oslo", "Lima"))
    (tmp_path / "mine.py").write_text(
        "def threes(labels, outputs):\n    return {'threes': (outputs.argmax(axis=1) == 3).mean()}\n"
    )
    judging = Judging(slices=["site", "digit == 3"], metrics=[f"{tmp_path / 'mine.py'}:threes"])
    outcome = shipway.diff(old, worse, data=tmp_path / "d.npz", judging=judging, measure_latency=False)
    found = outcome.details["diff"]
    slices = {one["name"]: one for one in found["slices"]}
    assert list(slices) == ["site == Lima", "site == Oslo", "digit == 3"]
    for one in slices.values():
        assert one["low"] <= one["difference"] <= one["high"]
        assert one["p_value"] <= one["p_holm"]
    assert all(one["differs"] for one in slices.values())
    assert slices["digit == 3"]["difference"] > 0 > slices["site == Oslo"]["difference"]
    own = found["metrics"][-1]
    assert (own["metric"], own["low"], own["method"]) == ("threes", None, "none")
    assert own["b"] > 0.5 > own["a"]
    assert outcome.metrics["threes"].value == own["b"]
    assert any("has no interval" in note for note in found["notes"])
    jsonschema.validate(json.loads(json.dumps(outcome.to_json(), allow_nan=False)), SCHEMA)


def test_slices_without_labels_are_left_out_and_said_so(old: Path, bare: Path, tmp_path: Path) -> None:
    x = colored_digits(slice(900, 1000))[0]
    np.savez(tmp_path / "d.npz", x=x, site=np.arange(100) % 2)
    judging = Judging(slices=["site"])
    found = shipway.diff(old, old, data=tmp_path / "d.npz", judging=judging, measure_latency=False)
    assert found.details["diff"]["slices"] == []
    assert any("need labels" in note for note in found.details["diff"]["notes"])
    with pytest.raises(UsageError, match="does not read"):
        shipway.diff(old, old, data=bare, judging=Judging(slices=["site =="]))


def test_the_output_to_judge(old: Path, labelled: Path) -> None:
    (name,) = (spec.name for spec in open_bundle(old).manifest.signature.outputs)
    chosen = shipway.diff(old, old, data=labelled, judging=Judging(output=name), measure_latency=False)
    assert chosen.result == "PASS"
    with pytest.raises(UsageError, match="no output 'other'"):
        shipway.diff(old, old, data=labelled, judging=Judging(output="other"), measure_latency=False)


def _scaled(path: Path, factor: float) -> Path:
    """`y = x · scale · factor`: a scalar goes in beside the batch, so a request is asked whole."""
    x, scale, y = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", ["batch", 2]), ("scale", []), ("y", ["batch", 2]))
    )
    nodes = [helper.make_node("Mul", ["x", "scale"], ["s"]), helper.make_node("Mul", ["s", "factor"], ["y"])]
    factors = [numpy_helper.from_array(np.array(factor, np.float32), "factor")]
    graph = helper.make_graph(nodes, "scaled", [x, scale], [y], factors)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    bundle = path.with_suffix(".bundle")
    shipway.export(path, bundle)
    return bundle


def test_models_without_rows_are_compared_by_their_numbers(tmp_path: Path) -> None:
    one, two = _scaled(tmp_path / "one.onnx", 1.0), _scaled(tmp_path / "two.onnx", 1.5)
    x = np.ones((4, 3, 2), np.float32)
    np.savez(tmp_path / "requests.npz", x=x, scale=np.full(4, 2, np.float32))
    outcome = shipway.diff(one, two, data=tmp_path / "requests.npz")
    assert _rules(outcome) == {"signature": "PASS"}
    found = outcome.details["diff"]
    assert (found["outputs"][0]["max_difference"], found["outputs"][0]["rows_differing"]) == (1.0, 4)
    assert found["latency"]["requests"] > 0
    assert "whole requests" in found["notes"][0]
