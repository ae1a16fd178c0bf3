"""One HTTP/1.1 connection: bytes in, exchanges out, answers back in the order of their requests.

uvloop moves the bytes and llhttp (httptools) parses them; what a request means is `routes.py`'s. Limits are kept
here: sizes as bytes arrive, times by the sweep of `connections.py`.
"""

from __future__ import annotations

import asyncio
import fcntl
import termios
from collections import deque
from collections.abc import Callable
from enum import IntEnum
from typing import cast

import httptools

from shipway.errors import (
    RequestTimeoutError,
    RequestTooLargeError,
    ShipwayError,
    UnavailableError,
)
from shipway.server.access.gate import Gate
from shipway.server.access.scopes import Scope
from shipway.server.http.connections import COUNTED_BYTES, Connections
from shipway.server.http.content_coding import choose_coding, compress
from shipway.server.http.exchange import Exchange
from shipway.server.http.garbage import explain_garbage
from shipway.server.http.heads import Head
from shipway.server.http.offers import head_without_offer

_OFF_LOOP_BYTES = 64 * 2**10
_LINGER_SECONDS = 2.0
"""After a refusal the rest of the request is read and dropped for this long: closing at once would reset the
connection, and the client would never see the answer (RFC 9112, 9.6)."""
_READ_BYTES = 256 * 2**10
"""The loop reads at most so much at once."""
_SMALL_BYTES = 4096
_FRAMING_TIMES = 16
"""A body in chunks of one byte is five times framing."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_HEAD_END = b"\r\n\r\n"
_NO_HEAD = Head(b"", b"", {})


class Phase(IntEnum):
    """Which part of a request is being received; BETWEEN is none."""

    BETWEEN = 0
    HEAD = 1
    BODY = 2
    REFUSED = 3


# Python 3.11 looks up an enum's member in 0.15 µs, ten times a request; a module's name in 0.02.
_BETWEEN, _HEAD, _BODY, _REFUSED = Phase


class HttpConnection(asyncio.Protocol):
    """Made by the event loop for each accepted connection."""

    def __init__(self, connections: Connections, handle: Callable[[Exchange], None]) -> None:
        self.connections = connections
        self._settings = connections.settings
        self._handle = handle
        self._parser = httptools.HttpRequestParser(self)
        self._find_head: Callable[[bytes], Head | None] = connections.heads.get
        self._transport: asyncio.Transport | None = None
        self.exchanges: deque[Exchange] = deque()
        self._phase = _BETWEEN
        self._refusal: ShipwayError | None = None
        self._is_reading = True
        self._most_waiting = self._settings.max_pipelined
        """So many requests may wait for their answers before further ones are read."""
        self._is_parsing = False
        """What arrived together is being taken apart: more requests may follow in it."""
        self._is_writable = True
        self._peer_has_ended = False
        self._has_ended = False
        # What the sweep compares: a connection that made no progress since the last one grows older.
        self._progress = 0
        self._seen: tuple[int, Phase, bool] = (0, _BETWEEN, False)
        self._age_seconds = 0.0
        self._url = b""
        self._headers: dict[bytes, bytes] = {}
        self._offer = b""
        """The head again without its offer to change the protocol, where a body follows it."""
        self._parsed_head: Head | None = None
        """Of the request that the parser finished last, in these bytes."""
        self._fed_bytes = 0
        """No less than what arrived of the current request: while it is small, its head is."""
        self._last_fed_bytes = 0
        self._header_bytes = 0
        """Names and values, counted only where so much arrived that they could be too many."""
        self._head_bytes = -1
        """Of an incomplete head, what arrived after the read that began it; -1 during that one."""
        self._header_count = 0
        self._chunks: list[bytes | bytearray] = []
        self._body_bytes = 0
        self._held_bytes = 0
        """Of the body that is being received, what `Connections.buffered_bytes` counts."""
        self._reach = Scope.ADMIN
        self._client = ""
        """Its address, where that is asked for."""

    # The event loop calls these.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The loop has accepted a client."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class does not inherit from it
        if self._settings.max_connections_per_client:
            self._client = str((transport.get_extra_info("peername") or ("",))[0])
        full = self.connections.why_full(self._client)
        if full:
            self._refuse(UnavailableError(full, hint="Connect again later."))
        self.connections.join(self, self._client)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """The client is gone: what it still waits for is dropped."""
        self._transport = None
        self.connections.leave(self, self._client)
        self._let_go()
        for exchange in self.exchanges:
            if len(exchange.body) > COUNTED_BYTES:
                self.connections.buffered_bytes -= len(exchange.body)
            if exchange.payload is None:
                self.connections.metrics.abandoned += 1
            if exchange.job is not None:
                exchange.job.is_over = True
        self.exchanges.clear()
        del self._parser  # it holds this object, which holds it: without this only the collector frees both

    def data_received(self, data: bytes) -> None:
        """Parses; complete requests are handled before this returns."""
        if self._phase is _BETWEEN and not self._has_ended:
            end = data.find(_HEAD_END) + 4
            head = self._find_head(data[:end])
            if head is not None and len(data) - end == head.body_bytes:
                self._progress += 1
                self._take(head, data[end:])
            else:
                self._parsed_head = None
                self._parse(data)
                parsed = self._parsed_head
                # One whole request and no more, with the body that its head announces (CONNECT has none).
                if parsed is not None and len(data) - end == self._body_bytes == parsed.body_bytes:
                    self.connections.heads.remember(data[:end], parsed)
        elif self._phase is not _REFUSED and not self._has_ended:
            self._parse(data)
        if len(self.exchanges) >= self._most_waiting:
            self._update_reading()

    def _parse(self, data: bytes) -> None:
        self._last_fed_bytes = len(data)
        self._fed_bytes = len(data) if self._phase is _BETWEEN else self._fed_bytes + len(data)
        self._is_parsing = True
        left = data
        while left:
            try:
                self._parser.feed_data(left)
                break
            except httptools.HttpParserUpgrade as upgrade:
                left = self._go_on_after_upgrade(left[upgrade.args[0] :])
            except httptools.HttpParserError as error:
                self._refuse(self._refusal or explain_garbage(left, error))
                break
        self._is_parsing = False
        if self._phase is _HEAD:
            self._count_head(len(data))
        elif self._phase is _BODY:
            self._count_framing()

    def eof_received(self) -> bool:
        """A client that has sent all may still wait for its answers."""
        self._peer_has_ended = True
        return bool(self.exchanges)

    def pause_writing(self) -> None:
        """The client does not take its answers: take no more of its requests."""
        self._is_writable = False
        self._update_reading()

    def resume_writing(self) -> None:
        """It does again."""
        self._is_writable = True
        self._update_reading()

    # The parser calls these.

    def on_message_begin(self) -> None:
        """A request starts."""
        self._phase = _HEAD
        self._progress += 1
        self._url = b""
        self._headers = {}
        self._chunks = []
        self._body_bytes = 0
        self._head_bytes = -1
        self._header_bytes = 0
        self._header_count = 0
        self._fed_bytes = self._last_fed_bytes

    def on_url(self, url: bytes) -> None:
        """A piece of the request target."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        if self._phase is _HEAD:  # after the body they are trailers, which nothing here needs
            self._headers[name.lower()] = value
            self._header_count += 1
            if self._fed_bytes > self._settings.max_head_bytes:
                self._header_bytes += len(name) + len(value) + 4  # ": " and the line end

    def on_headers_complete(self) -> None:
        """The limits that the headers alone can break."""
        self._phase = _BODY
        self._progress += 1
        headers = self._headers
        most = self._settings.max_head_bytes
        if self._fed_bytes > most and len(self._url) + self._header_bytes > most:
            self._stop(self._head_too_large())
        if self._header_count > self._settings.max_headers:
            self._stop(self._too_many_headers())
        length = headers.get(b"content-length")
        if length is not None and int(length) > self._settings.max_body_bytes:
            self._stop(self._body_too_large(int(length)))
        if b"upgrade" in headers and (length or b"transfer-encoding" in headers):
            try:
                self._offer = head_without_offer(self._parser, self._url, headers)
            except ShipwayError as error:
                self._stop(error)
            if self._offer:
                return
        if self.connections.gate is not None:
            self._pass_gate(self.connections.gate, has_body=bool(length) and length != b"0")
        if b"expect" in headers and headers[b"expect"].lower() == b"100-continue":
            self._invite_body()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_bytes += len(body)
        if self._body_bytes > self._settings.max_body_bytes:
            self._stop(self._body_too_large(self._body_bytes))
        if self._body_bytes > COUNTED_BYTES:
            self._hold(self._body_bytes)
        chunks = self._chunks
        if len(body) >= _SMALL_BYTES or not chunks:
            chunks.append(body)
        elif isinstance(chunks[-1], bytearray) and len(chunks[-1]) < COUNTED_BYTES:
            chunks[-1] += body
        else:
            chunks.append(bytearray(body))  # in chunks of 2 bytes a body would take 24 times its size

    def on_message_complete(self) -> None:
        """A request is whole."""
        self._phase = _BETWEEN
        if self._offer:  # but for its body, which this parser takes for another protocol
            return
        if self._held_bytes:
            self._let_go()
        parser, chunks = self._parser, self._chunks
        self._chunks = []
        head = self._parsed_head = Head(
            parser.get_method(),
            self._url,
            self._headers,
            is_last=not parser.should_keep_alive(),
            is_http_10=b"connection" in self._headers and parser.get_http_version() == "1.0",
            reach=self._reach,
        )
        if head.is_last:
            self._find_head = _find_none  # the parser refuses what follows, so it must see it
        self._take(head, bytes(chunks[0]) if len(chunks) == 1 else b"".join(chunks))

    def _take(self, head: Head, body: bytes) -> None:
        exchange = Exchange(self, head, body)
        if len(body) > COUNTED_BYTES:
            self.connections.buffered_bytes += len(body)
        self.exchanges.append(exchange)
        self._handle(exchange)

    @property
    def is_receiving(self) -> bool:
        """A part of a request has arrived."""
        return self._phase is _HEAD or self._phase is _BODY

    @property
    def owes(self) -> bool:
        """A request has begun, and its answer was not handed to the transport yet."""
        return bool(self.exchanges) or self.is_receiving

    # Exchanges call these.

    def is_quiet(self) -> bool:
        """No further request is on its way here, as far as this process and the kernel can tell."""
        if self._is_parsing or self._transport is None:
            return False
        if self.connections.is_impatient:
            return True
        return not self.is_receiving and not self._has_unread(self._transport)

    @staticmethod
    def _has_unread(transport: asyncio.Transport) -> bool:
        """Whether the kernel holds bytes of the client's that the loop has not come to."""
        descriptor = transport.get_extra_info("socket").fileno()
        return fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)) != bytes(4)

    def flush(self) -> None:
        """Sends every answer whose turn it is."""
        exchanges, transport = self.exchanges, self._transport
        while exchanges and (payload := exchanges[0].payload) is not None:
            exchange = exchanges.popleft()
            if len(exchange.body) > COUNTED_BYTES:
                self.connections.buffered_bytes -= len(exchange.body)
            if transport is None or self._has_ended:
                continue
            self._progress += 1
            transport.write(payload)
            if exchange.is_last:
                self._end()
                return
        if not self._is_reading:
            self._update_reading()
        if self._peer_has_ended and not exchanges:
            self._end()

    def compress(self, exchange: Exchange, body: bytes, then: Callable[[bytes, bytes], None]) -> None:
        """Calls `then` with the body in a coding that the client accepts, and the header that names it."""
        coding = None
        if len(body) >= self._settings.compress_min_bytes:
            coding = choose_coding(exchange.head.headers.get(b"accept-encoding"))
        if coding is None:
            then(body, b"")
            return
        header = b"Content-Encoding: %b\r\nVary: Accept-Encoding\r\n" % coding.encode()
        if len(body) <= _OFF_LOOP_BYTES:
            then(compress(body, coding), header)
            return
        coded = asyncio.get_running_loop().run_in_executor(None, compress, body, coding)
        coded.add_done_callback(lambda future: then(future.result(), header))

    # The sweep calls these.

    def sweep(self, seconds: float) -> None:
        """`seconds` went by since the last sweep: enforce the limits."""
        state = (self._progress, self._phase, self._is_writable)
        if state != self._seen:
            self._seen, self._age_seconds = state, 0.0
            return
        self._age_seconds += seconds
        settings, age = self._settings, self._age_seconds
        if (not self._is_writable or self._has_ended) and age >= settings.send_seconds:
            self.abort()  # it does not take its answer, or its last one
        elif self._phase is _HEAD and age >= settings.head_seconds:
            self._refuse(self._too_slow("head", "head_seconds", settings.head_seconds))
        elif self._phase is _BODY and age >= settings.body_seconds:
            self._refuse(self._too_slow("body", "body_seconds", settings.body_seconds))
        elif self._phase is _BETWEEN and not self.exchanges and self._is_writable:
            limit = settings.drain_idle_seconds if self.connections.is_draining else settings.idle_seconds
            # A loop that was held up looks at the time first, and only then at what has arrived meanwhile.
            if age >= limit and self._transport is not None and not self._has_unread(self._transport):
                self._end()

    def lose_patience(self) -> None:
        """Takes no further request behind those that are owed an answer: the last of these ends it."""
        self._most_waiting = 1
        self._update_reading()

    def abort(self) -> None:
        """Ends it now, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()

    # The rest is its own.

    def _stop(self, error: ShipwayError) -> None:
        """Refuses from within a callback of the parser, which must not be re-entered."""
        self._refusal = error
        raise error

    def _refuse(self, error: ShipwayError) -> None:
        """Answers with the error after what is under way, and takes nothing more from this connection."""
        self._phase = _REFUSED
        self._chunks = []
        self._let_go()
        exchange = Exchange(self, Head(b"", self._url, {}, is_last=True), b"")
        self.exchanges.append(exchange)
        exchange.fail(error)

    def _end(self) -> None:
        """Closes after the last answer; where the client may still be sending, in two steps."""
        transport = self._transport
        if transport is None or self._has_ended:
            return
        self._has_ended = True
        if self._phase is _BETWEEN or not transport.can_write_eof():
            transport.close()
            return
        self._phase = _REFUSED
        self._is_reading = True
        transport.write_eof()
        asyncio.get_running_loop().call_later(_LINGER_SECONDS, transport.abort)

    def _invite_body(self) -> None:
        """Answers `Expect: 100-continue`, after the answers that are owed before."""
        exchange = Exchange(self, _NO_HEAD, b"")
        exchange.payload = _CONTINUE
        self.exchanges.append(exchange)
        self.flush()

    def _go_on_after_upgrade(self, rest: bytes) -> bytes:
        """The request was answered as it stands, or is read once more without its offer: what to parse next."""
        offer, self._offer = self._offer, b""
        if self._transport is None or (self._find_head is _find_none and not offer):
            return b""
        self._parser = httptools.HttpRequestParser(self)
        return offer + rest

    def _count_head(self, size: int) -> None:
        """Bounds a head that is still incomplete, of which the parser may hold any part."""
        self._head_bytes = 0 if self._head_bytes < 0 else self._head_bytes + size
        if self._head_bytes > self._settings.max_head_bytes:
            self._refuse(self._head_too_large())

    def _update_reading(self) -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        waiting, most = len(self.exchanges), self._most_waiting
        should_read = self._is_writable and (waiting < most if self._is_reading else waiting <= most // 2)
        if should_read != self._is_reading:
            self._is_reading = should_read
            (transport.resume_reading if should_read else transport.pause_reading)()

    def _count_framing(self) -> None:
        """Bounds what comes with a body and is none of it: sizes and extensions of chunks, and trailers."""
        body_bytes, most = self._body_bytes, self._settings.max_head_bytes
        if self._fed_bytes - body_bytes > _READ_BYTES + most + _FRAMING_TIMES * body_bytes:
            self._refuse(
                RequestTooLargeError(
                    f"The chunks' sizes, extensions and trailers are over {_FRAMING_TIMES} times the body and "
                    f"max_head_bytes ({most})."
                )
            )

    def _pass_gate(self, gate: Gate, *, has_body: bool) -> None:
        """How far this head goes. A body is received only from who may send one."""
        headers = self._headers
        self._reach = gate.reach_of(headers)
        if self._reach < Scope.INFER and (has_body or b"transfer-encoding" in headers):
            self._stop(gate.refusal(headers, Scope.INFER))

    def _hold(self, body_bytes: int) -> None:
        """Counts the body that is being received among those in memory."""
        connections, most = self.connections, self._settings.max_buffered_bytes
        connections.buffered_bytes += body_bytes - self._held_bytes
        self._held_bytes = body_bytes
        if connections.buffered_bytes > most:
            self._stop(
                UnavailableError(
                    f"The bodies of unanswered requests are over max_buffered_bytes ({most}).",
                    hint="Send it again later.",
                )
            )

    def _let_go(self) -> None:
        """It is received, or will not be."""
        self.connections.buffered_bytes -= self._held_bytes
        self._held_bytes = 0

    def _too_many_headers(self) -> RequestTooLargeError:
        return RequestTooLargeError(
            f"The request has {self._header_count} headers; max_headers is {self._settings.max_headers}."
        )

    def _head_too_large(self) -> RequestTooLargeError:
        return RequestTooLargeError(
            f"The request line and headers are over max_head_bytes ({self._settings.max_head_bytes})."
        )

    def _body_too_large(self, found: int) -> RequestTooLargeError:
        return RequestTooLargeError(
            f"The body has {found} bytes or more; max_body_bytes is {self._settings.max_body_bytes}.",
            hint="Send fewer rows in a request, or use the binary tensor extension.",
        )

    @staticmethod
    def _too_slow(part: str, limit: str, seconds: float) -> RequestTimeoutError:
        return RequestTimeoutError(f"The request's {part} did not arrive within {limit} ({seconds:g} s).")


def _find_none(_text: bytes) -> Head | None:
    """What a connection looks heads up with when its parser must see everything."""
    return None
