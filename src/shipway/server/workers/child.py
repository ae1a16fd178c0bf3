"""One worker process as the supervisor has it: started, talked to, watched, ended."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from shipway.server.report import ModelStatus
from shipway.server.workers.loop import Loop
from shipway.server.workers.messages import Message, Unpacker, pack
from shipway.server.workers.restarts import Liveness
from shipway.server.workers.witnessed import Witnessed

_PIECE_BYTES = 2**18
_DUMP_SECONDS = 0.3
_REAP_SECONDS = 0.002
_LINGER_SECONDS = 10.0
"""The longest that a process takes to end once it has nothing to say any more: it gives its sessions back."""


class Child:
    """A process that was started; `on_death` is called once, when it has ended and before its connections are."""

    def __init__(
        self,
        loop: Loop,
        listener: socket.socket,
        *,
        slots: int,
        hang_seconds: float,
        on_message: Callable[[Child, Message], None],
        on_death: Callable[[Child], None],
    ) -> None:
        """Starts it. Raises `OSError`."""
        self.witnessed = Witnessed(slots)
        self.started = time.monotonic()
        self.liveness = Liveness(hang_seconds, self.started)
        self.is_accepting = False
        self.models: Sequence[ModelStatus] | None = None
        """What it says of them, once it has loaded and proven all."""
        self.end_reason = ""
        """Why the supervisor ended it."""
        self.failure = ""
        """Why it gave up, in its own words."""
        self._loop = loop
        self._on_message = on_message
        self._on_death = on_death
        self._unpacker = Unpacker()
        self._unsent = b""
        self._is_over = False
        self._control, workers_end = socket.socketpair()
        with workers_end:
            self.process = _start(
                listener.fileno(),
                workers_end.fileno(),
                self.witnessed.workers_end.fileno(),
                self.witnessed.workers_ledger,
            )
        self.witnessed.close_workers_ends()
        self._control.setblocking(False)
        loop.watch(self._control.fileno(), self._read)
        loop.watch(self.witnessed.channel.fileno(), self._read_witness)

    def send(self, kind: str, **fields: object) -> None:
        """Tells the worker; what it does not take at once waits for it."""
        if self._is_over:
            return
        was_empty = not self._unsent
        self._unsent += pack({"kind": kind, **fields})
        if was_empty:
            self._write()

    def kill(self, reason: str = "") -> None:
        """Ends it at once; its death is told as any other."""
        self.end_reason = self.end_reason or reason
        self.process.kill()

    def kill_hung(self, reason: str) -> None:
        """Lets it write where it stands (see `worker.py`), then ends it."""
        self.end_reason = reason
        self.process.send_signal(signal.SIGUSR1)
        self._loop.call_later(_DUMP_SECONDS, self.kill)

    def explain_end(self) -> str:
        """Why it is no more."""
        status = self.process.returncode
        if self.failure or self.end_reason:
            return self.failure or self.end_reason
        if status is None or status >= 0:
            return f"it ended with status {status}"
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = str(-status)
        return f"it was ended by {name}" + (" (memory ran out?)" if name == "SIGKILL" else "")

    def close(self) -> None:
        """Gives everything back; the process has ended."""
        self._control.close()
        self.witnessed.close()

    def _read(self) -> None:
        try:
            data = self._control.recv(_PIECE_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        self.liveness.beat(time.monotonic())
        for message in self._unpacker.feed(data):
            self._on_message(self, message)

    def _end(self) -> None:
        """The channel's end is the process's, or it comes soon."""
        self._is_over = True
        self._loop.forget(self._control.fileno())
        self._loop.call_later(_LINGER_SECONDS, self.process.kill)
        self._reap()

    def _reap(self) -> None:
        """A process that ends by itself lets go of the channel a little before it has a status."""
        if self.process.poll() is None:
            self._loop.call_later(_REAP_SECONDS, self._reap)
            return
        self._loop.forget(self.witnessed.channel.fileno())
        self._on_death(self)

    def _read_witness(self) -> None:
        self.witnessed.read()
        if self.witnessed.has_ended:  # the other channel's end says what that means
            self._loop.forget(self.witnessed.channel.fileno())

    def _write(self) -> None:
        try:
            self._unsent = self._unsent[self._control.send(self._unsent) :]
        except BlockingIOError:
            pass
        except OSError:  # it is dead; reading says so
            self._unsent = b""
        self._loop.watch_writing(
            self._control.fileno(), self._read, on_writable=self._write if self._unsent else None
        )


def _start(listener: int, control: int, witness: int, ledger: int) -> subprocess.Popen[bytes]:
    descriptors = (listener, control, witness, ledger)
    return subprocess.Popen(
        [sys.executable, "-m", "shipway.server.workers", *map(str, descriptors)],
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        stdout=2,  # standard output is the supervisor's, and holds one line
    )
