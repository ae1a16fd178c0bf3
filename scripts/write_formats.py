"""Writes the tables of `docs/reference/formats.md` from the registry: `python scripts/write_formats.py`.

Everything between a pair of markers is replaced; `tests/house/test_formats.py` fails while the page says anything
else.
"""

from __future__ import annotations

import re
from pathlib import Path

from shipway import registry
from shipway.needs import Needs
from shipway.sources.routes import all_edges, reachable
from shipway.sources.workers.edge import Edge

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "formats.md"


def tables() -> dict[str, str]:
    """Marker → what stands between the two of that name."""
    return {"read": _read(), "reach": _reach(), "ways": _ways()}


def rendered(page: str) -> str:
    """The page with its tables made anew. Raises `ValueError` for a page without one of the markers."""
    for name, table in tables().items():
        begin, end = f"<!-- generated: {name} -->", "<!-- end -->"
        if begin not in page:
            raise ValueError(f"{PAGE.name} has no marker {begin}")
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        page = pattern.sub(lambda _, new=f"{begin}\n{table}\n{end}": new, page, count=1)
    return page


def _read() -> str:
    rows = ["| format | what it is | extensions | needs | extra |", "| --- | --- | --- | --- | --- |"]
    for name in registry.names("sources"):
        format_ = registry.load("sources", name)
        extensions = " ".join(f"`{extension}`" for extension in format_.extensions)
        title = f"{format_.title}. {_sentence(format_.deprecated)}".rstrip(". ") + "."
        extra = f"`{format_.needs.extra}`" if format_.needs.extra else "none"
        rows.append(f"| `{name}` | {title} | {extensions or 'none'} | {_packages(format_.needs)} | {extra} |")
    return "\n".join(rows)


def _packages(needs: Needs) -> str:
    return ", ".join(f"{need.package} `{need.wanted}`" for need in needs.packages) or "nothing"


def _reach() -> str:
    ends = sorted({edge.end for edge in all_edges()})
    starts = sorted({edge.start for edge in all_edges()})
    rows = [f"| from | {' | '.join(ends)} |", f"| --- |{' --- |' * len(ends)}"]
    for start in starts:
        reached = set(reachable(start, {}))
        cells = ["as it is" if end == start else "yes" if end in reached else "no way" for end in ends]
        rows.append(f"| `{start}` | {' | '.join(cells)} |")
    return "\n".join(rows)


def _ways() -> str:
    rows = ["| from | to | way | needs beside the source's | remark |", "| --- | --- | --- | --- | --- |"]
    edges = sorted(all_edges(), key=lambda edge: (edge.start, edge.end, edge.rank, edge.name))
    for edge in edges:
        needs = ", ".join(f"`{requirement}`" for requirement in edge.requires.values()) or "nothing"
        rows.append(f"| `{edge.start}` | `{edge.end}` | `{edge.name}` | {needs} | {_remark(edge)} |")
    return "\n".join(rows)


def _remark(edge: Edge) -> str:
    fixed = f"cannot keep free: {', '.join(sorted(edge.fixes))}. " if edge.fixes else ""
    return f"{fixed}{_sentence(edge.deprecated)}".strip()


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "." if text else ""


def main() -> None:
    PAGE.write_text(rendered(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
