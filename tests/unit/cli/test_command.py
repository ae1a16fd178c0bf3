"""The one door: whatever happens inside a command becomes words, one document and an exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer

from shipway.actions.outcome import Outcome
from shipway.bundle.evidence import Result, Verdict
from shipway.cli.command import run_action
from shipway.cli.reporting import errors_reported, print_document, report
from shipway.cli.terminal import Terminal
from shipway.errors import DiskFullError, PortInUseError, ShipwayError, UsageError

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/result.schema.json").read_text())
INCONCLUSIVE = Verdict("rule", "subject", Result.INCONCLUSIVE, "too few rows", {})


def ended(action, capsys, *, as_json: bool = True) -> tuple[int, dict[str, Any], str]:
    """Runs an action; gives exit code, the document and standard error."""
    with pytest.raises(typer.Exit) as caught:
        run_action(action, lambda outcome, console: console.print(outcome.result), as_json=as_json)
    out, err = capsys.readouterr()
    document = json.loads(out) if as_json else {}
    if as_json:
        jsonschema.validate(document, SCHEMA)
    return caught.value.exit_code, document, err if as_json else out + err


def raising(error: BaseException):
    def action(terminal: Terminal) -> Outcome:
        terminal.begin("export")
        raise error

    return action


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome(), 0),
        (Outcome(verdicts=(INCONCLUSIVE,)), 1),
        (Outcome(verdicts=(INCONCLUSIVE,), accepted=frozenset({Result.INCONCLUSIVE})), 0),
    ],
)
@pytest.mark.parametrize("as_json", [True, False])
def test_an_outcome_is_printed_and_judged(outcome: Outcome, code: int, as_json: bool, capsys) -> None:
    found, document, text = ended(lambda _: outcome, capsys, as_json=as_json)
    assert found == code
    assert outcome.result in (document["result"] if as_json else text)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError("a [red]b[/] c", hint="do [bold]this[/bold] [/x]"), 2),
        (PortInUseError("taken", hint="another"), 3),
    ],
)
def test_an_error_of_ours(error: ShipwayError, code: int, capsys) -> None:
    found, document, text = ended(raising(error), capsys)
    assert found == code
    assert document["error"] == {"code": error.code, "message": error.message, "hint": error.hint}
    assert document["result"] == "FAIL"
    for word in (error.code, error.message, error.hint):  # literally, whatever brackets it holds
        assert word in text
    assert "Traceback" not in text
    found, _, text = ended(raising(error), capsys, as_json=False)
    assert found == code
    assert error.message in text


def test_what_nobody_thought_of_is_a_bug_with_its_traceback(capsys) -> None:
    found, document, text = ended(raising(ZeroDivisionError("a [b] / 0")), capsys)
    assert found == 4
    assert document["error"]["code"] == "internal"
    assert "ZeroDivisionError: a [b] / 0" in document["error"]["message"]
    assert "Traceback (most recent call last)" in text
    assert "in action" in text
    assert "report it" in document["error"]["hint"]


@pytest.mark.parametrize(
    ("error", "code", "named"),
    [
        (OSError(28, "No space left on device"), 3, "No space left"),
        (OSError(13, "Permission denied"), 3, "Permission denied"),
        (OSError(5, "Input/output error"), 4, "Input/output error"),
    ],
)
def test_what_the_operating_system_says_of_the_output(error: OSError, code: int, named: str) -> None:
    """In a process of its own: the door gives up its standard output."""
    program = f"""
        import typer
        from shipway.cli.command import errors_reported
        try:
            with errors_reported(as_json=False):
                raise OSError({error.errno}, {error.strerror!r})
        except typer.Exit as end:
            raise SystemExit(end.exit_code)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == code
    assert named in done.stderr
    assert ("Traceback" in done.stderr) == (code == 4)


@dataclass
class Sent:
    number: signal.Signals
    code: int
    name: str


@pytest.mark.parametrize(
    "sent",
    [Sent(signal.SIGINT, 130, "interrupted"), Sent(signal.SIGTERM, 143, "terminated")],
    ids=lambda s: s.name,
)
def test_a_signal_unwinds_and_is_told_once(sent: Sent, capsys) -> None:
    cleaned: list[str] = []

    def action(terminal: Terminal) -> Outcome:
        terminal.begin("export")
        try:
            signal.raise_signal(sent.number)
        finally:
            signal.raise_signal(sent.number)  # an impatient second one must not break into the cleaning up
            cleaned.append("done")
        raise AssertionError("not reached")

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    found, document, text = ended(action, capsys)
    assert (found, document["error"]["code"]) == (sent.code, sent.name)
    assert cleaned == ["done"]
    assert "Traceback" not in text
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_keyboard_interrupt_from_within_is_the_same(capsys) -> None:
    found, document, _ = ended(raising(KeyboardInterrupt()), capsys)
    assert (found, document["error"]["code"]) == (130, "interrupted")


def test_an_exit_of_the_body_is_kept(capsys) -> None:
    with pytest.raises(typer.Exit) as caught, errors_reported(as_json=True):
        raise typer.Exit(7)
    assert caught.value.exit_code == 7
    assert capsys.readouterr().out == ""


def test_a_report_without_a_hint(capsys) -> None:
    report(False, "some.code", "what [i]happened[/i]", "")
    err = capsys.readouterr().err
    assert "what [i]happened[/i]" in err
    assert "→" not in err


def test_long_messages_are_not_broken(capsys) -> None:
    """A path that is cut into lines cannot be copied."""
    path = "/very/long/" + "x" * 300
    report(False, "some.code", f"No file at {path}.", f"Look at {path}")
    err = capsys.readouterr().err
    assert f"No file at {path}." in err
    assert f"Look at {path}" in err


def in_a_process(program: str, encoding: str) -> bytes:
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        capture_output=True,
        check=True,
        env=environment,
        timeout=60,
    ).stdout


PRINTING = """
    from shipway.cli.command import print_document
    print_document({"path": "na\\u00efve \\u2192 \\udcff", "plain": "x"})
"""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_document_is_json_in_every_encoding(encoding: str) -> None:
    found = json.loads(in_a_process(PRINTING, encoding).decode(encoding))
    assert found == {"path": "naïve → \udcff", "plain": "x"}


def test_a_document_is_readable_where_it_can_be(capsys) -> None:
    print_document({"word": "naïve"})
    assert "naïve" in capsys.readouterr().out


def test_a_document_holds_no_nan() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        print_document({"x": float("nan")})


def test_the_tree_has_the_errors_that_the_door_makes() -> None:
    assert DiskFullError.code == "environment.disk-full"
