"""The one door where errors become words, documents and exit codes.

No rich at the top: it costs 40 ms at every start, and a server that starts well never prints with it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import typer

from shipway.cli.exit_codes import BUG, READER_GONE, TERMINATED, exit_code_of
from shipway.errors import DiskFullError, PermissionDeniedError, ShipwayError
from shipway.os_errors import is_disk_full, is_refused


class _Terminated(KeyboardInterrupt):
    """SIGTERM: unwinds like Ctrl-C, so that everything is cleaned up, and ends with its own code."""


@contextmanager
def errors_reported(*, as_json: bool) -> Iterator[None]:
    """Turns errors of the body into a message, a JSON document when asked, and an exit code."""
    with _signals_unwind():
        try:
            yield
        except typer.Exit:
            raise
        except _Terminated as error:
            report(as_json, "terminated", "Ended by SIGTERM; nothing half-written was left.", "")
            raise typer.Exit(TERMINATED) from error
        except KeyboardInterrupt as error:
            report(as_json, "interrupted", "Interrupted; nothing half-written was left.", "")
            raise typer.Exit(exit_code_of(error)) from error
        except (BrokenPipeError, SystemExit) as error:  # rich turns the first into the second
            _let_go_of_output()
            raise typer.Exit(READER_GONE) from error
        except OSError as error:  # every room translates its own; what arrives here met standard output
            if not (is_disk_full(error) or is_refused(error)):
                _report_bug(error, as_json=as_json)
                raise typer.Exit(BUG) from error
            _let_go_of_output()
            kind = DiskFullError if is_disk_full(error) else PermissionDeniedError
            report(False, kind.code, f"Could not write the result: {error.strerror}.", "Free some space.")
            raise typer.Exit(exit_code_of(kind(""))) from error
        except ShipwayError as error:
            report(as_json, error.code, error.message, error.hint)
            raise typer.Exit(exit_code_of(error)) from error
        except Exception as error:  # the command line's door: whatever arrives here is our own bug
            _report_bug(error, as_json=as_json)
            raise typer.Exit(BUG) from error


def _report_bug(error: Exception, *, as_json: bool) -> None:
    traceback.print_exc()
    message = f"This is a bug in Shipway: {type(error).__name__}: {error}"
    report(as_json, "internal", message, "Please report it with the lines above.")


def _let_go_of_output() -> None:
    """Leads standard output nowhere; else the interpreter's last flush would fail, with a code of its own."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def report(as_json: bool, code: str, message: str, hint: str) -> None:
    """Says on standard error what went wrong, and as a document on standard output when asked."""
    from rich.console import Console  # inside: see the first lines of this file
    from rich.markup import escape

    console = Console(stderr=True)
    console.print(f"[bold red]error[/] [dim]{code}[/]  {escape(message)}", soft_wrap=True, highlight=False)
    if hint:
        console.print(f"  [cyan]→[/] {escape(hint)}", soft_wrap=True, highlight=False)
    if as_json:
        try:
            print_document(failure_document(code, message, hint))
        except OSError:  # said on standard error, and the exit code says it too
            _let_go_of_output()


def failure_document(code: str, message: str, hint: str) -> dict[str, Any]:
    """The document of a command that came to no outcome."""
    return {
        "result": "FAIL",
        "verdicts": [],
        "metrics": {},
        "measurements": {},
        "bundle": None,
        "error": {"code": code, "message": message, "hint": hint},
    }


def print_document(document: dict[str, Any]) -> None:
    """The one document on standard output; nowhere, where there is none. Raises `OSError`."""
    if sys.stdout is None:
        return
    text = json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False)
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:  # another encoding than UTF-8, or a file's name that is no text
        text = json.dumps(document, indent=2, allow_nan=False)
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


@contextmanager
def _signals_unwind() -> Iterator[None]:
    """The first Ctrl-C or SIGTERM unwinds the stack; further ones wait until all is cleaned up."""

    def unwind(number: int, frame: FrameType | None) -> None:
        del frame
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.SIG_IGN)
        raise (KeyboardInterrupt if number == signal.SIGINT else _Terminated)

    before = {each: signal.signal(each, unwind) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
