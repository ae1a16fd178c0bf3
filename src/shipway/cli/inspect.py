"""`shipway inspect`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape

import shipway
from shipway.cli.command import run_action
from shipway.cli.options import JsonFlag, PythonOption, SignatureOption, given_hints
from shipway.cli.show import show_pairs, show_signature

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

SUMMARY = "Say what a model file or a bundle is."


def command(
    target: Annotated[Path, typer.Argument(metavar="MODEL|BUNDLE", help="A model file or a bundle.")],
    python: PythonOption = None,
    signature: SignatureOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what a model file or a bundle is, without running it."""
    hints = given_hints(None, signature, None, trust=False)
    run_action(lambda _: shipway.inspect(target, python=python, hints=hints), _show, as_json=as_json)


def _show(outcome: Outcome, console: Console) -> None:
    found = dict(outcome.details)
    signature = found.pop("signature")
    facts = dict(found.pop("facts", {}))
    evidence = found.pop("evidence", None)
    variants = found.pop("variants", [])
    provenance = found.pop("provenance", {})
    if outcome.bundle is not None:
        found["id"] = outcome.bundle.id
    layers = facts.pop("layers", [])
    if layers:
        facts["layers"] = " → ".join(f"{layer['class']}" for layer in layers)
    show_pairs({**found, **facts}, console)
    if signature["inputs"] or signature["outputs"]:
        show_signature(signature, console)
    for variant in variants:
        size = sum(entry["size"] for entry in variant["files"])
        console.print(
            f"variant [bold]{escape(variant['id'])}[/]: {size:,} bytes, {escape(variant['format'])}, "
            f"{escape(variant['precision'])}",
            highlight=False,
        )
    if provenance:
        source = provenance.get("source", {})
        show_pairs({"made from": source.get("file"), "framework": provenance.get("framework")}, console)
    for verdict in (evidence or {}).get("verdicts", []):
        console.print(
            f"{verdict['result']}  {verdict['rule']}: {verdict['reason']} ({verdict['subject']})",
            markup=False,
            soft_wrap=True,
            highlight=False,
        )
