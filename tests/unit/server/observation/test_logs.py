"""Lines of the log, and how many of them an overload makes."""

import io
import json
import subprocess
import sys

import pytest

from shipway.errors import UsageError
from shipway.server.observation.logs import (
    Gate,
    RequestLog,
    check_settings,
    choose_format,
    spell_json,
    spell_text,
)

FIELDS = {
    "time": 1764000000.25,
    "level": "warning",
    "event": "request",
    "message": "The queue is full.",
    "code": "request.overloaded",
    "ms": {"queue": 1.5},
}


class TerminalText(io.StringIO):
    def isatty(self):
        return True


def test_json_has_every_field_and_the_time_of_rfc_3339():
    assert json.loads(spell_json(FIELDS)) == {**FIELDS, "time": "2025-11-24T16:00:00.250Z"}


def test_a_line_stays_a_line_whatever_a_client_sends():
    assert "\n" not in spell_json({**FIELDS, "target": "/a\nb"})
    assert "\n" not in spell_text({**FIELDS, "target": "/a\nb"})


def test_text_reads_in_order():
    assert spell_text(FIELDS) == (
        "2025-11-24T16:00:00.250Z WARNING request The queue is full. code=request.overloaded ms=queue:1.5"
    )


@pytest.mark.parametrize(
    ("log_format", "stream", "expected"),
    [
        ("auto", io.StringIO(), spell_json),
        ("auto", TerminalText(), spell_text),
        ("json", TerminalText(), spell_json),
        ("text", io.StringIO(), spell_text),
    ],
)
def test_auto_is_text_on_a_terminal(log_format, stream, expected):
    assert choose_format(log_format, stream) is expected


def test_unknown_words_are_refused():
    with pytest.raises(UsageError, match="log_format: expected one of auto, json, text; found 'xml'"):
        check_settings("xml", "errors")
    with pytest.raises(UsageError, match="log_requests"):
        check_settings("json", "some")


class TestGate:
    def test_so_many_a_second_and_the_rest_is_counted(self):
        gate = Gate(3)
        assert [gate.admit("a", 7.0 + step / 10) for step in range(6)] == [0, 0, 0, None, None, None]
        assert gate.admit("a", 8.0) == 3
        assert gate.admit("a", 8.1) == 0

    def test_one_code_does_not_hide_another(self):
        gate = Gate(1)
        assert [gate.admit("a", 7.0), gate.admit("a", 7.0), gate.admit("b", 7.0)] == [0, None, 0]

    def test_what_was_never_told_is_told_at_the_end(self):
        gate = Gate(1)
        gate.admit("a", 7.0)
        gate.admit("a", 7.1)
        assert gate.take_left_out() == {"a": 1}
        assert gate.take_left_out() == {}


def test_an_overload_does_not_melt_the_disk():
    stream = io.StringIO()
    log = RequestLog("json", stream)
    for number in range(20_000):
        log.tell_error({**FIELDS, "time": 1764000000 + number / 10_000})
    log.close()
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    errors = [line for line in lines if line["event"] == "request"]
    assert len(errors) == 20
    told = sum(line.get("left_out", 0) for line in errors)
    assert (lines[-1]["event"], lines[-1]["code"]) == ("left-out", "request.overloaded")
    assert told + lines[-1]["left_out"] == 20_000 - 20
    assert log.dropped == 0


PROGRAM = """
import logging, sys
from shipway.server.observation.logs import configure
if sys.argv[1] == "own":
    logging.basicConfig(format="mine: %(message)s")
configure("json")
configure("json")
try:
    raise ZeroDivisionError
except ZeroDivisionError:
    logging.getLogger("shipway.server").exception("a run of %d requests failed", 3)
"""


def run_program(word):
    """What a process of its own writes on standard error: pytest's handlers are not there."""
    command = [sys.executable, "-c", PROGRAM, word]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stderr


def test_the_servers_own_messages_are_lines_too():
    (line,) = [json.loads(line) for line in run_program("none").splitlines()]
    assert (line["level"], line["message"]) == ("error", "a run of 3 requests failed")
    assert "ZeroDivisionError" in line["traceback"]


def test_a_program_that_logs_in_its_own_way_is_not_overruled():
    assert run_program("own").splitlines()[0] == "mine: a run of 3 requests failed"


UNREAD = """
import logging, os, sys, time
from shipway.server.observation.logs import RequestLog, configure
reader, writer = os.pipe()
stream = open(writer, "w")
configure("json", stream)
requests = RequestLog("json", stream)
began = time.monotonic()
for number in range(300):
    requests.tell({"time": 0.0, "level": "info", "event": "request", "message": "x" * 400})
    logging.getLogger("shipway.server").error("x" * 400)
    logging.getLogger("asyncio").error("x" * 400)
    time.sleep(0.001)
print(time.monotonic() - began, flush=True)
os._exit(0)
"""


def test_nobody_waits_for_who_does_not_read_the_log():
    command = [sys.executable, "-c", UNREAD]
    told = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert float(told.stdout) < 10
    assert told.stderr == ""
