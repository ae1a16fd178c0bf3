"""What a person reads of `shipway conformance`."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from shipway.actions.outcome import Outcome
from shipway.bundle.evidence import Result, Verdict
from shipway.cli.conformance import _show


def check(check_id, model, result, level="required", **more):
    values = {
        "reason": "",
        "request": None,
        "answer": None,
        "source": "https://spec",
        "rule": f"Rule of {check_id}.",
    }
    return {"id": check_id, "model": model, "result": result, "level": level, **values, **more}


def shown(*checks) -> str:
    document = {"checks": checks, "summary": {"required": {"PASS": 2, "FAIL": 1}}}
    outcome = Outcome(
        verdicts=(Verdict("conformance", "u", Result.FAIL, "r"),), details={"conformance": document}
    )
    console = Console(width=120, file=StringIO())
    _show(outcome, console)
    return console.file.getvalue()


def test_one_line_stands_for_all_models_and_shows_the_gravest():
    text = shown(
        check("core.infer.id", "a", "PASS"),
        check(
            "core.infer.id",
            "b",
            "FAIL",
            reason="expected 1, found [2]",
            request="POST /v2/models/b/infer HTTP/1.1\nHost: h\n\n{}",
            answer="200\ncontent-type: x\n\n{a}",
        ),
        check("core.infer.id", "c", "SKIPPED", reason="no such thing"),
        check("core.outputs.each", "a", "PASS"),
    )
    lines = [line.rstrip() for line in text.splitlines()]
    at = lines.index("core.infer")
    assert lines[at + 1].split() == ["FAIL", "id", "Rule", "of", "core.infer.id."]
    assert lines[at + 2].strip() == "b: expected 1, found [2]"
    assert lines[at + 3].strip() == "see https://spec"
    assert lines[at + 4].strip() == "asked    POST /v2/models/b/infer HTTP/1.1  {}"
    assert lines[at + 5].strip() == "answered 200  {a}"
    assert "core.outputs" in lines
    assert lines[-1] == "FAIL"


def test_what_was_skipped_says_why():
    text = shown(check("core.infer.id", "a", "SKIPPED", "extension", reason="[not] listed"))
    assert "SKIPPED      id" in text
    assert "extension ([not] listed)" in text
