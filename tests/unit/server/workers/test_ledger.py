"""What a connection was owed when its worker died, and what follows from that."""

import os

import pytest

from shipway.server.workers.ledger import NOTHING, OWED, PARTLY, Fate, Ledger, fate_of, make_ledger


@pytest.mark.parametrize(
    ("state", "noted", "taken", "fate"),
    [
        (NOTHING, 0, 0, Fate.ANOTHER),
        (NOTHING, 310, 310, Fate.ANOTHER),
        (NOTHING, 310, 465, Fate.REFUSE),  # read, and not yet noted
        (NOTHING, 310, -1, Fate.REFUSE),  # the kernel does not say
        (OWED, 0, 155, Fate.REFUSE),
        (OWED, 155, 155, Fate.REFUSE),
        (PARTLY, 155, 155, Fate.CUT),
    ],
)
def test_fates(state, noted, taken, fate):
    assert fate_of(state, noted_bytes=noted, taken_bytes=taken, is_opaque=False) is fate
    assert fate_of(state, noted_bytes=noted, taken_bytes=taken, is_opaque=True) is Fate.CUT


def test_two_maps_are_the_same_memory():
    descriptor = make_ledger(7)
    written, read = Ledger(descriptor), Ledger(descriptor)
    os.close(descriptor)
    assert (written.slots, len(written.states), len(written.totals)) == (7, 7, 7)
    for slot in range(7):
        written.states[slot] = slot % 3
        written.totals[slot] = 2**40 + slot
    written.close()
    assert list(read.states) == [slot % 3 for slot in range(7)]
    assert list(read.totals) == [2**40 + slot for slot in range(7)]
    read.close()
