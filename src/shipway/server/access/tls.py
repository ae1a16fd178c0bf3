"""TLS for a listener: 1.2 and up, with forward secrecy, and client certificates where a CA is given for them."""

from __future__ import annotations

import logging
import ssl
from pathlib import Path

from shipway.errors import PermissionDeniedError, UsageError

log = logging.getLogger("shipway.server")

_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: authenticated ones with forward secrecy (RFC 9325, 4.2). Those of TLS 1.3 all are."""
_PROTOCOLS = ["http/1.1"]
_MOST_FLIGHTS = 6
_VERDICTS = {9: "is not valid yet", 10: "has expired"}
"""X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL's x509_vfy.h."""


class Tls:
    """A context that can take new files while it is used."""

    def __init__(self, certificate: Path, key: Path | None, client_ca: Path | None) -> None:
        """Reads the files. Raises `UsageError`, `PermissionDeniedError`."""
        self._certificate = certificate
        self._key = key or certificate
        self._client_ca = client_ca
        self.context = self._make()

    def read_anew(self) -> None:
        """The files have changed: connections from now on get the new certificate.

        Raises as at first, and then keeps the old one. A CA that is gone from `tls_client_ca` counts until the
        server ends: a context in use cannot forget one.
        """
        self._make()
        _load_pair(self.context, self._certificate, self._key)
        if self._client_ca is not None:
            _load_ca(self.context, self._client_ca)

    def _make(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(_PROTOCOLS)
        # A renegotiation costs the server ten times what it costs the client.
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        _load_pair(context, self._certificate, self._key)
        _warn_of_dates(context, self._certificate)
        if self._client_ca is not None:
            _load_ca(context, self._client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _load_pair(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    _require_pem(certificate, "tls_certificate", b"CERTIFICATE-----")
    _require_pem(key, "tls_key", b"PRIVATE KEY-----")
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(
                f"The key in {key} is not the key of the certificate in {certificate}.",
                hint="The server's own certificate stands first in its file, those that vouch for it after it.",
            ) from error
        raise UsageError(
            f"The certificate in {certificate} or the key in {key} cannot be used: {error.reason or error}."
        ) from error


def _load_ca(context: ssl.SSLContext, path: Path) -> None:
    _require_pem(path, "tls_client_ca", b"CERTIFICATE-----")
    try:
        context.load_verify_locations(path)
    except ssl.SSLError as error:
        raise UsageError(f"tls_client_ca: {path} cannot be used: {error.reason or error}.") from error


def _require_pem(path: Path, setting: str, mark: bytes) -> None:
    try:
        content = path.read_bytes()
    except PermissionError as error:
        raise PermissionDeniedError(f"{setting}: this user may not read {path}.") from error
    except OSError as error:
        raise UsageError(f"{setting}: {path} cannot be read: {error.strerror}.") from error
    if mark not in content:
        what = mark.decode().rstrip("-").lower()
        raise UsageError(
            f"{setting}: {path} holds no {what} in PEM form.",
            hint=f"PEM files have a line -----BEGIN … {what.upper()}-----; openssl converts others.",
        )


def _refuse_password() -> str:
    """Without it OpenSSL would ask on the terminal, and a server would wait there."""
    raise UsageError(
        "tls_key: the key is encrypted.", hint="openssl pkey -in KEY -out PLAIN_KEY decrypts it."
    )


def _warn_of_dates(server: ssl.SSLContext, certificate: Path) -> None:
    """Says so when clients will refuse the certificate for its dates.

    It is found out as a client finds it out: by a handshake, in memory, that trusts this very certificate.
    """
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.load_verify_locations(certificate)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    for _ in range(_MOST_FLIGHTS):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                if error.verify_code in _VERDICTS:
                    log.warning("the certificate in %s %s", certificate, _VERDICTS[error.verify_code])
                return
            except ssl.SSLError:  # of another kind: clients will tell, by what they trust
                return
