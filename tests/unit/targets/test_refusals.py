"""What goes wrong before an answer, each made to happen by a real server, in words that say what to do."""

from __future__ import annotations

import contextlib
import datetime
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path

import pytest
import trustme

from odd_server import Closing, odd_server
from odd_server import http as answer_of
from served.certificates import Authority
from shipway.errors import EndpointAnswerError, EndpointUnreachableError
from shipway.targets.client import Client, split_url
from shipway.targets.credentials import Credentials
from shipway.targets.refusals import explain, hint_of_redirect, key_refused

Changing = Callable[[ssl.SSLContext], None]
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@contextlib.contextmanager
def tls_server(certificate: trustme.LeafCert, change: Changing = lambda _: None) -> Iterator[str]:
    """Shakes hands once, answers if that went well, and lets its alert arrive if it did not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    change(context)

    def serve(listener: socket.socket) -> None:
        plain, _ = listener.accept()
        with plain, contextlib.suppress(OSError):
            plain.settimeout(10)
            try:
                with context.wrap_socket(plain.dup(), server_side=True) as secure:
                    secure.recv(65536)
                    secure.sendall(answer_of("over TLS"))
            except OSError:
                plain.shutdown(socket.SHUT_WR)
            while plain.recv(65536):
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(20)
    assert not thread.is_alive()


def failure(url: str, credentials: Credentials) -> EndpointUnreachableError:
    client = Client(split_url(url), credentials, timeout_seconds=10)
    with pytest.raises(EndpointUnreachableError) as caught:
        client.ask("GET", "/v2")
    client.close()
    assert url in caught.value.message
    return caught.value


def test_a_server_whose_authority_is_trusted_is_asked(authority: trustme.CA, ca: Path) -> None:
    with tls_server(authority.issue_cert("127.0.0.1")) as url:
        client = Client(split_url(url), Credentials(ca=ca))
        assert client.ask("GET", "/v2").body == b"over TLS"
        client.close()


@pytest.mark.parametrize(
    ("names", "dates", "says", "hint"),
    [
        (["other.example"], {}, "not for this IP address", "name that is in its certificate"),
        (["127.0.0.1"], {"not_before": NOW - 9 * DAY, "not_after": NOW - DAY}, "has expired", "renew"),
        (["127.0.0.1"], {"not_before": NOW + DAY, "not_after": NOW + 9 * DAY}, "not valid yet", "clocks"),
    ],
    ids=["another name", "expired", "not yet valid"],
)
def test_a_certificate_that_does_not_do(
    authority: trustme.CA,
    ca: Path,
    names: list[str],
    dates: dict[str, datetime.datetime],
    says: str,
    hint: str,
) -> None:
    with tls_server(authority.issue_cert(*names, **dates)) as url:
        error = failure(url, Credentials(ca=ca))
    assert says in error.message
    assert hint in error.hint


def test_another_host_name(authority: trustme.CA, ca: Path) -> None:
    with tls_server(authority.issue_cert("other.example")) as url:
        assert (
            "another host name" in failure(url.replace("127.0.0.1", "localhost"), Credentials(ca=ca)).message
        )


@pytest.mark.parametrize("is_other", [False, True], ids=["the system's authorities", "another authority"])
def test_an_authority_that_is_not_trusted(authority: trustme.CA, tmp_path: Path, is_other: bool) -> None:
    other = Authority(tmp_path).certificate
    with tls_server(authority.issue_cert("127.0.0.1")) as url:
        error = failure(url, Credentials(ca=other if is_other else None))
    assert "no authority that is trusted" in error.message
    assert "--ca" in error.hint


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("has_one", [False, True], ids=["none", "a stranger's"])
def test_a_client_certificate_that_is_missing_or_a_strangers(
    authority: trustme.CA, ca: Path, tmp_path: Path, version: ssl.TLSVersion, has_one: bool
) -> None:
    def ask_for_one(context: ssl.SSLContext) -> None:
        context.minimum_version = context.maximum_version = version
        context.verify_mode = ssl.CERT_REQUIRED
        authority.configure_trust(context)

    pair = Authority(tmp_path).issue("stranger", "client.example")
    stranger = Credentials(ca=ca, client_cert=pair.certificate, client_key=pair.key)
    with tls_server(authority.issue_cert("127.0.0.1"), ask_for_one) as url:
        error = failure(url, stranger if has_one else Credentials(ca=ca))
    if has_one:
        assert "does not take the client's" in error.message
    elif version is ssl.TLSVersion.TLSv1_3:
        assert "asks for a certificate" in error.message
    else:  # its alert says no more than that (RFC 5246, 7.4.6)
        assert "handshake failure" in error.message
        assert "may ask for a certificate" in error.hint
    assert "--client-cert" in error.hint
    assert "--client-key" in error.hint


def test_plain_http_where_https_was_asked(ca: Path) -> None:
    refusal = Closing(answer_of("This is HTTP", "400 Bad Request"))
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(refusal)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        error = failure(f"https://127.0.0.1:{port}", Credentials(ca=ca))
        thread.join(10)
    assert "does not speak TLS" in error.message
    assert f"http://127.0.0.1:{port}" in error.hint


@pytest.mark.parametrize("first", [b"\x15\x03\x01\x00\x02\x02\x46", b""], ids=["an alert", "nothing"])
def test_https_where_plain_http_was_asked(first: bytes) -> None:
    """TLS servers answer with an alert, or with nothing."""
    with odd_server(lambda _: Closing(first)) as odd:
        error = failure(odd.url, Credentials())
    assert odd.url.replace("http:", "https:") in error.hint


def test_what_may_be_a_client_certificate_says_so() -> None:
    gone = http.client.RemoteDisconnected("gone")
    assert "--client-cert" in explain(gone, "https://h", Credentials()).hint
    assert "refuses the client's certificate" in explain(gone, "https://h", Credentials(client_cert="c")).hint
    assert not explain(gone, "https://h", Credentials()).is_known


def test_what_has_no_words_of_its_own_has_its_kind() -> None:
    assert explain(TimeoutError(), "http://h", Credentials()).text == "timed out"
    assert explain(ConnectionAbortedError(), "http://h", Credentials()).text == "ConnectionAbortedError"


@pytest.mark.parametrize(
    ("status", "key", "says"),
    [(401, None, "none was given"), (401, "k", "does not know"), (403, "k", "scope"), (403, None, "scope")],
)
def test_a_key_that_does_not_do(status: int, key: str | None, says: str) -> None:
    error = key_refused(status, "http://h", Credentials(api_key=key))
    assert isinstance(error, EndpointAnswerError)
    assert str(status) in error.message
    assert says in error.message
    assert "--api-key" in error.hint
    assert "SHIPWAY_API_KEY" in error.hint


def test_other_statuses_are_not_about_keys() -> None:
    assert [key_refused(status, "http://h", Credentials()) for status in (200, 400, 404, 407, 500)] == [
        None
    ] * 5


def test_where_a_redirect_leads_is_told() -> None:
    headers = Message()
    assert hint_of_redirect(headers, "otherwise") == "otherwise"
    headers["Location"] = "https://elsewhere"
    assert "https://elsewhere" in hint_of_redirect(headers, "otherwise")
