"""`shipway.export` as a function: what it tells, what it gives back, and what stands in the bundle afterwards."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import jsonschema
import numpy as np
import onnx
import pytest

import shipway
from digit_models import single_output
from served import models
from shipway.bundle.evidence import Result
from shipway.bundle.files import files_below
from shipway.bundle.store import open_bundle
from shipway.errors import (
    DataMismatchError,
    MissingDependencyError,
    OutputExistsError,
    ShipwayError,
    UsageError,
)

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/result.schema.json").read_text())


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_export_from_beginning_to_end(model: Path, data: Path, tmp_path: Path, watcher) -> None:
    outcome = shipway.export(str(model), str(tmp_path / "d.bundle"), data=str(data), observer=watcher)
    assert watcher.stages() == ["export", "verify", "bundle"]
    assert watcher.all("end") == ["PASS"] * 3
    assert tuple(watcher.verdicts) == outcome.verdicts
    assert [verdict.rule for verdict in outcome.verdicts] == ["numeric-parity", "decision-parity"]
    assert outcome.result == "PASS"
    assert outcome.is_fine
    document = json.loads(json.dumps(outcome.to_json(), allow_nan=False))
    jsonschema.validate(document, SCHEMA)
    assert document["ways"] == [
        {"way": "onnx/as-it-is", "result": "PASS", "line": document["ways"][0]["line"]}
    ]
    assert [path.name for path in tmp_path.iterdir()] == ["d.bundle"]


def test_evidence_is_bound_to_the_files_and_the_data(model: Path, data: Path, tmp_path: Path) -> None:
    outcome = shipway.export(model, tmp_path / "d.bundle", data=data)
    bundle = open_bundle(tmp_path / "d.bundle")
    assert outcome.bundle is not None
    assert (outcome.bundle.id, outcome.bundle.path) == (bundle.id, bundle.path)
    variant = bundle.variant()
    files = {entry.path: sha256(bundle.path / entry.path) for entry in variant.files}
    found = bundle.evidence()
    assert [item.kind for item in found] == ["verdict", "verdict"]
    for item, verdict in zip(found, outcome.verdicts, strict=True):
        assert item.subject == {"variant": "onnx-fp32", "files": files}
        assert item.data == {
            "sha256": sha256(data),
            "rows": 100,
            "origin": "data",
            "parts": item.data["parts"],
        }
        assert sum(part["rows"] for part in item.data["parts"].values()) == 100
        assert item.content == json.loads(json.dumps(verdict.to_json()))
    assert bundle.manifest.provenance["source"] == {
        "format": "onnx",
        "file": model.name,
        "size": model.stat().st_size,
        "sha256": sha256(model),
        "external_data": {},
        "takes_missing": False,
    }
    golden = bundle.golden()
    assert golden is not None
    assert golden.origin == "data"
    rows = np.load(data)["x"]
    assert all(any(np.array_equal(image, row) for row in rows) for image in golden.inputs["image"])


def test_the_bundle_holds_nothing_but_what_it_lists(model: Path, tmp_path: Path) -> None:
    shipway.export(model, tmp_path / "d.bundle")
    path = tmp_path / "d.bundle"
    assert sorted(item.name for item in path.iterdir()) == ["bundle.json", "evidence", "samples", "variants"]
    folders = {folder for name in files_below(path) for folder in (path / name).parents}
    assert {item for item in path.rglob("*") if item.is_dir()} <= folders  # no empty folder is left
    assert path.stat().st_mode & 0o077 == 0o055


def test_without_data_the_verdicts_say_so(model: Path, tmp_path: Path) -> None:
    outcome = shipway.export(model, tmp_path / "d.bundle")
    assert "generated inputs" in outcome.verdicts[0].reason
    bundle = open_bundle(tmp_path / "d.bundle")
    assert bundle.evidence()[0].data is None
    golden = bundle.golden()
    assert golden is not None
    assert golden.origin == "generated"


def test_the_name_is_the_files_stem_made_fit_for_an_address(model: Path, tmp_path: Path) -> None:
    path = tmp_path / "my model (1).onnx"
    path.write_bytes(model.read_bytes())
    shipway.export(path, tmp_path / "d.bundle")
    assert open_bundle(tmp_path / "d.bundle").manifest.name == "my-model-1"


@pytest.mark.parametrize("name", ["", "a b", "a/b", "..", ".hidden", "-x", "é", "a\n", "a?b"])
def test_a_name_that_cannot_stand_in_an_address_is_refused(model: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot stand in an address") as caught:
        shipway.export(model, tmp_path / "d.bundle", name=name)
    assert "--name" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_an_older_bundle_is_replaced(model: Path, data: Path, tmp_path: Path) -> None:
    old = shipway.export(single_output(tmp_path / "old.onnx", seed=1), tmp_path / "d.bundle")
    new = shipway.export(model, tmp_path / "d.bundle", data=data)
    assert old.bundle is not None
    assert new.bundle is not None
    assert old.bundle.id != new.bundle.id == open_bundle(tmp_path / "d.bundle").id
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d.bundle", "old.onnx"]


@pytest.mark.parametrize("kind", ["file", "folder", "link"])
def test_what_is_no_bundle_is_not_replaced(model: Path, tmp_path: Path, kind: str) -> None:
    target = tmp_path / "d.bundle"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.txt").write_text("mine")
    {
        "file": lambda: target.write_text("mine"),
        "folder": lambda: elsewhere.rename(target),
        "link": lambda: target.symlink_to(elsewhere),
    }[kind]()
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    with pytest.raises(OutputExistsError, match=r"d\.bundle"):
        shipway.export(model, target)
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_an_older_bundle_survives_an_export_that_fails(model: Path, tmp_path: Path) -> None:
    shipway.export(model, tmp_path / "d.bundle")
    before = open_bundle(tmp_path / "d.bundle").id
    np.savez(tmp_path / "bad.npz", x=np.zeros((3, 2), np.float32))
    for arguments in ({"data": tmp_path / "bad.npz"}, {"python": tmp_path / "no-python"}):
        with pytest.raises(ShipwayError) as caught:
            shipway.export(model, tmp_path / "d.bundle", **arguments)
        assert isinstance(caught.value, DataMismatchError | MissingDependencyError)
    assert open_bundle(tmp_path / "d.bundle").id == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.npz", "d.bundle"]


def constant(path: Path) -> Path:
    """A model that answers every row alike, so that nothing can be told of it."""
    made = models.model(
        [onnx.helper.make_node("Mul", ["x", "zero"], ["y"])],
        [("x", onnx.TensorProto.FLOAT, ["n", 4])],
        [("y", onnx.TensorProto.FLOAT, ["n", 4])],
        weights=[("zero", np.zeros(1, np.float32))],
    )
    onnx.save(made, path)
    return path


@pytest.mark.parametrize("accept", [(), (Result.INCONCLUSIVE,), ("INCONCLUSIVE",), (Result.FAIL,)])
def test_inconclusive_is_fine_only_for_who_accepts_it(tmp_path: Path, accept: tuple) -> None:
    outcome = shipway.export(constant(tmp_path / "m.onnx"), tmp_path / "m.bundle", accept=accept)
    assert outcome.result == "INCONCLUSIVE"
    assert outcome.is_fine == (Result.INCONCLUSIVE in accept)
    bundle = open_bundle(tmp_path / "m.bundle")  # written whatever the verdict, and carries it
    assert "INCONCLUSIVE" in {item.content["result"] for item in bundle.evidence()}
    assert bundle.manifest.provenance["accepted"] == [str(word) for word in accept]
