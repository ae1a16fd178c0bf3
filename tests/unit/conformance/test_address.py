"""Addresses as users write them, kept connections, and TLS."""

from __future__ import annotations

import socket
import ssl
import threading

import pytest
import trustme

from odd_server import Closing, http, odd_server
from shipway.conformance.address import Address, Client
from shipway.errors import EndpointAnswerError, EndpointUnreachableError, UsageError
from shipway.targets.credentials import Credentials


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://host", Address("http", "host", 80, "", None)),
        ("https://host/", Address("https", "host", 443, "", None)),
        ("http://[::1]:8000", Address("http", "::1", 8000, "", None)),
        ("http://host:1/a/b", Address("http", "host", 1, "/a/b", None)),
        ("http://host:1/a/v2/models/m%20x/versions/1", Address("http", "host", 1, "/a", "m x")),
        ("http://host:1/v2", Address("http", "host", 1, "", None)),
        ("http://host:1/v1/models/m:predict", Address("http", "host", 1, "", "m:predict")),
    ],
)
def test_addresses(url, expected):
    assert Address.parse(url) == expected


@pytest.mark.parametrize(
    "url", ["host:80", "ftp://host", "http://", "http://h:99999", "http://a b", "http://[::1"]
)
def test_what_is_none(url):
    with pytest.raises(UsageError, match="is not an address"):
        Address.parse(url)


def client(url: str, **more) -> Client:
    return Client(Address.parse(url), timeout_seconds=5, **more)


class TestConnections:
    def test_are_kept(self):
        with odd_server(lambda _: http(b"a")) as server:
            asking = client(server.url)
            for _ in range(3):
                asking.ask("GET", "/v2")
            asking.close()
        assert server.connections == 1

    def test_are_made_anew_after_the_last_answer(self):
        with odd_server(lambda _: Closing(http(b"a", Connection="close"))) as server:
            asking = client(server.url)
            assert [asking.ask("GET", "/v2").status for _ in range(2)] == [200, 200]
        assert server.connections == 2

    def test_that_were_closed_while_they_rested_are_made_anew_once(self):
        with odd_server(lambda _: Closing(http(b"a"))) as server:
            asking = client(server.url)
            assert [asking.ask("GET", "/v2").status for _ in range(2)] == [200, 200]
            asking.close()
        assert len(server.requests) == 2

    def test_that_end_instead_of_an_answer_are_not_asked_again(self):
        with odd_server(lambda _: Closing(b"")) as server, pytest.raises(EndpointAnswerError):
            client(server.url).ask("GET", "/v2")
        assert len(server.requests) == 1

    def test_go_to_the_prefix(self):
        with odd_server(lambda _: http(b"a")) as server:
            asking = client(f"{server.url}/serving/v2/models/m")
            asking.ask("GET", "/v2")
            asking.close()
        assert server.requests[0].path == "/serving/v2"


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def certificate(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def tls_port(authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        try:
            with context.wrap_socket(connection, server_side=True) as wrapped:
                wrapped.recv(65536)
                wrapped.sendall(http(b"over TLS", Connection="close"))
        except OSError:  # a client that does not trust it
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


class TestTls:
    def test_with_its_authority(self, tls_port, certificate):
        asking = client(f"https://127.0.0.1:{tls_port}", credentials=Credentials(ca=certificate))
        assert asking.ask("GET", "/v2").body == b"over TLS"

    def test_without_it(self, tls_port):
        with pytest.raises(EndpointUnreachableError, match="no authority that is trusted") as caught:
            client(f"https://127.0.0.1:{tls_port}").ask("GET", "/v2")
        assert "--ca" in caught.value.hint

    def test_a_file_that_is_no_certificate(self, tmp_path):
        (tmp_path / "ca.pem").write_text("no certificate")
        for path in (tmp_path / "ca.pem", tmp_path / "missing.pem"):
            with pytest.raises(UsageError, match="holds no certificate"):
                client("https://127.0.0.1:1", credentials=Credentials(ca=path))
