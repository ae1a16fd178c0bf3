"""Speed is measured by real calls; an error that one of them raises is raised to the caller."""

import asyncio

import pytest

from shipway.planning.measure import measure_speed


def service(seconds: float, *, fails_after: int | None = None, closed: list[int] | None = None):
    """Answers one request at a time, each after `seconds`."""
    calls = 0

    async def connect():
        lock = asyncio.Lock()

        async def ask() -> None:
            nonlocal calls
            calls += 1
            if fails_after is not None and calls > fails_after:
                raise ConnectionResetError("gone")
            async with lock:
                await asyncio.sleep(seconds)

        return ask, lambda: closed.append(1) if closed is not None else None

    return connect


def test_a_service_of_known_speed_is_measured() -> None:
    closed: list[int] = []
    speed = measure_speed(service(0.004, closed=closed), clients=2, seconds=1.2)
    assert 20 < speed.throughput_per_second <= 500
    assert speed.arrivals_per_second == pytest.approx(speed.throughput_per_second / 2)
    assert speed.p50.value_ms >= 4
    assert speed.p99.value_ms >= speed.p50.value_ms
    assert speed.p50.low_ms is not None
    assert speed.p50.low_ms <= speed.p50.value_ms
    assert len(closed) == 8


def test_too_few_requests_leave_p99_without_an_upper_end() -> None:
    speed = measure_speed(service(0.05), clients=1, seconds=0.9)
    assert 0 < speed.requests < 300
    assert speed.p99.high_ms is None
    assert speed.to_json()["latency_p99_ms"]["high"] is None


def test_an_error_is_raised_as_it_is_and_every_connection_is_closed() -> None:
    closed: list[int] = []
    with pytest.raises(ConnectionResetError, match="gone"):
        measure_speed(service(0.001, fails_after=40, closed=closed), seconds=0.6)
    assert len(closed) == 16
