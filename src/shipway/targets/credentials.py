"""What a client has for a server that does not answer everybody: a key, a CA to trust, a certificate to show.

The key stands in the header `Authorization` and nowhere else: no error, document or `repr` has it.
"""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shipway.errors import UsageError

_HIDDEN = "…"


@dataclass(frozen=True)
class Credentials:
    """For one server, or two that are compared. Nothing is read before a server is asked.

    Raises `UsageError` for a key that no header can hold, and for a private key without its certificate.
    """

    api_key: str | None = field(default=None, repr=False)
    """Sent as `Authorization: Bearer` (RFC 6750, 2.1)."""
    ca: Path | str | None = None
    """PEM file of the CAs to trust; None: those that this system trusts."""
    client_cert: Path | str | None = None
    """PEM file of the certificate to show (mTLS), with those that lead to its root after it."""
    client_key: Path | str | None = None
    """PEM file of its private key; None: it is in `client_cert` too."""

    def __post_init__(self) -> None:
        key = self.api_key
        if key is not None and not (key and key.isascii() and key.isprintable() and " " not in key):
            raise UsageError(
                "An API key is a word of visible ASCII characters; the one that was given is not.",
                hint="Check --api-key and SHIPWAY_API_KEY for spaces and line ends.",
            )
        if self.client_key is not None and self.client_cert is None:
            raise UsageError(
                f"A private key ({self.client_key}) was given, and no certificate that it belongs to.",
                hint="Give --client-cert too.",
            )

    @property
    def headers(self) -> Mapping[str, str]:
        """What every request carries."""
        return {} if self.api_key is None else {"Authorization": f"Bearer {self.api_key}"}

    def hide(self, text: str) -> str:
        """The text, with the key left out: what a server repeats of a request may be shown."""
        return text if self.api_key is None else text.replace(self.api_key, _HIDDEN)

    def tls(self) -> ssl.SSLContext:
        """For connections over HTTPS; the server's certificate and host name are always verified.

        Raises `UsageError` for files that cannot be used.
        """
        context = _trusting(self.ca)
        if self.client_cert is not None:
            _show(context, Path(self.client_cert), Path(self.client_key or self.client_cert))
        return context


def _trusting(ca: Path | str | None) -> ssl.SSLContext:
    if ca is None:
        return ssl.create_default_context()
    try:
        return ssl.create_default_context(cafile=str(ca))
    except OSError as error:  # SSLError is one
        raise UsageError(
            f"{ca} holds no certificate that could be read: {_reason(error)}.",
            hint="Give --ca the PEM file of the authority that issued the server's certificate.",
        ) from error


def _show(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    for path in (certificate, key):
        try:
            path.open("rb").close()  # `load_cert_chain` does not say which of the two it could not read
        except OSError as error:
            raise UsageError(
                f"{path} cannot be read: {_reason(error)}.", hint="Check --client-cert and --client-key."
            ) from error
    try:
        context.load_cert_chain(certificate, key, password=_refuse_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise UsageError(
                f"The key in {key} is not the key of the certificate in {certificate}.",
                hint="The client's own certificate stands first in its file.",
            ) from error
        raise UsageError(
            f"The certificate in {certificate} or the key in {key} cannot be used: {_reason(error)}.",
            hint="Give --client-cert and --client-key files in PEM form.",
        ) from error


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _refuse_password() -> str:
    """Without it OpenSSL would ask on the terminal, and a command in a pipeline would wait there."""
    raise UsageError(
        "The private key of --client-key is encrypted.",
        hint="openssl pkey -in KEY -out PLAIN_KEY decrypts it.",
    )
