"""Keeps `--json` to its page: one document on standard output, of the published schema, whatever happens."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

SHIPWAY = Path(sys.executable).with_name("shipway")
REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
SCHEMA = json.loads((REFERENCE / "result.schema.json").read_text(encoding="utf-8"))


def run(*arguments: str | Path) -> tuple[int, dict[str, Any], str]:
    done = subprocess.run([SHIPWAY, *arguments], capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, json.loads(done.stdout), done.stderr


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_page_names_every_key_of_the_schema() -> None:
    page = (REFERENCE / "json.md").read_text(encoding="utf-8")
    for key in SCHEMA["properties"]:
        assert f"| `{key}` |" in page


def test_doctor_is_done() -> None:
    code, document, _ = run("doctor", "--json")
    jsonschema.validate(document, SCHEMA)
    assert (code, document["result"]) == (0, "DONE")


@pytest.mark.parametrize(
    ("arguments", "expected", "named"),
    [
        (["inspect", "no-such.keras"], (2, "source.not-found"), "no-such.keras"),
        (["export", "no-such.keras", "--out", "x.bundle"], (2, "source.not-found"), "no-such.keras"),
        (["evaluate", "no-such.bundle", "--data", "d.npz"], (2, "bundle.not-found"), "no-such.bundle"),
        (["serve", "no-such.bundle", "--port", "0"], (2, "bundle.not-found"), "no-such.bundle"),
        (
            ["check", "http://127.0.0.1:9", "--bundle", "no-such.bundle"],
            (2, "bundle.not-found"),
            "no-such.bundle",
        ),
        (
            ["deploy", "no-such.keras", "--data", "d.npz", "--port", "0"],
            (2, "source.not-found"),
            "no-such.keras",
        ),
        (["deploy", "no-such.keras", "--port", "0"], (2, "usage.invalid"), "--data"),
        (["export", "m.keras", "--out", "x", "--accept", "fail"], (2, "usage.invalid"), "fail"),
        (["deplay"], (2, "usage.invalid"), "deplay"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_errors_are_documents_too(
    arguments: list[str],
    expected: tuple[int, str],
    named: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, document, said = run(*arguments, "--json")
    jsonschema.validate(document, SCHEMA)
    assert (code, document["error"]["code"]) == expected
    assert named in document["error"]["message"]
    assert document["error"]["hint"]
    assert named in said  # a person reading the log sees it as well
    assert "Traceback" not in said
    assert list(tmp_path.iterdir()) == []
