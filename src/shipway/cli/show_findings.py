"""The cleaning report: what was found about the data, the gravest first, each with examples and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from shipway.actions.outcome import Outcome

_COLORS = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def show_findings(outcome: Outcome, console: Console) -> None:
    """Three lines each; and how the rows fall into the parts of the split."""
    data: Mapping[str, Any] = outcome.details["data"]
    for found in data["findings"]:
        color = _COLORS[found["severity"]]
        console.print(
            f"[{color}]{found['severity']}[/]  {escape(found['words'])}", highlight=False, soft_wrap=True
        )
        if found["examples"]:
            shown = escape("; ".join(found["examples"]))
            console.print(f"  [dim]for example {shown}[/]", highlight=False, soft_wrap=True)
        console.print(f"  {escape(found['remedy'])}", highlight=False, soft_wrap=True)
    if not data["findings"]:
        console.print("Nothing odd was found.", highlight=False)
    parts = data.get("parts", {})
    if parts:
        shown = ", ".join(f"{name} {part['rows']}" for name, part in parts.items())
        console.print(f"\n[dim]Split by content: {shown} rows.[/]", highlight=False)
