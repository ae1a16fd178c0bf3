"""Documents on a stream that may be cut anywhere, and errors that travel."""

import pytest

from shipway.errors import BundleDigestError, LoadRefusedError, ShipwayError, UnavailableError
from shipway.server.workers.messages import Unpacker, pack, read_error, spell_error

MESSAGES = [
    {"kind": "heartbeat"},
    {"kind": "did", "result": ["ü", 1.5, None, {"a": []}]},
    {"kind": "x" * 70_000},
]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 4096, 10**6])
def test_pieces_of_any_size(size):
    stream = b"".join(map(pack, MESSAGES))
    unpacker = Unpacker()
    found = []
    for start in range(0, len(stream), size):
        found += unpacker.feed(stream[start : start + size])
    assert found == MESSAGES


def test_nothing_of_an_incomplete_document():
    unpacker = Unpacker()
    whole = pack(MESSAGES[1])
    assert unpacker.feed(whole[:-1]) == []
    assert unpacker.feed(whole[-1:] + whole[:3]) == [MESSAGES[1]]
    assert unpacker.feed(whole[3:]) == [MESSAGES[1]]


@pytest.mark.parametrize("kind", [UnavailableError, LoadRefusedError, BundleDigestError, ShipwayError])
def test_errors_come_back_as_their_class(kind):
    error = read_error(spell_error(kind("what happened", hint="what to do")))
    assert type(error) is kind
    assert (error.message, error.hint) == ("what happened", "what to do")


def test_an_error_of_a_class_that_is_not_known():
    assert type(read_error({"code": "new.error", "message": "m", "hint": ""})) is ShipwayError
