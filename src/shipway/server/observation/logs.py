"""Lines on standard error: the server's own messages, and one a request where that is wanted.

One JSON object a line where a program reads them, plain text on a terminal. Threads write them: a pipe that
nobody reads, or a terminal that is stopped, takes no more after 64 KB, and who writes to it then stands still.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import IO, Any, Final

import msgspec

from shipway.errors import UsageError
from shipway.server.observation.background import Background

FORMATS: Final = ("auto", "json", "text")
REQUESTS: Final = ("none", "errors", "all")
MOST_PER_SECOND: Final = 10
"""Lines on errors of one code; an overload is told, and does not fill the disk."""
_MOST_WAITING = 10_000
_CLOSE_SECONDS = 2.0
"""So long the end of the process waits for what is still to be written."""
_LOGGERS: Final = ("shipway.server", "asyncio")
"""The second tells what no task's owner has asked for: it must not stand still on standard error either."""
Fields = dict[str, Any]


def check_settings(log_format: str, log_requests: str) -> None:
    """Raises `UsageError` for a word that is none of the choices."""
    for name, found, choices in (
        ("log_format", log_format, FORMATS),
        ("log_requests", log_requests, REQUESTS),
    ):
        if found not in choices:
            raise UsageError(f"{name}: expected one of {', '.join(choices)}; found {found!r}.")


def choose_format(log_format: str, stream: IO[str]) -> Callable[[Fields], str]:
    """What makes a line of a record; `auto` is text on a terminal, else JSON."""
    is_text = log_format == "text" or (log_format == "auto" and stream.isatty())
    return spell_text if is_text else spell_json


def spell_json(fields: Fields) -> str:
    """One JSON object, its time as RFC 3339 has it, in UTC."""
    return msgspec.json.encode({**fields, "time": _rfc3339(fields["time"])}).decode()


def spell_text(fields: Fields) -> str:
    """For a person: time, level, event, what is there beside them as `name=value`."""
    rest = {
        name: value
        for name, value in fields.items()
        if name not in ("time", "level", "event", "message", "traceback")
    }
    shown = [_rfc3339(fields["time"]), fields["level"].upper(), fields["event"], fields.get("message", "")]
    shown += [f"{name}={_spell_value(value)}" for name, value in rest.items()]
    line = " ".join([str(part) for part in shown if part])
    return f"{line}\n{fields['traceback']}" if "traceback" in fields else line


def _spell_value(value: object) -> str:
    if isinstance(value, Mapping):
        return ",".join([f"{name}:{_spell_value(part)}" for name, part in value.items()])
    text = str(value)
    return msgspec.json.encode(text).decode() if any(mark in text for mark in ' "\n=') else text


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class _Formatter(logging.Formatter):
    def __init__(self, spell: Callable[[Fields], str]) -> None:
        super().__init__()
        self._spell = spell

    def format(self, record: logging.LogRecord) -> str:
        fields: Fields = {
            "time": record.created,
            "level": record.levelname.lower(),
            "event": "server",
            "message": record.getMessage(),
            "process": record.process,
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        return self._spell(fields)


class _Handler(logging.Handler):
    """Hands lines to a thread. `logging` closes it at the end of the process."""

    def __init__(self, stream: IO[str], spell: Callable[[Fields], str]) -> None:
        super().__init__()
        self.setFormatter(_Formatter(spell))
        self._writing = Background(partial(_write_lines, stream), name="shipway-log", most=_MOST_WAITING)

    def emit(self, record: logging.LogRecord) -> None:
        self._writing.offer(self.format(record))

    def close(self) -> None:
        self._writing.close(_CLOSE_SECONDS)
        super().close()


def _write_lines(stream: IO[str], lines: Sequence[str]) -> None:
    """Past the stream's own buffer where it has a descriptor.

    Whoever reads a full pipe may have stopped. The thread that waits in `write` then would hold the buffer's
    lock, for which the interpreter waits at its end: the process would never exit.
    """
    text = "".join([line + "\n" for line in lines])
    try:
        descriptor = stream.fileno()
    except (OSError, AttributeError):  # a stream in memory
        stream.write(text)
        stream.flush()
        return
    data = memoryview(text.encode())
    while data:
        data = data[os.write(descriptor, data) :]


def configure(log_format: str, stream: IO[str] | None = None) -> None:
    """Sends the server's own messages to standard error, once a process; it never waits for who reads them.

    A program that has decided where its logs go, and serves in its own process, is not overruled.
    """
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    if loggers[0].hasHandlers():
        return
    stream = stream or sys.stderr
    handler = _Handler(stream, choose_format(log_format, stream))
    for logger in loggers:
        logger.addHandler(handler)
    loggers[0].setLevel(logging.INFO)


class Gate:
    """Lets so many of one code through in a second, and counts the others. No I/O, no clock."""

    def __init__(self, most_per_second: int = MOST_PER_SECOND) -> None:
        self._most = most_per_second
        self._second: dict[str, int] = {}
        self._passed: dict[str, int] = {}
        self._left_out: dict[str, int] = {}

    def admit(self, code: str, now: float) -> int | None:
        """None: this one is left out. Else how many of this code were left out since the last that was not."""
        second = int(now)
        if self._second.get(code) != second:
            self._second[code], self._passed[code] = second, 0
        if self._passed[code] >= self._most:
            self._left_out[code] = self._left_out.get(code, 0) + 1
            return None
        self._passed[code] += 1
        return self._left_out.pop(code, 0)

    def take_left_out(self) -> dict[str, int]:
        """What was left out and never told, by code; it counts as told from now on."""
        found, self._left_out = self._left_out, {}
        return found


class RequestLog:
    """Lines on single requests, written in a thread. Belongs to one event loop."""

    def __init__(self, log_format: str, stream: IO[str] | None = None) -> None:
        self._stream = stream or sys.stderr
        self._spell = choose_format(log_format, self._stream)
        self._gate = Gate()
        self._writing = Background(self._write, name="shipway-request-log", most=_MOST_WAITING)

    @property
    def dropped(self) -> int:
        """Lines that were not written because the stream did not take them."""
        return self._writing.dropped

    def tell(self, fields: Fields) -> None:
        """A request that was answered."""
        self._writing.offer(fields)

    def tell_error(self, fields: Fields) -> None:
        """One that was refused or failed; of one code, `MOST_PER_SECOND` are written."""
        left_out = self._gate.admit(fields["code"], fields["time"])
        if left_out is None:
            return
        self._writing.offer({**fields, "left_out": left_out} if left_out else fields)

    def close(self) -> None:
        """Writes what waits, and how many lines were left out. Blocks for seconds at most."""
        now = datetime.now(UTC).timestamp()
        for code, count in self._gate.take_left_out().items():
            self.tell({"time": now, "level": "warning", "event": "left-out", "code": code, "left_out": count})
        self._writing.close(_CLOSE_SECONDS)

    def _write(self, records: Sequence[Fields]) -> None:
        _write_lines(self._stream, [self._spell(record) for record in records])
