"""Metrics as a server exposes them, read: Prometheus' text format 0.0.4, one page at a time.

A page is a few kilobytes of lines; the parser of `prometheus_client` would be one more package for everybody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from time import monotonic

from shipway.errors import EndpointAnswerError
from shipway.targets.client import Client, split_url
from shipway.targets.credentials import Credentials
from shipway.targets.refusals import hint_of_redirect, key_refused

_LINE = re.compile(r"([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \S+)?")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_TIMEOUT_SECONDS = 10.0
_NOT_THERE = "This server has no metrics there; give the address that `shipway serve` printed."

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


def ask_page(url: str, *, credentials: Credentials | None = None) -> Page:
    """What `/metrics` of a server tells now.

    Raises `UsageError`, `EndpointUnreachableError`, `EndpointAnswerError`.
    """
    address = split_url(url)
    path = address.path.rstrip("/").removesuffix("/metrics") + "/metrics"
    client = Client(address, credentials or Credentials(), timeout_seconds=_TIMEOUT_SECONDS)
    at = monotonic()
    try:
        status, headers, body = client.ask("GET", path, headers={"Accept": "text/plain; version=0.0.4"})
    finally:
        client.close()
    if status != 200:
        raise key_refused(status, client.url, client.credentials) or EndpointAnswerError(
            f"{client.url}{path} answered with status {status}.",
            hint=hint_of_redirect(headers, _NOT_THERE if status == 404 else "Its log has the reason."),
        )
    page = read_page(body.decode("utf-8", "replace"), at)
    if not any(name.startswith("shipway_") for name in page.samples):
        raise EndpointAnswerError(
            f"{client.url}{path} has no metric of Shipway's server among its {len(page.samples)}.",
            hint="Give the address that `shipway serve` printed.",
        )
    return page


def _unescape(found: re.Match[str]) -> str:
    return "\n" if found[1] == "n" else found[1]
