"""A comparison as a section for a pull request: the verdict first, then the figures, the rest folded away."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence

from shipway.bundle.evidence import Json
from shipway.evaluation.comparison.wording import (
    change_in_words,
    example_cells,
    facts_of,
    figure,
    flips_in_words,
    is_better,
    latency_in_words,
    output_in_words,
    shown_metrics,
    slice_cells,
)

_MARKS = {"PASS": "✅", "FAIL": "❌", "INCONCLUSIVE": "❔", "DONE": "ℹ️"}
_BETTER = {True: " ▲", False: " ▼", None: ""}


def render_markdown(document: Mapping[str, Json]) -> str:
    """GitHub's Markdown of the document that `shipway diff --json` prints (`docs/reference/json.md`).

    Texts from models and data are escaped: a class called `<b>|` breaks neither table nor page.
    """
    found = document["diff"]
    a, b = found["a"]["called"], found["b"]["called"]
    parts = [
        f"### {_MARKS[document['result']]} {document['result']}: {_text(b)} against {_text(a)}",
        _verdicts(document["verdicts"]),
        _table(("", "A", "B"), facts_of(found)),
    ]
    if found["metrics"]:
        parts.append(_metrics(found))
    if found["decisions"] is not None:
        parts.append(_decisions(found["decisions"]))
    changed = [one for one in found["classes"] if one["differs"]]
    if changed:
        rows = [(one["class"], figure(one["a"]), figure(one["b"]), str(one["rows"])) for one in changed]
        parts.append(_folded("Classes whose recall changed", _table(("class", "A", "B", "rows"), rows)))
    if found.get("slices"):
        head = ("slice", "rows", "A", "B", f"{found['slices'][0]['metric']}: B - A", "p (Holm)")
        parts.append(_table(head, [slice_cells(one) for one in found["slices"]]))
    parts.append(_numbers(found))
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdicts(verdicts: Sequence[Mapping[str, Json]]) -> str:
    return "\n".join(
        f"- {_MARKS[verdict['result']]} **{verdict['result']}** `{verdict['rule']}`: {_text(verdict['reason'])}"
        for verdict in verdicts
    )


def _metrics(found: Mapping[str, Json]) -> str:
    rows = [
        (
            row["metric"],
            figure(row["a"]),
            figure(row["b"]),
            f"{change_in_words(row)}{_BETTER[is_better(row)]}",
        )
        for row in shown_metrics(found)
    ]
    shown = _table(("metric", "A", "B", "B - A (paired 95 % interval)"), rows)
    return f"On {found['rows']} labelled rows:\n\n{shown}"


def _decisions(decisions: Mapping[str, Json]) -> str:
    if not decisions["examples"]:
        return f"{_text(flips_in_words(decisions))}."
    rows = [example_cells(example) for example in decisions["examples"]]
    return _folded(flips_in_words(decisions), _table(("row", "label", "A", "B"), rows))


def _numbers(found: Mapping[str, Json]) -> str:
    lines = [output_in_words(output) for output in found["outputs"]]
    if found["embeddings"] is not None:
        lines += [
            f"{name}: {figure(estimate['value'])}"
            for name, estimate in found["embeddings"]["metrics"].items()
        ]
    if found["latency"] is not None:
        lines.append(latency_in_words(found["latency"]))
    lines += found["notes"]
    return (
        _folded("Numbers, latency and notes", "\n".join(f"- {_text(line)}" for line in lines))
        if lines
        else ""
    )


def _folded(summary: str, body: str) -> str:
    # Within an HTML element's line Markdown's own marks stand for themselves.
    return f"<details><summary>{html.escape(summary, quote=False)}</summary>\n\n{body}\n\n</details>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [_row(head), _row(["---"] * len(head)), *(_row([_text(cell) for cell in row]) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _text(value: str) -> str:
    """Nothing in it is markup any more, and it stays on its line."""
    plain = " ".join(html.escape(str(value), quote=False).split())
    return "".join(f"\\{letter}" if letter in "\\`*_[]|#~" else letter for letter in plain)
