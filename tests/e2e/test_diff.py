"""`shipway diff` as a pull request's check uses it: exit code, document, Markdown, and what a person reads."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from digit_models import SHIPWAY, colored_digits, run, single_output

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/reference/result.schema.json").read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`a` and `b` answer alike but for rounding, `worse` has lost a weight; 897 labelled digits."""
    folder = tmp_path_factory.mktemp("diff")
    for name, change in (("a", 0.0), ("b", 1e-4), ("worse", 40.0)):
        single_output(folder / f"{name}.onnx", change=change)
        ran = run("export", folder / f"{name}.onnx", "--out", folder / f"{name}.bundle")
        assert ran.code == 0, ran.text
    x, y = colored_digits(slice(900, 1797))
    np.savez(folder / "test.npz", x=x, y=y, site=np.where(np.arange(len(y)) % 3, "Oslo", "Lima"))
    (folder / "mine.py").write_text(
        "def threes(labels, outputs):\n    return (outputs.argmax(1) == 3).mean()\n"
    )
    return folder


def _said(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SHIPWAY, "diff", *arguments], capture_output=True, text=True, timeout=120, check=False, cwd=cwd
    )


def test_as_good_ends_with_0_and_one_document(folder: Path) -> None:
    ran = run("diff", folder / "a.bundle", folder / "b.bundle", "--data", folder / "test.npz")
    assert ran.code == 0, ran.text
    jsonschema.validate(ran.document, SCHEMA)
    assert ran.document["result"] == "PASS"
    found = ran.document["diff"]
    assert found["decisions"]["flips"] == 0
    assert 0 < found["outputs"][0]["max_difference"] < 1e-3
    assert found["latency"]["low"] <= found["latency"]["ratio"] <= found["latency"]["high"]
    assert ran.document["data"]["rows"] == 897


def test_worse_ends_with_1_and_the_markdown_says_why(folder: Path) -> None:
    done = _said(
        "a.bundle", "worse.bundle", "--data", "test.npz", "--no-latency", "--markdown", "-", cwd=folder
    )
    assert done.returncode == 1
    assert done.stdout.startswith("### ❌ FAIL: worse.bundle\\#onnx-fp32 against a.bundle\\#onnx-fp32\n")
    assert "**FAIL** `quality-non-inferiority`: accuracy fell by" in done.stdout
    assert "FAIL" in done.stderr.splitlines()[-1]


def test_markdown_goes_beside_the_document(folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "diff.md"
    ran = run(
        "diff",
        folder / "a.bundle",
        folder / "b.bundle#onnx-fp32",
        *("--data", folder / "test.npz", "--no-latency", "--markdown", target),
    )
    assert ran.code == 0, ran.text
    assert target.read_text(encoding="utf-8").startswith("### ✅ PASS")


def test_a_person_reads_it_at_80_columns(folder: Path) -> None:
    asked = ("--slice", "site", "--metric", "mine.py:threes", "--output", "probs")
    done = _said("a.bundle", "worse.bundle", "--data", "test.npz", "--no-latency", *asked, cwd=folder)
    tables = [line for line in done.stdout.splitlines() if line.startswith("  ") and " - " not in line]
    assert max(len(line) for line in done.stdout.splitlines() if "│" in line or "─" in line) <= 80
    assert any("accuracy" in line for line in tables)
    assert "that only A gets right" in done.stdout
    for row, mark in (("site == Lima", "differs"), ("threes", "0.")):
        assert any(row in line and mark in line for line in tables), done.stdout
    assert done.stdout.rstrip().endswith("FAIL")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--margin", "1"], "1pt"),
        (["--margin", "0pt"], "0pt"),
        (["--margin", "100%"], "100%"),
        (["--markdown", "-"], "--json"),
        (["--accept", "fail"], "fail"),
    ],
    ids=" ".join,
)
def test_what_cannot_be_meant(folder: Path, arguments: list[str], named: str) -> None:
    ran = run("diff", folder / "a.bundle", folder / "b.bundle", "--data", folder / "test.npz", *arguments)
    assert (ran.code, ran.document["error"]["code"]) == (2, "usage.invalid")
    assert named in ran.document["error"]["message"]
