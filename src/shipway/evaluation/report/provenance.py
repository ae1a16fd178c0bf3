"""What was run: notes, the decision rule, the command, the machine and all digests in full."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shipway.bundle.evidence import Json
from shipway.evaluation.report.contents import Contents, Section
from shipway.evaluation.report.markup import Nodes, h, name

MOST_NOTES = 100


def notes_section(contents: Contents) -> Section | None:
    """What the evaluation assumed, and which figures are undefined."""
    notes = [str(note) for note in contents.evaluation.get("notes") or ()]
    if not notes:
        return None
    shown = h("ul", [h("li", name(note)) for note in notes[:MOST_NOTES]], class_="notes")
    return Section("notes", "Notes", "What was assumed, and which figures are undefined and why.", shown)


def provenance_section(contents: Contents) -> Section:
    """Enough to run it again."""
    command = h("pre", h("code", contents.command), tabindex="0") if contents.command else None
    facts = h(
        "dl",
        [h("div", h("dt", term), h("dd", shown)) for term, shown in _facts(contents)],
        class_="long-facts",
    )
    return Section("run", "What was run", None, [command, facts])


def _facts(contents: Contents) -> Iterator[tuple[str, Nodes]]:
    bundle: Mapping[str, Json] = contents.document.get("bundle") or {}
    if contents.evaluation.get("decision_rule"):
        yield "Decision rule", name(contents.evaluation["decision_rule"])
    for term, value in (
        ("Bundle", bundle.get("id")),
        ("Bundle’s path", bundle.get("path")),
        ("Data", contents.data.get("sha256")),
        ("Part", contents.data.get("part")),
    ):
        if value:
            yield term, h("code", name(value))
    for term, shown in contents.machine.items():
        yield f"{term[:1].upper()}{term[1:]}", name(shown)
    yield "Made", h("time", contents.made_at.isoformat(sep=" ", timespec="seconds"))
