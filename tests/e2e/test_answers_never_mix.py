"""100,000 marked requests over many pipelined connections: every answer is its own, whatever is beside it.

MLServer#1306 and #514: an adaptive batcher handed one client another one's predictions.
"""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
import uvloop

from served.marked import Asked, Marks, affine_bundle
from served.process import serving
from served.traffic import Ledger, Talker, connect

CONNECTIONS = 40
DROPPED = 60
"""Connections that go away in the middle."""


class Share:
    """A connection's part of the requests."""

    def __init__(self, marks: Marks, count: int) -> None:
        self._marks = marks
        self._left = count

    def __call__(self) -> Asked | None:
        if not self._left:
            return None
        self._left -= 1
        return self._marks.any()


async def ask(port: int, count: int) -> Ledger:
    ledger = Ledger()
    # A step apart, so that no mark is asked twice; far apart, so that neighbors do not look alike.
    marks = [
        Marks(number, start=number, step=CONNECTIONS + DROPPED) for number in range(CONNECTIONS + DROPPED)
    ]
    depths = random.Random(5)
    talkers = [
        await connect(port, ledger, Share(mine, count // CONNECTIONS), depth=depths.randint(1, 12))
        for mine in marks[:CONNECTIONS]
    ]
    dropping = asyncio.create_task(drop_some(port, ledger, marks[CONNECTIONS:]))
    await asyncio.gather(*(talker.gone for talker in talkers), dropping)
    return ledger


async def drop_some(port: int, ledger: Ledger, marks: list[Marks]) -> None:
    """Connections that end with requests under way, one of them sent by half."""
    dice = random.Random(6)
    for mine in marks:
        talker: Talker = await connect(port, ledger, Share(mine, 10**6), depth=8)
        await asyncio.sleep(dice.uniform(0.001, 0.03))
        half = mine.any().data
        talker.transport.write(half[: len(half) // 2])
        talker.is_last = True  # nothing may follow a request that is sent by half
        talker.drop()
        await talker.gone


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        pytest.param({}, 60_000, id="runs on the loop"),
        pytest.param({"SHIPWAY_SERVER_INLINE_SECONDS": "0"}, 40_000, id="runs in the thread"),
    ],
)
def test_every_answer_is_its_own_request_s(tmp_path: Path, settings: dict[str, str], count: int) -> None:
    bundle = affine_bundle(tmp_path)
    with serving(bundle.path, environment=settings) as server:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            ledger = runner.run(ask(server.port, count))
        assert server.stop() == 0
    ledger.assert_right()
    assert ledger.dropped > DROPPED
    assert ledger.answered >= count
    assert set(ledger.statuses) == {200, 400}
    assert ledger.statuses[400] > count * 0.03


def test_a_swapped_answer_would_be_seen() -> None:
    """The judges can say no: each is given the answer that belongs to the next request."""
    marks = Marks(1)
    first, second = marks.json(), marks.json()
    body = second.data.partition(b"\r\n\r\n")[2]
    assert b'"id":"2"' in body
    answer = b'{"id":"1","outputs":[{"shape":[1,2],"data":[5,1]}]}'
    assert first.judge(200, b"", answer)
    binary = marks.binary()
    assert binary.judge(200, b"", b'{"id":"4"}' + b"\0" * 8)
    assert marks.invalid().judge(200, b"", b"{}")
