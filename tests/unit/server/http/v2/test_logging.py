"""The logging extension: levels are read and changed, and no file is named by a request."""

import asyncio
import json
import logging

import pytest

from shipway.errors import MalformedRequestError, UnsupportedRequestError
from shipway.server.access.scopes import Scope
from shipway.server.fleet import Alone
from shipway.server.http.bodies import Bodies
from shipway.server.http.heads import Head
from shipway.server.http.v2.logging import EXTENSION, LoggingTranslator, operation


class Exchange:
    def __init__(self, method, body):
        self.head, self.body = Head(method, b"/v2/logging", {}), body
        self.answered = asyncio.get_running_loop().create_future()

    def answer(self, status, body):
        self.answered.set_result((status, json.loads(body)))

    def fail(self, error):
        self.answered.set_exception(error)


@pytest.fixture
def logger():
    made = logging.Logger("shipway.tried")
    made.setLevel(logging.INFO)
    return made


def ask(logger, method, body=b""):
    async def run():
        translator = LoggingTranslator(Alone({EXTENSION: operation(logger)}), Bodies(1000))
        endpoint = translator.find(["v2", "logging"])
        assert endpoint.scope is Scope.ADMIN
        assert method in endpoint.methods
        assert translator.find(["v2", "logging", "more"]) is None
        exchange = Exchange(method, body)
        endpoint.handle(exchange)
        return await exchange.answered

    return asyncio.run(run())


def test_it_is_told(logger):
    assert ask(logger, b"GET") == (
        200,
        {
            "log_file": "",
            "log_info": True,
            "log_warning": True,
            "log_error": True,
            "log_verbose_level": 0,
            "log_format": "default",
        },
    )
    assert logger.level == logging.INFO


@pytest.mark.parametrize(
    ("body", "level"),
    [
        (b'{"log_info": false}', logging.WARNING),
        (b'{"log_info": false, "log_warning": false}', logging.ERROR),
        (b'{"log_info": false, "log_warning": false, "log_error": false}', logging.CRITICAL),
        (b'{"log_verbose_level": 1}', logging.DEBUG),
        (b'{"log_format": "default", "log_file": ""}', logging.INFO),
        (b"", logging.INFO),
    ],
)
def test_it_is_changed(logger, body, level):
    _, settings = ask(logger, b"POST", body)
    assert logger.level == level
    assert settings["log_info"] == (level <= logging.INFO)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"log_file": "/etc/passwd"}', UnsupportedRequestError),
        (b'{"log_format": "ISO8601"}', UnsupportedRequestError),
        (b'{"log_info": "yes"}', MalformedRequestError),
        (b'{"log_everything": true}', MalformedRequestError),
        (b"{", MalformedRequestError),
    ],
)
def test_what_is_refused_changes_nothing(logger, body, error):
    with pytest.raises(error):
        ask(logger, b"POST", body)
    assert logger.level == logging.INFO
