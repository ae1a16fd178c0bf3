"""The options that several commands share, and the values that they read from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from shipway.bundle.evidence import Result

if TYPE_CHECKING:
    from shipway.sources.base import Limits

JsonFlag = Annotated[
    bool,
    typer.Option(
        "--json", help="Print one JSON document on standard output; all else goes to standard error."
    ),
]
PythonOption = Annotated[
    str | None,
    typer.Option("--python", metavar="PATH", help="Python of the environment that the model was trained in."),
]
TimeoutOption = Annotated[
    float,
    typer.Option("--timeout", min=1, metavar="SECONDS", help="Limit for each run of the training framework."),
]
MemoryOption = Annotated[
    float | None,
    typer.Option(
        "--memory-limit", min=0.1, metavar="GB", help="Memory limit for the training framework's process."
    ),
]
AcceptOption = Annotated[
    list[str] | None,
    typer.Option("--accept", metavar="VERDICT", help="Go on with this verdict too: inconclusive."),
]


def accepted(values: list[str] | None) -> frozenset[Result]:
    """The verdicts of `--accept`. Raises `typer.BadParameter`."""
    found = set()
    for value in values or []:
        if value.upper() != Result.INCONCLUSIVE:
            raise typer.BadParameter(f"{value!r}: only inconclusive can be accepted.", param_hint="--accept")
        found.add(Result.INCONCLUSIVE)
    return frozenset(found)


def child_limits(timeout_seconds: float, memory_gigabytes: float | None) -> Limits:
    """The limits of the framework's process."""
    from shipway.sources.base import Limits  # inside: `shipway --help` loads no rooms but cli

    memory = None if memory_gigabytes is None else int(memory_gigabytes * 1e9)
    return Limits(timeout_seconds=timeout_seconds, memory_bytes=memory)
