"""The head again without its offer: all that frames the body, and nothing that changes the protocol."""

from contextlib import suppress

import httptools
import pytest

from shipway.errors import UnsupportedRequestError
from shipway.server.http.offers import head_without_offer


class Reading:
    """What a connection does, as far as its parser needs it."""

    def __init__(self, text):
        self.headers, self.target, self.head = {}, b"", None
        self.parser = httptools.HttpRequestParser(self)
        with suppress(httptools.HttpParserUpgrade):
            self.parser.feed_data(text)

    def on_url(self, url):
        self.target += url

    def on_header(self, name, value):
        self.headers[name.lower()] = value

    def on_headers_complete(self):
        self.head = head_without_offer(self.parser, self.target, self.headers)


def test_what_frames_the_body_stays_and_the_offer_goes():
    text = b"POST /a HTTP/1.1\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\n"
    expected = b"POST /a HTTP/1.1\r\nhost: b\r\nconnection: Upgrade\r\ncontent-length: 5\r\n\r\n"
    assert Reading(text).head == expected


def test_a_connection_that_ends_still_ends():
    text = (
        b"POST /a HTTP/1.1\r\nConnection: close\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n"
    )
    again = Reading(Reading(text).head)
    assert not again.parser.should_keep_alive()
    assert again.headers == {b"connection": b"close", b"transfer-encoding": b"chunked"}


def test_a_header_that_the_connection_does_not_name_is_no_offer():
    assert Reading(b"POST /a HTTP/1.1\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\n").head == b""


def test_a_tunnel_is_refused():
    with pytest.raises(httptools.HttpParserCallbackError) as caught:
        Reading(b"CONNECT a:80 HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n\r\n")
    assert isinstance(caught.value.__context__, UnsupportedRequestError)
