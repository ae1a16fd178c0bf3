"""`shipway.inspect_data`: what is odd about data, told without running a model."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import shipway
from digit_models import colored_digits
from odd_server import doubled, odd_server, v2
from shipway.actions.judging import Judging
from shipway.actions.outcome import Outcome
from shipway.errors import DataMismatchError, DataNotFoundError, UsageError
from shipway.evaluation.data.base import Reading
from shipway.targets.local import start_server

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/result.schema.json").read_text())


@pytest.fixture(scope="module")
def bundle(model: Path, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Exported with real rows, so that it knows the range of the training."""
    path = tmp_path_factory.mktemp("bundle") / "digits.bundle"
    shipway.export(model, path, data=data)
    return path


def looked_at(target: Path | str, path: Path, **told) -> Outcome:
    outcome = shipway.inspect_data(target, path, **told)
    jsonschema.validate(json.loads(json.dumps(outcome.to_json(), allow_nan=False)), SCHEMA)
    assert [verdict.rule for verdict in outcome.verdicts] == ["data-soundness"]
    assert outcome.metrics == {}
    return outcome


def findings(outcome: Outcome) -> dict[str, dict]:
    return {found["kind"]: found for found in outcome.details["data"]["findings"]}


def test_sound_data_passes(bundle: Path, data: Path, watcher) -> None:
    outcome = looked_at(bundle, data, observer=watcher)
    assert outcome.result == "PASS"
    assert watcher.stages() == ["inspect"]
    assert watcher.all("verdict") == ["data-soundness"]
    document = outcome.details["data"]
    assert document["rows"] == sum(part["rows"] for part in document["parts"].values()) == 100
    assert all(found["severity"] != "error" for found in document["findings"])
    assert outcome.bundle is not None


def test_each_fault_is_counted_with_rows_and_a_remedy(bundle: Path, tmp_path: Path) -> None:
    x, y = colored_digits(slice(900, 1000))
    x[3, 0, 0, 0] = np.nan
    x[50] = x[51]
    y[[8, 9]] = [10, -1]
    np.savez(tmp_path / "d.npz", x=x, y=y)
    outcome = looked_at(bundle, tmp_path / "d.npz")
    assert outcome.result == "FAIL"
    found = findings(outcome)
    assert (found["not-finite"]["severity"], found["not-finite"]["count"]) == ("error", 1)
    assert found["not-finite"]["examples"] == ["row 3: NaN or infinity"]
    assert (found["label-range"]["severity"], found["label-range"]["count"]) == ("error", 2)
    assert found["duplicates"]["count"] == 1
    assert all(one["remedy"] and one["words"] for one in found.values())
    assert outcome.details["data"]["dropped"]["rows"] == 1
    assert "2 rows" in outcome.verdicts[0].reason
    severities = [one["severity"] for one in outcome.details["data"]["findings"]]
    assert severities == sorted(severities, key=["error", "warning", "note"].index)


def test_bytes_where_shares_were_trained(bundle: Path, tmp_path: Path) -> None:
    x, y = colored_digits(slice(900, 1000))
    np.savez(tmp_path / "d.npz", x=255 * x, y=y)
    found = findings(looked_at(bundle, tmp_path / "d.npz"))
    assert found["range"]["where"] == "image"
    assert "255" in found["range"]["remedy"]


def test_data_without_labels_is_looked_at_too(bundle: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", x=colored_digits(slice(900, 950))[0])
    outcome = looked_at(bundle, tmp_path / "d.npz")
    assert (outcome.result, outcome.details["data"]["rows"]) == ("PASS", 50)


def test_an_endpoint_may_tell_what_the_model_takes(bundle: Path, data: Path) -> None:
    with start_server([bundle]) as server:
        outcome = looked_at(server.url, data)
    assert (outcome.result, outcome.bundle) == ("PASS", None)


def test_the_model_is_never_asked(tmp_path: Path) -> None:
    np.savez(
        tmp_path / "d.npz", x=np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32), y=[0, 1] * 20
    )

    with odd_server(v2(doubled)) as odd:
        assert looked_at(odd.url, tmp_path / "d.npz").result == "PASS"
    assert odd.requests
    assert not [request.path for request in odd.requests if "infer" in request.path]


def test_names_of_classes_and_the_part_are_the_users(bundle: Path, tmp_path: Path) -> None:
    x, y = colored_digits(slice(900, 1000))
    names = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    labels = np.array(names)[y]
    labels[5] = "ten"
    np.savez(tmp_path / "d.npz", x=x, y=labels)
    outcome = looked_at(bundle, tmp_path / "d.npz", judging=Judging(class_names=names))
    assert "'ten'" in findings(outcome)["label-range"]["words"]
    part = looked_at(
        bundle, tmp_path / "d.npz", judging=Judging(class_names=names), reading=Reading(part="gate")
    )
    assert part.details["data"]["part"] == "gate"
    assert part.details["data"]["rows"] == outcome.details["data"]["parts"]["gate"]["rows"] < 100


def test_a_regression_has_no_classes(bundle: Path, tmp_path: Path) -> None:
    x, _ = colored_digits(slice(900, 1000))
    np.savez(tmp_path / "d.npz", x=x, y=np.linspace(-3, 40, 100))
    found = findings(looked_at(bundle, tmp_path / "d.npz", judging=Judging(task="regression")))
    assert not {"label-range", "absent-class", "class-balance"} & set(found)


def test_rows_of_the_training_are_found(bundle: Path, data: Path, tmp_path: Path) -> None:
    x, y = colored_digits(slice(990, 1100))
    np.savez(tmp_path / "train.npz", x=x, y=y)
    found = findings(looked_at(bundle, data, train_data=tmp_path / "train.npz"))
    assert found["leakage"]["count"] == 10


def test_what_cannot_be_read_is_an_error(bundle: Path, data: Path, tmp_path: Path) -> None:
    with pytest.raises(DataNotFoundError):
        shipway.inspect_data(bundle, tmp_path / "none.npz")
    with pytest.raises(UsageError, match="no task 'ranking'"):
        shipway.inspect_data(bundle, data, judging=Judging(task="ranking"))
    np.savez(tmp_path / "d.npz", x=np.zeros((3, 2), np.float32))
    with pytest.raises(DataMismatchError):
        shipway.inspect_data(bundle, tmp_path / "d.npz")
