"""TLS contexts: what is refused, in which words, and what a client is offered."""

import logging
import ssl

import pytest

from served.certificates import Authority, dated, encrypted
from shipway.errors import UsageError
from shipway.server.access.tls import Tls


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def handshake(context, **client_options):
    """What a client gets to see, by a handshake in memory."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    client.set_alpn_protocols(["h2", "http/1.1"])
    for name, value in client_options.items():
        setattr(client, name, value)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = client.wrap_bio(to_client, to_server), context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(6):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return ends[0]


def test_modern_and_plain_clients(authority):
    pair = authority.issue()
    seen = handshake(Tls(pair.certificate, pair.key, None).context)
    assert (seen.version(), seen.selected_alpn_protocol()) == ("TLSv1.3", "http/1.1")
    older = handshake(Tls(pair.certificate, pair.key, None).context, maximum_version=ssl.TLSVersion.TLSv1_2)
    assert older.version() == "TLSv1.2"
    assert "ECDHE" in older.cipher()[0]


def test_tls_1_1_is_too_old(authority):
    pair = authority.issue()
    assert Tls(pair.certificate, pair.key, None).context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_key_and_certificate_in_one_file(authority, tmp_path):
    pair = authority.issue()
    both = tmp_path / "both.pem"
    both.write_bytes(pair.key.read_bytes() + pair.certificate.read_bytes())
    assert handshake(Tls(both, None, None).context).version() == "TLSv1.3"


def test_what_is_wrong_is_named(authority, tmp_path):
    pair, other = authority.issue(), authority.issue("other")
    text = tmp_path / "text.pem"
    text.write_text("no PEM")
    broken = tmp_path / "broken.pem"
    broken.write_bytes(pair.certificate.read_bytes()[:300] + b"\n-----END CERTIFICATE-----\n")
    for files, words in [
        ((tmp_path / "none.pem", pair.key, None), r"tls_certificate: .*none\.pem cannot be read"),
        ((text, pair.key, None), r"tls_certificate: .*text\.pem holds no certificate in PEM"),
        ((pair.certificate, text, None), r"tls_key: .*text\.pem holds no private key in PEM"),
        ((pair.certificate, None, None), r"tls_key: .*server\.pem holds no private key"),
        ((pair.certificate, other.key, None), "is not the key of the certificate"),
        ((broken, pair.key, None), r"broken\.pem .*cannot be used"),
        ((pair.certificate, pair.key, text), r"tls_client_ca: .*text\.pem"),
        ((pair.certificate, encrypted(pair, tmp_path), None), "tls_key: the key is encrypted"),
    ]:
        with pytest.raises(UsageError, match=words):
            Tls(*files)


@pytest.mark.parametrize(
    ("days", "words"), [((-20, -1), "has expired"), ((5, 9), "is not valid yet"), ((-1, 9), "")]
)
def test_dates_that_clients_will_refuse_are_told(tmp_path, caplog, days, words):
    caplog.set_level(logging.WARNING)
    pair = dated(tmp_path, "dated", starts_in_days=days[0], ends_in_days=days[1])
    Tls(pair.certificate, pair.key, None)
    assert (words in caplog.text) if words else (caplog.text == "")


def test_a_new_certificate_is_shown_to_new_connections(authority, tmp_path):
    pair = authority.issue()
    tls = Tls(pair.certificate, pair.key, None)
    before = handshake(tls.context).getpeercert(binary_form=True)
    authority.issue()  # over the same files
    assert handshake(tls.context).getpeercert(binary_form=True) == before
    tls.read_anew()
    assert handshake(tls.context).getpeercert(binary_form=True) != before


def test_a_bad_new_file_leaves_the_old_certificate(authority):
    pair = authority.issue()
    tls = Tls(pair.certificate, pair.key, None)
    before = handshake(tls.context).getpeercert(binary_form=True)
    pair.certificate.write_text("gone")
    with pytest.raises(UsageError):
        tls.read_anew()
    assert handshake(tls.context).getpeercert(binary_form=True) == before
