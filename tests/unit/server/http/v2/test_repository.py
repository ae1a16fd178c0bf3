"""The repository extension: what reaches the fleet, what is refused, and several processes as one answer."""

import asyncio
import gzip
import json

import pytest

from shipway.errors import (
    LoadRefusedError,
    MalformedRequestError,
    RouteNotFoundError,
    UnsupportedRequestError,
)
from shipway.server.access.scopes import Scope
from shipway.server.fleet import Alone
from shipway.server.http.bodies import Bodies
from shipway.server.http.heads import Head
from shipway.server.http.v2.repository import NoRepository, RepositoryTranslator, merge

ROW = {"name": "m", "version": "1", "state": "READY", "reason": ""}


class Exchange:
    """A request, and what it is answered."""

    def __init__(self, body=b"", headers=None):
        self.body = body
        self.head = Head(b"POST", b"/", headers or {})
        self.answered = asyncio.get_running_loop().create_future()

    def answer(self, status, body):
        self.answered.set_result((status, json.loads(body)))

    def fail(self, error):
        self.answered.set_exception(error)


def asked(path, body=b"", headers=None, refuse=None):
    """What the fleet was asked, and what came of it."""
    calls = []

    def operation(name):
        async def run(arguments):
            calls.append((name, dict(arguments)))
            if refuse is not None:
                raise refuse
            return [ROW]

        return run

    async def ask():
        fleet = Alone({name: operation(name) for name in ("index", "load", "unload")})
        endpoint = RepositoryTranslator(fleet, Bodies(10_000)).find(path.strip("/").split("/"))
        assert (endpoint.methods, endpoint.scope) == ((b"POST",), Scope.ADMIN)
        exchange = Exchange(body, headers)
        endpoint.handle(exchange)
        return await exchange.answered

    return calls, asyncio.run(ask())


@pytest.mark.parametrize(
    ("path", "body", "call"),
    [
        ("v2/repository/index", b"", ("index", {"ready": False})),
        ("v2/repository/index", b'{"ready": true}', ("index", {"ready": True})),
        ("v2/repository/models/m/load", b"{}", ("load", {"name": "m"})),
        ("v2/repository/models/m/versions/2/load", b"", ("load", {"name": "m", "version": "2"})),
        (
            "v2/repository/models/m/unload",
            b'{"parameters": {"unload_dependents": false}}',
            ("unload", {"name": "m"}),
        ),
    ],
)
def test_what_the_fleet_is_asked(path, body, call):
    calls, (status, rows) = asked(path, body)
    assert (calls, status, rows) == ([call], 200, [ROW])


def test_a_compressed_body():
    calls, _ = asked("v2/repository/index", gzip.compress(b'{"ready": true}'), {b"content-encoding": b"gzip"})
    assert calls == [("index", {"ready": True})]


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"parameters": {"config": "{}"}}', UnsupportedRequestError),
        (b'{"parameters": {"file:1/model.onnx": "eA=="}}', UnsupportedRequestError),
        (b'{"parameters": {"path": "/etc"}}', UnsupportedRequestError),
        (b"[", MalformedRequestError),
        (b'{"ready": "yes"}', MalformedRequestError),
        (b"\xff", MalformedRequestError),
    ],
)
def test_what_is_refused_reaches_nobody(body, error):
    """GHSA-8fxr-qfr9-p34w, serve#2610: no model comes along with a request, and no path."""
    with pytest.raises(error):
        asked("v2/repository/models/m/load", body)


def test_what_the_fleet_refuses_is_the_answer():
    with pytest.raises(LoadRefusedError, match="not fit"):
        asked("v2/repository/models/m/load", refuse=LoadRefusedError("not fit"))


def test_other_paths_are_not_its_own():
    translator = RepositoryTranslator(Alone({}), Bodies(10))
    assert translator.find(["v2", "repository", "models", "m"]) is None
    assert translator.find(["v2", "models", "m"]) is None


@pytest.mark.parametrize(
    ("is_elsewhere", "words"), [(True, "is on the management"), (False, "--management-port")]
)
def test_a_port_without_it_says_where_it_is(is_elsewhere, words):
    absent = NoRepository(is_elsewhere=is_elsewhere)
    with pytest.raises(RouteNotFoundError) as caught:
        absent.find(["v2", "repository", "index"])
    assert words in caught.value.hint
    assert absent.find(["v2"]) is None


def test_a_version_is_ready_where_it_is_in_every_process():
    failed = ROW | {"state": "UNAVAILABLE", "reason": "no memory"}
    other = ROW | {"version": "2"}
    for told in ([[ROW, other], [failed]], [[failed], [ROW, other]]):
        assert sorted(merge(told), key=lambda row: row["version"]) == [failed, other]
    assert merge([[ROW], [ROW]]) == [ROW]
