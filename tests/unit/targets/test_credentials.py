"""Keys and certificates of a client: what is sent, what is shown of them, and files that are none."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from served.certificates import Authority, encrypted
from shipway.errors import UsageError
from shipway.targets.credentials import Credentials


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"))


def test_the_key_is_sent_and_never_shown() -> None:
    credentials = Credentials(api_key="hush-hush")
    assert credentials.headers == {"Authorization": "Bearer hush-hush"}
    assert "hush" not in repr(credentials)
    assert credentials.hide("it was hush-hush") == "it was …"
    assert Credentials().headers == {}
    assert Credentials().hide("as it is") == "as it is"


@pytest.mark.parametrize("key", ["", "two words", "hush\r\nX-Evil: 1", "schlüssel", "tab\there"])
def test_a_key_that_no_header_can_hold(key: str) -> None:
    with pytest.raises(UsageError, match="visible ASCII") as caught:
        Credentials(api_key=key)
    assert not key or key not in str(caught.value)


def test_a_key_without_its_certificate() -> None:
    with pytest.raises(UsageError, match=r"client\.key") as caught:
        Credentials(client_key="client.key")
    assert "--client-cert" in caught.value.hint


def test_names_and_certificates_are_verified(authority: Authority) -> None:
    context = Credentials(ca=authority.certificate).tls()
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert len(context.get_ca_certs()) == 1


def test_certificate_and_key_may_share_a_file(authority: Authority, tmp_path: Path) -> None:
    pair = authority.issue("joined", "client.example")
    both = tmp_path / "both.pem"
    both.write_bytes(pair.certificate.read_bytes() + pair.key.read_bytes())
    Credentials(client_cert=both).tls()


def test_files_that_cannot_be_used(authority: Authority, tmp_path: Path) -> None:
    pair, other = authority.issue("one", "a.example"), authority.issue("two", "b.example")
    text, missing = tmp_path / "text.pem", tmp_path / "missing.pem"
    text.write_text("no certificate")
    for credentials, says in (
        (Credentials(ca=text), r"text\.pem holds no certificate"),
        (Credentials(ca=missing), r"missing\.pem.*No such file"),
        (Credentials(client_cert=missing), r"missing\.pem cannot be read: No such file"),
        (Credentials(client_cert=pair.certificate, client_key=missing), r"missing\.pem cannot be read"),
        (Credentials(client_cert=text, client_key=pair.key), r"text\.pem or the key .* cannot be used"),
        (
            Credentials(client_cert=pair.certificate, client_key=other.key),
            "is not the key of the certificate",
        ),
        (Credentials(client_cert=pair.certificate, client_key=encrypted(pair, tmp_path)), "is encrypted"),
    ):
        with pytest.raises(UsageError, match=says) as caught:
            credentials.tls()
        assert caught.value.hint
