"""Metrics as a server exposes them, read: Prometheus' text format 0.0.4, one page at a time.

A page is a few kilobytes of lines; the parser of `prometheus_client` would be one more package for everybody.
"""

from __future__ import annotations

import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from time import monotonic

from shipway.errors import EndpointAnswerError, EndpointUnreachableError, UsageError

_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \S+)?")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_TIMEOUT_SECONDS = 10.0
_MOST_BYTES = 64 * 2**20

Labels = Mapping[str, str]


@dataclass(frozen=True)
class Page:
    """The samples of one moment, by name."""

    at: float
    """`time.monotonic` seconds, when it was asked for."""
    samples: Mapping[str, list[tuple[Labels, float]]]

    def of(self, name: str, **labels: str) -> Iterator[tuple[Labels, float]]:
        """The samples of a name that have these labels, with all of theirs."""
        for found, value in self.samples.get(name, []):
            if labels.items() <= found.items():
                yield found, value

    def total(self, name: str, **labels: str) -> float:
        """Their sum; 0 where there is none."""
        return sum(value for _, value in self.of(name, **labels))


def read_page(text: str, at: float) -> Page:
    """The page of a text; lines that are no samples are passed over."""
    samples: dict[str, list[tuple[Labels, float]]] = {}
    for line in text.splitlines():
        found = None if line.startswith("#") else _LINE.fullmatch(line)
        if found is None:
            continue
        labels = {name: _ESCAPED.sub(_unescape, value) for name, value in _LABEL.findall(found[2] or "")}
        try:
            samples.setdefault(found[1], []).append((labels, float(found[3])))
        except ValueError:
            continue
    return Page(at, samples)


def ask_page(url: str, *, api_key: str | None = None, ca: Path | None = None) -> Page:
    """What `/metrics` of a server tells now.

    Raises `UsageError`, `EndpointUnreachableError`, `EndpointAnswerError`.
    """
    if not url.startswith(("http://", "https://")):
        raise UsageError(f"The address must begin with http:// or https://, found {url!r}.")
    address = url.rstrip("/").removesuffix("/metrics") + "/metrics"
    headers = {"Accept": "text/plain; version=0.0.4"}
    if api_key is not None:
        headers["Authorization"] = f"Bearer {api_key}"
    at = monotonic()
    try:
        request = urllib.request.Request(address, headers=headers)  # noqa: S310 - checked above
        context = _context(ca) if address.startswith("https://") else None
        with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS, context=context) as answer:  # noqa: S310
            text = answer.read(_MOST_BYTES).decode("utf-8", "replace")
    except urllib.error.HTTPError as error:
        with error:
            raise _refusal(address, error.code) from error
    except (OSError, HTTPException, ValueError) as error:  # URLError is an OSError
        reason = getattr(error, "reason", None) or error
        raise EndpointUnreachableError(
            f"Nothing answers at {address}: {reason}.", hint="Is it running, and is this its address?"
        ) from error
    page = read_page(text, at)
    if not any(name.startswith("shipway_") for name in page.samples):
        raise EndpointAnswerError(
            f"{address} has no metric of Shipway's server among its {len(page.samples)}.",
            hint="Give the address that `shipway serve` printed.",
        )
    return page


def _context(ca: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=None if ca is None else str(ca))
    except OSError as error:  # ssl.SSLError is one
        raise UsageError(f"--ca {ca}: no certificates in PEM could be read: {error}.") from error


def _refusal(address: str, status: int) -> EndpointAnswerError:
    hints = {
        401: "The server asks for a key: give it with --api-key, or in SHIPWAY_API_KEY.",
        403: "The key does not reach so far; one with the scope infer does.",
        404: "This server has no metrics there; give the address that `shipway serve` printed.",
    }
    return EndpointAnswerError(
        f"{address} answered with status {status}.", hint=hints.get(status, "Its log has the reason.")
    )


def _unescape(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]
