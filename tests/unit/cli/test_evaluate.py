"""`shipway evaluate`: what its options do, and what a person reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import helper
from PIL import Image

import shipway
from digit_models import colored_digits, single_output
from served.models import FLOAT
from served.models import model as onnx_model
from shipway.cli.app import run as run_here

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/result.schema.json").read_text())
AGES = np.arange(100) % 70


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`digits.bundle` of images 8 by 8, `heads.bundle` with outputs `main` and `contrary`, and their data."""
    folder = tmp_path_factory.mktemp("evaluate")
    shipway.export(single_output(folder / "digits.onnx"), folder / "digits.bundle")
    x, y = colored_digits(slice(900, 1000))
    np.savez(folder / "d.npz", x=x, y=y, age=AGES, target=(y + 1) % 10)
    made = onnx_model(
        [
            helper.make_node("Softmax", ["x"], ["main"], axis=-1),
            helper.make_node("Neg", ["x"], ["minus"]),
            helper.make_node("Softmax", ["minus"], ["contrary"], axis=-1),
        ],
        [("x", FLOAT, ["batch", 3])],
        [("main", FLOAT, ["batch", 3]), ("contrary", FLOAT, ["batch", 3])],
    )
    onnx.save(made, folder / "heads.onnx")
    shipway.export(folder / "heads.onnx", folder / "heads.bundle")
    rows = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32)
    np.savez(folder / "rows.npz", x=rows, y=np.array(["ape", "bee", "cat"])[rows.argmax(axis=1)])
    return folder


@pytest.fixture
def ask(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """Runs `shipway evaluate … --json`; gives exit code and document."""
    monkeypatch.chdir(folder)

    def ask(*arguments: str) -> tuple[int, dict[str, Any]]:
        code = run_here(["evaluate", *arguments, "--json"])
        document = json.loads(capsys.readouterr().out)
        jsonschema.validate(document, SCHEMA)
        return code, document

    return ask


DIGITS = ("digits.bundle", "--data", "d.npz")


def test_the_label_column_and_the_slices(ask) -> None:
    code, right = ask(*DIGITS, "--slice", "age", "--slice", "age > 60")
    assert code == 0
    names = [found["name"] for found in right["evaluation"]["slices"]]
    assert len(names) == 5
    assert names[-1] == "age > 60"
    code, shifted = ask(*DIGITS, "--label", "target")
    assert (code, shifted["result"]) == (1, "FAIL")


def test_the_task_the_output_and_the_classes(ask) -> None:
    rows = ("heads.bundle", "--data", "rows.npz", "--classes", "ape, bee,cat")
    code, main = ask(*rows, "--output", "main")
    assert (code, main["metrics"]["accuracy"]["value"]) == (0, 1.0)
    assert main["evaluation"]["classes"] == ["ape", "bee", "cat"]
    code, contrary = ask(*rows, "--output", "contrary")
    assert contrary["metrics"]["accuracy"]["value"] == 0.0
    code, refused = ask(*DIGITS, "--task", "multilabel")
    assert (code, refused["error"]["code"]) == (2, "data.labels")


def test_the_part_and_the_rows_left_out(ask, folder: Path) -> None:
    _, gate = ask(*DIGITS, "--part", "gate")
    assert gate["data"]["part"] == "gate"
    assert gate["data"]["rows"] == gate["data"]["parts"]["gate"]["rows"] < 100
    x, y = colored_digits(slice(900, 1000))
    x[4, 0, 0, 0] = np.nan
    y[5] = 10
    np.savez(folder / "bad.npz", x=x, y=y)
    code, refused = ask("digits.bundle", "--data", "bad.npz")
    assert (code, refused["error"]["code"]) == (2, "data.value")
    assert "--drop-bad" in refused["error"]["hint"]
    code, found = ask("digits.bundle", "--data", "bad.npz", "--drop-bad")
    assert (code, found["data"]["rows"], found["data"]["dropped"]["rows"]) == (0, 98, 2)
    code, refused = ask("digits.bundle", "--data", "bad.npz", "--allow-missing")
    assert (code, refused["error"]["code"]) == (2, "data.labels")  # NaN is none any more


def test_a_metric_and_the_python_that_runs_it(ask, folder: Path) -> None:
    (folder / "own.py").write_text("def zeros(labels, outputs):\n    return (labels == 0).mean()\n")
    code, found = ask(*DIGITS, "--metric", "own.py:zeros")
    assert code == 0
    assert 0 < found["metrics"]["zeros"]["value"] < 1
    code, refused = ask(*DIGITS, "--metric", "own.py:zeros", "--python", "no-such-python")
    assert code != 0
    assert "no-such-python" in refused["error"]["message"]


def test_how_images_are_read(ask, folder: Path) -> None:
    """Images of 16 by 16 as they were made larger; bytes are 0..255, the model was trained on 0..1."""
    x, y = colored_digits(slice(900, 960))
    for number, (pixels, digit) in enumerate(zip(x, y, strict=True)):
        place = folder / "images" / str(digit)
        place.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray((255 * pixels).round().astype(np.uint8))
        image.resize((16, 16), Image.Resampling.NEAREST).save(place / f"{number}.png")
    images = ("digits.bundle", "--data", "images", "--pixels", "0..1")
    code, refused = ask(*images)
    assert code == 2
    assert "--resize" in refused["error"]["hint"]
    code, found = ask(*images, "--resize", "box")
    assert (code, found["data"]["rows"]) == (0, 60)
    _, other = ask("digits.bundle", "--data", "images", "--resize", "box", "--pixels", "-1..1")
    assert other["metrics"]["log_loss"]["value"] != found["metrics"]["log_loss"]["value"]
    _, as_rows = ask("digits.bundle", "--data", "d.npz")
    assert found["evaluation"]["classes"] == as_rows["evaluation"]["classes"]


def test_rows_of_the_training_are_told(ask, folder: Path) -> None:
    _, found = ask(*DIGITS, "--train-data", "d.npz")
    assert "leakage" in {one["kind"] for one in found["data"]["findings"]}


def test_looking_at_the_data_alone(ask, folder: Path) -> None:
    code, found = ask(*DIGITS, "--inspect-data")
    assert (code, found["result"]) == (0, "PASS")
    assert "metrics" not in found or found["metrics"] == {}
    assert found["data"]["findings"] == sorted(
        found["data"]["findings"], key=lambda one: ["error", "warning", "note"].index(one["severity"])
    )
    x, y = colored_digits(slice(900, 1000))
    np.savez(folder / "odd.npz", x=x, y=y + 1)
    code, found = ask("digits.bundle", "--data", "odd.npz", "--inspect-data")
    assert (code, found["result"]) == (1, "FAIL")
    assert found["verdicts"][0]["rule"] == "data-soundness"
    assert found["data"]["findings"][0]["kind"] == "label-range"


def test_a_person_reads_the_findings(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(folder)
    x, y = colored_digits(slice(900, 1000))
    x[4] = x[7]
    np.savez(folder / "twice.npz", x=x, y=y)
    assert run_here(["evaluate", "digits.bundle", "--data", "twice.npz", "--inspect-data"]) == 0
    out = capsys.readouterr().out
    assert "warning" in out
    assert "for example rows 4 and 7" in out
    assert "Split by content: calibration" in out
    assert out.rstrip().endswith("PASS")


def test_a_page_is_written_and_named(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.chdir(folder)
    assert run_here(["evaluate", *DIGITS, "--slice", "age > 60", "--report", "out.html"]) == 0
    out = capsys.readouterr().out
    assert "Quality on 100 labelled rows" in out
    assert "age > 60" in out
    assert "Report: out.html" in out
    assert "<html" in (folder / "out.html").read_text(encoding="utf-8")
    assert run_here(["evaluate", *DIGITS, "--report", "none/out.html", "--json"]) == 2
    assert "none" in json.loads(capsys.readouterr().out)["error"]["message"]
