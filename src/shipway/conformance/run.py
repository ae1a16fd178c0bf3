"""Tries checks on a server, one after the other, and keeps what came of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TypeVar

from shipway.conformance.address import Client
from shipway.conformance.catalog import TFS_MODEL, V2_HOSTILE, V2_MODEL, V2_SERVER
from shipway.conformance.check import (
    Check,
    Finding,
    InapplicableError,
    Level,
    Mark,
    UndecidedError,
    UnmetError,
)
from shipway.conformance.exchange import Reply
from shipway.conformance.tfs.subjects import Model as TfsModel
from shipway.conformance.v2.subjects import Model as V2Model
from shipway.conformance.v2.subjects import Server as V2Server
from shipway.errors import EndpointAnswerError, EndpointUnreachableError, UsageError
from shipway.types import Array

Subject = TypeVar("Subject")
_GONE = "the server ended during this check"
Doing = Callable[[str], None]


@dataclass(frozen=True)
class Plan:
    """What to try, and what is allowed."""

    protocol: str = "v2"
    models: Sequence[str] = ()
    """Empty: every model that the server lists."""
    only: Sequence[str] = ()
    """Patterns of checks' ids; empty: all."""
    allow_changes: bool = False
    data: Mapping[str, Array] | None = None

    def wants(self, check_id: str) -> bool:
        """Whether `only` has it."""
        return not self.only or any(fnmatchcase(check_id, pattern) for pattern in self.only)


@dataclass(frozen=True)
class Found:
    """All that was found about a server."""

    findings: tuple[Finding, ...]
    server: Mapping[str, object]
    """What `GET /v2` says."""
    models: tuple[str, ...]


def run_checks(client: Client, plan: Plan, doing: Doing = lambda _: None) -> Found:
    """Tries what `plan` says; `doing` is told of each subject before its checks.

    Ends early, with a FAIL, where the server does. Raises `EndpointUnreachableError` where nothing answers at
    all, `UsageError` where no model is known or no check is left.
    """
    _require_answer(client)
    server = V2Server(client)
    models = tuple(plan.models) or tuple(server.models())
    findings = []
    for found in _run_all(server, models, plan, doing):
        findings.append(_with_end(found, client) if found.mark is Mark.FAIL else found)
        if findings[-1].reason.startswith(_GONE):
            break  # nothing more can be said of a server that is no longer there
    if not findings:
        raise UsageError(
            f"No check is called {', '.join(plan.only)}.",
            hint="Patterns are shell-like: --only 'core.infer.*'; without --only every check's name is shown.",
        )
    return Found(tuple(findings), server.metadata, models)


def _require_answer(client: Client) -> None:
    """The first word: an address where nothing listens, or hangs up on every client, is no finding."""
    try:
        client.ask("GET", "/v2")
    except EndpointAnswerError as error:
        raise EndpointUnreachableError(f"{client.url}/v2: {error.message}.", hint=error.hint) from error


def _with_end(found: Finding, client: Client) -> Finding:
    """The same finding, or a graver one where the server has ended since."""
    try:
        client.connect().close()
    except EndpointUnreachableError as error:
        reason = f"{_GONE}: {error} {found.reason}".strip()
        return replace(found, level=Level.REQUIRED, reason=reason)
    return found


def _run_all(server: V2Server, models: Sequence[str], plan: Plan, doing: Doing) -> Iterator[Finding]:
    if plan.protocol in ("v2", "all"):
        yield from _tried(V2_SERVER.checks(), server, None, server, plan, doing)
        subjects = {name: V2Model(server, name, plan.data) for name in models}
        for part in (V2_MODEL, V2_HOSTILE):
            for name, model in subjects.items():
                yield from _tried(part.checks(), model, name, server, plan, doing)
    if plan.protocol in ("tfs", "all"):
        for name in models:
            yield from _tried(
                TFS_MODEL.checks(), TfsModel(server.client, name, plan.data), name, server, plan, doing
            )


def _tried(
    checks: Sequence[Check[Subject]],
    subject: Subject,
    model: str | None,
    server: V2Server,
    plan: Plan,
    doing: Doing,
) -> Iterator[Finding]:
    wanted = [check for check in checks if plan.wants(check.id)]
    if wanted:
        doing("the server" if model is None else f"the model {model}")
    for check in wanted:
        yield _try(check, subject, model, server, plan)


def _try(check: Check[Subject], subject: Subject, model: str | None, server: V2Server, plan: Plan) -> Finding:
    began = time.monotonic()
    blank = Finding(check.id, check.level, check.rule, check.source, model, Mark.PASS)
    if check.extension is not None and check.extension not in server.extensions:
        return replace(
            blank, mark=Mark.SKIPPED, reason=f"the server does not list the extension {check.extension}"
        )
    if check.changes and not plan.allow_changes:
        return replace(blank, mark=Mark.SKIPPED, reason="it loads or unloads: needs --allow-changes")
    client = server.client
    client.last = None
    found = _judge(check, subject, blank, client)
    return replace(found, duration_ms=(time.monotonic() - began) * 1000)


def _judge(check: Check[Subject], subject: Subject, blank: Finding, client: Client) -> Finding:
    try:
        return replace(blank, reason=check.run(subject) or "")
    except UnmetError as error:
        found = replace(blank, mark=Mark.FAIL, reason=str(error), expected=error.expected, found=error.found)
        return _with_evidence(found, error.reply or client.last)
    except EndpointAnswerError as error:
        found = replace(blank, mark=Mark.FAIL, expected="an answer", found=str(error))
        return _with_evidence(replace(found, reason=f"expected an answer, found: {error}"), client.last)
    except UndecidedError as error:
        return replace(blank, mark=Mark.INCONCLUSIVE, reason=str(error))
    except EndpointUnreachableError as error:
        return replace(
            blank, mark=Mark.FAIL, expected="a server that listens", found=str(error), reason=str(error)
        )
    except InapplicableError as error:
        return replace(blank, mark=Mark.SKIPPED, reason=str(error))


def _with_evidence(found: Finding, reply: Reply | None) -> Finding:
    return found if reply is None else replace(found, request=reply.shown_request(), answer=reply.shown())
