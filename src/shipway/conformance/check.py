"""What a check is: one sentence of a specification, where it stands, and a function that tries it on a server.

Checks are declared in groups, a file each; `catalog.py` lists the groups. A check that returns has passed. What
it raises says the rest, so that no check can end without a mark and a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from shipway.conformance.exchange import Reply

Subject = TypeVar("Subject")
"""What a check is tried on: a server, or one model of it."""
Run = Callable[[Subject], str | None]
"""Returns a note, or None; raises one of the three below."""


class Level(StrEnum):
    """What a server that fails the check breaks."""

    REQUIRED = "required"
    """The protocol itself."""
    EXTENSION = "extension"
    """An extension that the server says it has. Skipped where it does not."""
    RECOMMENDED = "recommended"
    """Nothing that the protocol demands; clients of the field count on it."""


class Mark(StrEnum):
    """What came of a check."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"
    """It applies, and could not be judged."""
    SKIPPED = "SKIPPED"
    """It does not apply, or was not allowed."""


class UnmetError(Exception):
    """The server does not do what the check's sentence says."""

    def __init__(self, expected: str, found: str, reply: Reply | None = None) -> None:
        super().__init__(f"expected {expected}, found {found}")
        self.expected = expected
        self.found = found
        self.reply = reply


class UndecidedError(Exception):
    """The check applies, and what the server or the model allows is not enough to judge."""


class InapplicableError(Exception):
    """The check says nothing of this server or model."""


@dataclass(frozen=True)
class Check(Generic[Subject]):
    """One sentence, and the way to try it."""

    id: str
    level: Level
    rule: str
    """The sentence that is tried, in our own words."""
    source: str
    """Where it stands."""
    run: Run[Subject]
    extension: str | None = None
    """Its name in the server's list of extensions."""
    changes: bool = False
    """Whether it loads or unloads something: never without permission."""


@dataclass(frozen=True)
class Group(Generic[Subject]):
    """Checks that belong together, of one kind of subject."""

    name: str
    source: str
    """Where the sentences stand, unless a check says otherwise."""
    extension: str | None = None
    checks: list[Check[Subject]] = field(default_factory=list)

    def check(
        self,
        name: str,
        rule: str,
        *,
        level: Level | None = None,
        source: str | None = None,
        changes: bool = False,
    ) -> Callable[[Run[Subject]], Run[Subject]]:
        """Declares the function below it as a check of this group."""

        def declare(run: Run[Subject]) -> Run[Subject]:
            self.add(name, rule, run, level=level, source=source, changes=changes)
            return run

        return declare

    def add(
        self,
        name: str,
        rule: str,
        run: Run[Subject],
        *,
        level: Level | None = None,
        source: str | None = None,
        changes: bool = False,
    ) -> None:
        """The same for a function that was made, one of many of a kind."""
        usual = Level.EXTENSION if self.extension else Level.REQUIRED
        self.checks.append(
            Check(
                id=f"{self.name}.{name}",
                level=level or usual,
                rule=rule,
                source=source or self.source,
                run=run,
                extension=self.extension,
                changes=changes,
            )
        )


@dataclass(frozen=True)
class Finding:
    """What came of one check on one server or model."""

    id: str
    level: Level
    rule: str
    source: str
    model: str | None
    mark: Mark
    reason: str = ""
    expected: str | None = None
    found: str | None = None
    request: str | None = None
    """How the request begins after which it failed."""
    answer: str | None = None
    """How its answer begins."""
    duration_ms: float = 0.0

    @property
    def counts(self) -> bool:
        """Whether it keeps the server from conforming."""
        return self.level is not Level.RECOMMENDED and self.mark in (Mark.FAIL, Mark.INCONCLUSIVE)
