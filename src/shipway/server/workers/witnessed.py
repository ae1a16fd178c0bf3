"""The supervisor's side of the witness: duplicates of connections, and their fate when a worker dies."""

from __future__ import annotations

import array
import socket
from collections.abc import Iterator

from shipway.server.workers.ledger import OPAQUE, Fate, Ledger, fate_of, make_ledger
from shipway.server.workers.progress import count_taken_bytes
from shipway.server.workers.refusing import close_quietly

_MESSAGE_BYTES = 4 * 1024
_MESSAGES_A_TURN = 256


class Witnessed:
    """Of one worker process."""

    def __init__(self, slots: int) -> None:
        self.workers_ledger = make_ledger(slots)
        self._ledger = Ledger(self.workers_ledger)
        # Messages keep their bounds, and the end of the worker is the end of the stream.
        self.channel, self.workers_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.channel.setblocking(False)
        self.has_ended = False
        """Nothing more will come: the worker has ended."""
        self._duplicates: dict[int, tuple[int, bool]] = {}
        """By slot: the descriptor, and whether the connection is encrypted."""

    def read(self, most: int = _MESSAGES_A_TURN) -> int:
        """Takes what the worker has told; so many messages were there."""
        for count in range(most):
            try:
                message, descriptors, _, _ = socket.recv_fds(self.channel, _MESSAGE_BYTES, 1)
            except OSError:  # nothing more for now
                return count
            if not message:
                self.has_ended = True
                return count
            self._note(array.array("I", message), descriptors)
        return most

    def pass_on(self, connection: socket.socket) -> bool:
        """Gives the worker a connection to serve; False where its channel takes no more."""
        try:
            socket.send_fds(self.channel, [b"\0"], [connection.fileno()])
        except OSError:
            return False
        return True

    def settle(self) -> Iterator[tuple[socket.socket, Fate]]:
        """What becomes of each connection, now that the worker is dead. They are the caller's from now on."""
        while self.read():
            pass
        for slot, (descriptor, is_opaque) in self._duplicates.items():
            connection = socket.socket(fileno=descriptor)
            state, noted_bytes = self._ledger.states[slot], self._ledger.totals[slot]
            yield connection, _fate(connection, state, noted_bytes, is_opaque=is_opaque)
        self._duplicates.clear()

    def close(self) -> None:
        """Gives everything back."""
        self.channel.close()
        self._ledger.close()
        for descriptor, _ in self._duplicates.values():
            close_quietly(descriptor)
        self._duplicates.clear()

    def close_workers_ends(self) -> None:
        """The worker has them now."""
        self.workers_end.close()
        close_quietly(self.workers_ledger)

    def _note(self, numbers: array.array[int], descriptors: list[int]) -> None:
        if descriptors:
            number = numbers[0]
            self._duplicates[number & ~OPAQUE] = descriptors[0], bool(number & OPAQUE)
            return
        for number in numbers:
            known = self._duplicates.pop(number & ~OPAQUE, None)
            if known is not None:
                close_quietly(known[0])


def _fate(connection: socket.socket, state: int, noted_bytes: int, *, is_opaque: bool) -> Fate:
    try:
        taken_bytes = count_taken_bytes(connection)
    except OSError:  # the client is gone, or the kernel tells less
        taken_bytes = -1
    return fate_of(state, noted_bytes=noted_bytes, taken_bytes=taken_bytes, is_opaque=is_opaque)
