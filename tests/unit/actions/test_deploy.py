"""`shipway.deploy` as a function: the whole line, and what a line that ends early leaves alone."""

from __future__ import annotations

import json
import socket
import urllib.error
import urllib.request
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import shipway
from digit_models import classifier, single_output
from shipway.bundle.evidence import Result
from shipway.bundle.store import open_bundle
from shipway.errors import LabelError, PortInUseError, UsageError
from shipway.sources.base import Limits

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/result.schema.json").read_text())

pytestmark = pytest.mark.usefixtures("quick_speed")


def is_up(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=10) as answer:
            return answer.status == 200
    except urllib.error.URLError:
        return False


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_whole_line(model: Path, data: Path, tmp_path: Path, watcher) -> None:
    out = tmp_path / "new" / "folder"
    with shipway.deploy(
        model, data, out=out, port=0, observer=watcher, limits=Limits(scratch=tmp_path)
    ) as deployment:
        outcome = deployment.outcome
        url = deployment.url
        assert url is not None
        assert is_up(url)
        assert watcher.stages() == ["export", "verify", "evaluate", "bundle", "serve", "check"]
        assert watcher.all("end") == ["PASS"] * 6
        assert outcome.result == "PASS"
        assert outcome.metrics["accuracy"].value > 0.85
        assert [verdict.rule for verdict in outcome.verdicts][:3] == [
            "numeric-parity",
            "decision-parity",
            "label-fit",
        ]
        # Labels are judged once on the bundle and once on the endpoint; all that was told is given back.
        assert tuple(watcher.verdicts) == outcome.verdicts
        document = json.loads(json.dumps(outcome.to_json(), allow_nan=False))
        jsonschema.validate(document, SCHEMA)
        assert document["url"] == url
        assert document["request"]["curl"].startswith("curl -s http://127.0.0.1")
    assert not is_up(url)
    assert deployment.url is None
    deployment.stop()
    deployment.wait()
    bundle = open_bundle(out / "digits.bundle")
    assert outcome.bundle is not None
    assert bundle.id == outcome.bundle.id
    kinds = [item.kind for item in bundle.evidence()]
    assert kinds == ["verdict", "verdict", "verdict", "metrics"]
    assert bundle.manifest.task == "classification"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new"]
    assert sorted(path.name for path in out.iterdir()) == ["digits.bundle"]


def test_an_error_in_the_body_stops_the_server(model: Path, data: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        shipway.deploy(model, data, out=tmp_path, port=0) as deployment,
    ):
        url = deployment.url
        assert url is not None
        raise ZeroDivisionError
    assert not is_up(url)


@pytest.fixture
def standing(model: Path, data: Path, tmp_path: Path) -> Path:
    """An older, good bundle at the place that a deployment would write to."""
    shipway.export(model, tmp_path / "out" / "digits.bundle", data=data)
    return tmp_path / "out"


@pytest.mark.parametrize("accept", [(), (Result.INCONCLUSIVE,)])
def test_a_failing_verdict_leaves_an_older_bundle_alone(
    model: Path, data: Path, standing: Path, tmp_path: Path, watcher, accept: tuple
) -> None:
    before = contents(standing)
    with np.load(data) as stored:
        np.savez(tmp_path / "shifted.npz", x=stored["x"], y=(stored["y"] + 1) % 10)
    deployment = shipway.deploy(
        model, tmp_path / "shifted.npz", out=standing, port=0, accept=accept, observer=watcher
    )
    assert deployment.outcome.result == "FAIL"
    assert not deployment.outcome.is_fine
    assert deployment.url is None
    assert deployment.outcome.bundle is None
    assert deployment.outcome.metrics
    assert watcher.stages() == ["export", "verify", "evaluate"]
    assert watcher.all("end")[-1] == "FAIL"
    assert contents(standing) == before


def test_a_good_one_takes_its_place(data: Path, standing: Path, tmp_path: Path) -> None:
    before = open_bundle(standing / "digits.bundle").id
    newer = single_output(tmp_path / "digits.onnx", seed=3)
    with shipway.deploy(newer, data, out=standing, port=0) as deployment:
        assert deployment.outcome.bundle is not None
        assert deployment.outcome.bundle.id != before
    assert open_bundle(standing / "digits.bundle").id == deployment.outcome.bundle.id


def test_what_cannot_be_read_as_classes_is_told_and_leaves_nothing(data: Path, tmp_path: Path) -> None:
    two_outputs = classifier(tmp_path / "two.onnx")
    with pytest.raises(UsageError, match="'probs', 'other'"):
        shipway.deploy(two_outputs, data, out=tmp_path / "out", port=0)
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_what_is_wrong_is_told_before_anything_is_asked(
    model: Path, data: Path, tmp_path: Path, watcher
) -> None:
    with np.load(data) as stored:
        np.savez(tmp_path / "bare.npz", x=stored["x"])
    with pytest.raises(LabelError):
        shipway.deploy(model, tmp_path / "bare.npz", out=tmp_path / "out", port=0, observer=watcher)
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(PortInUseError):
        shipway.deploy(model, data, out=tmp_path / "out", port=taken.getsockname()[1], observer=watcher)
    for wrong in ({"name": "a/b"}, {"name": ""}, {"port": 65536}, {"host": "no-such-host.invalid"}):
        with pytest.raises(UsageError):
            shipway.deploy(model, data, out=tmp_path / "out", **{"port": 0, **wrong}, observer=watcher)
    assert watcher.told == []
    assert not (tmp_path / "out").exists()
