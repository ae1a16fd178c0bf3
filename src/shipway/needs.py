"""What a source, runtime or target needs installed: said by each of them, read by `shipway doctor`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Need:
    """A Python package; `alternatives` are other packages that serve as well."""

    package: str
    """As pip calls it."""
    wanted: str
    """The version range, as pip spells it: `">=1.22,<2"`."""
    alternatives: tuple[str, ...] = ()


@dataclass(frozen=True)
class Needs:
    """All that one part of Shipway needs."""

    purpose: str
    """In a few words: `"reads .keras files"`."""
    packages: tuple[Need, ...]
    extra: str | None = None
    """The extra of Shipway that installs them; None: the base install has them."""
