"""What goes wrong between a client and a server, in words that say what to do: translated here, once.

Rules alone: exceptions and statuses come in, errors of ours go out.
"""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from email.message import Message
from typing import Final

from shipway.errors import EndpointAnswerError, EndpointUnreachableError
from shipway.targets.credentials import Credentials

_TLS_RECORD: Final = "\x15\x03"
"""How a TLS alert begins (RFC 8446, 5.1): what many a server that speaks TLS answers to plain HTTP."""
_VERIFICATION: Final = {
    # X509_V_ERR_… of OpenSSL's x509_vfy.h
    9: ("its certificate is not valid yet", "Check the clocks of both machines."),
    10: (
        "its certificate has expired",
        "Whoever runs the server must renew it; check this machine's clock too.",
    ),
    62: ("its certificate is for another host name", "Ask it by a name that is in its certificate."),
    64: ("its certificate is not for this IP address", "Ask it by a name that is in its certificate."),
}
_UNTRUSTED: Final = (
    "its certificate is of no authority that is trusted here",
    "Give the authority's certificate with --ca FILE.",
)
_WANTS_CERTIFICATE: Final = "it asks for a certificate of the client"
_GIVE_CERTIFICATE: Final = "Give one that its authority issued with --client-cert FILE and --client-key FILE."
_REFUSED_CERTIFICATE: Final = "it does not take the client's certificate"
_ALERTS: Final = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": (_WANTS_CERTIFICATE, _GIVE_CERTIFICATE),
    "TLSV1_ALERT_UNKNOWN_CA": (_REFUSED_CERTIFICATE, _GIVE_CERTIFICATE),
    "SSLV3_ALERT_BAD_CERTIFICATE": (_REFUSED_CERTIFICATE, _GIVE_CERTIFICATE),
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": (_REFUSED_CERTIFICATE, _GIVE_CERTIFICATE),
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": ("the client's certificate has expired", "Renew it."),
    "SSLV3_ALERT_CERTIFICATE_REVOKED": ("the client's certificate was revoked", "Get another one."),
}
_PLAIN: Final = ("HTTP_REQUEST", "WRONG_VERSION_NUMBER", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE")
"""Reasons of OpenSSL for bytes that are no TLS, by its versions."""
_START: Final = "Check the address, and that the server runs: shipway serve NAME.bundle"


@dataclass(frozen=True)
class Reason:
    """Why there was no answer."""

    text: str
    """`it does not speak TLS`"""
    hint: str
    what: str = "cannot be asked"
    """What the address does."""

    @property
    def is_known(self) -> bool:
        """Whether it is sure what went wrong, so that asking once more changes nothing."""
        return self.what == "cannot be asked"


def explain(error: Exception, url: str, credentials: Credentials) -> Reason:
    """Of what connecting, sending or receiving raised."""
    address = url.partition("://")[2]
    if isinstance(error, ssl.SSLCertVerificationError):
        return Reason(*_VERIFICATION.get(error.verify_code, _UNTRUSTED))
    if isinstance(error, ssl.SSLError) and error.reason in _ALERTS:
        return Reason(*_ALERTS[error.reason])
    if isinstance(error, ssl.SSLError) and error.reason in _PLAIN:
        return Reason("it does not speak TLS", f"Ask it without: http://{address}")
    if isinstance(error, http.client.BadStatusLine) and _TLS_RECORD in str(error):
        return Reason("it speaks TLS, and was asked without", f"Give its address as https://{address}")
    text = str(error) or ("timed out" if isinstance(error, TimeoutError) else type(error).__name__)
    if isinstance(error, ConnectionResetError | BrokenPipeError | ssl.SSLError):
        return Reason(text, _hint_of_hang_up(url, credentials), "hung up without an answer")
    return Reason(text, _START, "does not answer")


def _hint_of_hang_up(url: str, credentials: Credentials) -> str:
    """With TLS 1.3 a client may see no more: it is judged after the handshake, and the alert gets lost."""
    if not url.startswith("https://"):
        return f"See the server's log. Where it speaks TLS, give https://{url.partition('://')[2]}"
    if credentials.client_cert is None:
        return f"It may ask for a certificate of the client. {_GIVE_CERTIFICATE}"
    return f"See the server's log. Where it refuses the client's certificate: {_GIVE_CERTIFICATE}"


def unreachable(error: Exception, url: str, credentials: Credentials) -> EndpointUnreachableError:
    """The error for it."""
    why = explain(error, url, credentials)
    if why.what == "does not answer":
        return EndpointUnreachableError(f"Nothing answers at {url}: {why.text}.", hint=why.hint)
    return EndpointUnreachableError(f"{url} {why.what}: {why.text}.", hint=why.hint)


def key_refused(status: int, url: str, credentials: Credentials) -> EndpointAnswerError | None:
    """The error for 401 and 403 (RFC 9110, 15.5.2 and 15.5.4); None for any other status."""
    if status == 401 and credentials.api_key is None:
        return EndpointAnswerError(
            f"{url} answered with status 401: it asks for an API key, and none was given.",
            hint="Give it in SHIPWAY_API_KEY, or with --api-key KEY.",
        )
    if status == 401:
        return EndpointAnswerError(
            f"{url} answered with status 401: it does not know the API key that was given.",
            hint="Check SHIPWAY_API_KEY and --api-key; keys may have been changed.",
        )
    if status == 403:
        return EndpointAnswerError(
            f"{url} answered with status 403: the API key's scope does not reach that far.",
            hint="Give one that does in SHIPWAY_API_KEY, or with --api-key KEY; inference takes the scope infer.",
        )
    return None


def hint_of_redirect(headers: Message, otherwise: str) -> str:
    """Redirects are not followed: the address that was given is judged, and no other host gets the key."""
    location = headers.get("Location")
    return f"It points to {location}; give the address behind it." if location else otherwise
