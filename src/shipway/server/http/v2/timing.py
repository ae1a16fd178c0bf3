"""How long a request may take and how urgent it is, from its header and its parameters."""

from __future__ import annotations

from math import inf, isfinite

from shipway.errors import MalformedRequestError
from shipway.server.http.v2.wire import Parameters
from shipway.server.scheduling.jobs import LEAST_URGENT, MOST_URGENT, USUAL_PRIORITY

_MICROSECONDS = 1e6
_MILLISECONDS = 1e3


def read_timing(parameters: Parameters | None, header: bytes | None) -> tuple[float, int]:
    """Seconds that the answer may take (infinite: no limit), and the priority, 1 the most urgent.

    `timeout` in microseconds and `priority` are Triton's parameters, where 0 stands for the default; `header` is
    the value of `X-Request-Timeout-Ms`. The shorter of two times counts. Raises `MalformedRequestError`.
    """
    timeout = inf if header is None else _read_header(header)
    priority = USUAL_PRIORITY
    if parameters is not None:
        if parameters.get("timeout"):
            timeout = min(timeout, _read_timeout(parameters["timeout"]))
        if parameters.get("priority"):
            priority = _read_priority(parameters["priority"])
    return timeout, priority


def _read_header(value: bytes) -> float:
    try:
        milliseconds = float(value)
    except ValueError:
        milliseconds = -1.0
    if not (isfinite(milliseconds) and milliseconds > 0):
        raise MalformedRequestError(
            f"X-Request-Timeout-Ms is a number of milliseconds above 0, found {value.decode('latin-1')[:40]!r}."
        )
    return milliseconds / _MILLISECONDS


def _read_timeout(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise MalformedRequestError(
            f"The parameter timeout is a whole number of microseconds, 0 for none; found {value!r}."
        )
    return value / _MICROSECONDS


def _read_priority(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not MOST_URGENT <= value <= LEAST_URGENT:
        raise MalformedRequestError(
            f"The parameter priority is {MOST_URGENT}, the most urgent, to {LEAST_URGENT}, or 0 for the usual "
            f"{USUAL_PRIORITY}; found {value!r}."
        )
    return value
