"""One server asked again and again: addresses in their parts, the key on every request, proxies passed by."""

from __future__ import annotations

import pytest

from odd_server import Closing, http, odd_server
from shipway.errors import UsageError
from shipway.targets.client import Client, split_url
from shipway.targets.credentials import Credentials


@pytest.mark.parametrize(
    ("url", "host", "port", "base", "path"),
    [
        ("http://h", "h", 80, "http://h", ""),
        ("https://h/", "h", 443, "https://h", "/"),
        ("https://[::1]:8443/a/v2", "::1", 8443, "https://[::1]:8443", "/a/v2"),
    ],
)
def test_an_address_has_parts(url: str, host: str, port: int, base: str, path: str) -> None:
    address = split_url(url)
    assert (address.host, address.port, address.url, address.path) == (host, port, base, path)


def test_the_key_goes_with_every_request_over_connections_old_and_new() -> None:
    replies = iter([http("a"), Closing(http("b")), http("c")])
    with odd_server(lambda _: next(replies)) as odd:
        client = Client(split_url(odd.url), Credentials(api_key="hush"))
        assert [client.ask("GET", "/v2", headers={"X-One": "1"}).body for _ in range(3)] == [b"a", b"b", b"c"]
        client.close()
    assert odd.connections == 2
    assert {request.headers["authorization"] for request in odd.requests} == {"Bearer hush"}
    assert {request.headers["x-one"] for request in odd.requests} == {"1"}


def test_no_proxy_of_the_environment_gets_the_key(monkeypatch: pytest.MonkeyPatch, unused_port: int) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{unused_port}")
    with odd_server(lambda _: http("direct")) as odd:
        client = Client(split_url(odd.url), Credentials(api_key="hush"))
        assert client.ask("GET", "/v2").body == b"direct"
        client.close()


def test_certificates_are_read_when_they_are_needed() -> None:
    """Not for plain HTTP, where nobody is shown one."""
    credentials = Credentials(ca="missing.pem")
    assert Client(split_url("http://h"), credentials).tls is None
    with pytest.raises(UsageError, match=r"missing\.pem"):
        Client(split_url("https://h"), credentials).ask("GET", "/")
