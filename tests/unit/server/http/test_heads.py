"""Heads that are taken by their bytes: the same requests as from the parser, and none that was not sent."""

import pytest

from shipway.server.access.gate import Gate
from shipway.server.access.scopes import Scope
from shipway.server.http import heads
from shipway.server.http.connections import Connections
from shipway.server.http.heads import Head, KnownHeads
from shipway.server.http.protocol import HttpConnection
from shipway.server.settings import ServerSettings


class Timer:
    def cancel(self):
        pass


class Loop:
    """Only the sweep's timer is asked for, and never runs."""

    def call_later(self, *_):
        return Timer()


class Transport:
    def __init__(self):
        self.written = b""
        self.is_closed = False

    def write(self, data):
        self.written += data

    def can_write_eof(self):
        return False

    def is_closing(self):
        return self.is_closed

    def close(self):
        self.is_closed = True

    def pause_reading(self):
        pass

    resume_reading = pause_reading


class Client:
    """A connection whose requests are noted and answered with their bodies."""

    def __init__(self, connections=None, *, answers=True):
        self.connections = connections or Connections(ServerSettings(), Loop())
        self.seen = []
        self.heads = []
        self.answers = answers
        self.transport = Transport()
        self.protocol = HttpConnection(self.connections, self.handle)
        self.protocol.connection_made(self.transport)

    def handle(self, exchange):
        head = exchange.head
        self.heads.append(head)
        self.seen.append((head.method, head.target, dict(head.headers), exchange.body, exchange.is_last))
        if self.answers:
            exchange.answer(200, exchange.body)

    def send(self, *pieces):
        for piece in pieces:
            self.protocol.data_received(piece)
        return self.seen


def post(body=b"ab", *lines, target=b"/x", length=None):
    size = len(body) if length is None else length
    head = [b"POST " + target + b" HTTP/1.1", b"Host: h", b"Content-Length: %d" % size, *lines]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def test_a_repeated_head_is_not_parsed_again():
    client = Client()
    first, second = client.send(post(b"ab"), post(b"cd"))
    assert client.heads[1] is client.heads[0]
    assert first == (b"POST", b"/x", {b"host": b"h", b"content-length": b"2"}, b"ab", False)
    assert second == (*first[:3], b"cd", False)
    assert client.transport.written.count(b"HTTP/1.1 200 OK\r\n") == 2


def test_another_connection_knows_it_too():
    client = Client()
    client.send(post())
    other = Client(client.connections)
    assert other.send(post()) == client.seen
    assert other.heads[0] is client.heads[0]


@pytest.mark.parametrize(
    "pieces",
    [
        [post(b"cd")[:-1], b"d"],  # the body comes later
        [post(b"cd")[:-2], b"cd"],
        [post(b"cd")[:30], post(b"cd")[30:]],
        [bytes([byte]) for byte in post(b"cd")],
        [b"\r\n" + post(b"cd")],
        [b"\r\n\r\n", post(b"cd")],
    ],
)
def test_in_pieces(pieces):
    client = Client()
    client.send(post(b"ab"), *pieces)
    assert [body for *_, body, _ in client.seen] == [b"ab", b"cd"]
    client.send(post(b"ef"))
    assert [body for *_, body, _ in client.seen] == [b"ab", b"cd", b"ef"]


def test_pipelined_requests_behind_a_known_head():
    client = Client()
    client.send(post(b"ab"), post(b"cd") + post(b"ef", target=b"/y") + post(b"gh")[:-1], b"h")
    assert [(target, body) for _, target, _, body, _ in client.seen] == [
        (b"/x", b"ab"),
        (b"/x", b"cd"),
        (b"/y", b"ef"),
        (b"/x", b"gh"),
    ]


@pytest.mark.parametrize("silence", [b"\r\n\r\n", b"\r\n", b"\r\n\r\n\r\n\r\n"])
def test_empty_lines_repeat_nothing(silence):
    client = Client()
    client.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", silence, silence, silence)
    assert len(client.seen) == 1


def test_a_body_that_looks_like_a_head():
    inner = post(b"", target=b"/inner")
    client = Client()
    client.send(post(inner), post(inner), inner, post(inner))
    assert [target for _, target, *_ in client.seen] == [b"/x", b"/x", b"/inner", b"/x"]


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /x HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        post(b"ab", b"Expect: 100-continue"),
        b"GET /x HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        post(b"ab", b"X: " + b"x" * heads.MOST_HEAD_BYTES),
        post(b"ab", *(b"X%d: 1" % number for number in range(heads.MOST_HEADERS))),
    ],
)
def test_unusual_heads_are_parsed_each_time(request_):
    client = Client()
    client.send(request_, request_)
    assert client.seen[0] == client.seen[1]
    assert client.heads[0] is not client.heads[1]


def test_after_the_last_request_nothing_is_taken():
    """RFC 9112, 9.6: what follows `Connection: close` must not be processed."""
    client = Client(answers=False)
    client.send(post(b"ab"), post(b"cd", b"Connection: close"), post(b"ef"))
    assert [(body, is_last) for *_, body, is_last in client.seen] == [(b"ab", False), (b"cd", True)]


def test_connect_has_no_body_whatever_its_head_says():
    head, inner = b"CONNECT h:1 HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", post()
    head %= len(inner)
    once, twice = Client(), Client()
    once.send(head + inner)
    twice.send(head, head + inner)
    assert twice.seen == once.seen[:1] + once.seen
    assert [method for method, *_ in once.seen] == [b"CONNECT", b"POST"]


@pytest.mark.parametrize(
    "head",
    [
        b"POST /x HTTP/1.1\nHost: h\nContent-Length: 6\n\n",
        b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 6\n\r\n",
        b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\n",
    ],
)
def test_a_head_ends_nowhere_else(head):
    """The table takes the first empty line for the head's end, which holds only while llhttp insists on CRLF."""
    client = Client()
    client.send(head + b"\r\n\r\nab", head + b"\r\n\r\nab")
    assert client.seen == []


def test_the_table_is_bounded():
    known = KnownHeads()
    for number in range(3 * heads.MOST_HEADS):
        known.remember(b"%d" % number, Head(b"GET", b"/", {}))
        assert known.get(b"%d" % number) is not None
    assert sum(known.get(b"%d" % number) is not None for number in range(3 * heads.MOST_HEADS)) <= 512


def test_http_10_and_head_answers_stay_what_they_are():
    client = Client()
    old = b"POST /x HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nab"
    client.send(old, old)
    assert client.transport.written.count(b"Connection: keep-alive\r\n") == 2
    client = Client()
    only_head = b"HEAD / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nab"
    client.send(only_head, only_head)
    assert client.transport.written.count(b"\r\n\r\n") == 2
    assert client.transport.written.endswith(b"\r\n\r\n")


KEYS = '[[keys]]\nname = "a"\nkey = "a-key-of-a-client"\nscopes = ["infer"]\n'


@pytest.fixture
def gate(tmp_path):
    path = tmp_path / "keys.toml"
    path.touch(mode=0o600)
    path.write_text(KEYS)
    return Gate(path)


def get(*lines):
    return b"\r\n".join([b"GET /x HTTP/1.1", b"Host: h", *lines]) + b"\r\n\r\n"


def test_a_key_is_looked_at_once_per_head(gate):
    client = Client(Connections(ServerSettings(), Loop(), gate=gate))
    good = get(b"X-Api-Key: a-key-of-a-client")
    client.send(good, good)
    assert [head.reach for head in client.heads] == [Scope.INFER] * 2
    assert client.heads[0] is client.heads[1]
    client.connections.heads.forget()
    client.send(good)
    assert client.heads[2] is not client.heads[0]


def test_heads_of_refused_keys_are_not_kept(gate):
    """Else whoever guesses keys pushes out the heads of those who have one."""
    client = Client(Connections(ServerSettings(), Loop(), gate=gate))
    bad, none = get(b"Authorization: Bearer guess"), get()
    client.send(bad, bad, none, none)
    assert {head.reach for head in client.heads} == {Scope.OPEN}
    assert client.heads[0] is not client.heads[1]
    assert client.heads[2] is client.heads[3]


def test_a_body_without_a_key_is_never_handled(gate):
    client = Client(Connections(ServerSettings(), Loop(), gate=gate))
    client.send(post(b"ab")[:-2])
    assert client.seen == []
    assert client.transport.written.startswith(b"HTTP/1.1 401 ")
    assert b"WWW-Authenticate: Bearer\r\n" in client.transport.written


def test_what_a_body_holds_is_let_go():
    connections = Connections(ServerSettings(), Loop())
    large = post(b"x" * 100_000)
    client = Client(connections, answers=False)
    client.send(large[:70_000], large[70_000:90_000])
    assert connections.buffered_bytes > 60_000
    client.send(large[90_000:])
    assert connections.buffered_bytes == 100_000
    client.protocol.exchanges[0].answer(200, b"")
    assert connections.buffered_bytes == 0
    client.send(large, large[:80_000])
    client.protocol.connection_lost(None)
    assert connections.buffered_bytes == 0


def test_who_does_not_take_the_last_answer_is_cut_off():
    """The transport waits for the client before it closes, for ever; the sweep does not."""
    client = Client()
    client.transport.abort = lambda: setattr(client.transport, "is_aborted", True)
    client.send(post(b"ab", b"Connection: close"))
    assert client.transport.is_closed
    for _ in range(60):
        assert not hasattr(client.transport, "is_aborted")
        client.protocol.sweep(1.0)
    client.protocol.sweep(1.0)
    assert client.transport.is_aborted
