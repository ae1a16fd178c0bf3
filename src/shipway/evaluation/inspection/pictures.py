"""What the image files of a folder are like before they become rows: sizes and color modes that are mixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from shipway.evaluation.data.base import Finding
from shipway.evaluation.inspection.wording import counted, name_places


def picture_findings(sizes: Mapping[tuple[int, int], int], modes: Mapping[str, int]) -> Iterator[Finding]:
    """`sizes`: (width, height) → files; `modes`: as Pillow names them (`RGB`, `L`, `RGBA`, `CMYK`) → files."""
    if len(sizes) > 1:
        yield _mixed(
            "image-size",
            "note",
            {f"{width} × {height}": count for (width, height), count in sizes.items()},
            "size",
            "All become the model's size by --resize; check that training did it with the same filter.",
        )
    if len(modes) > 1:
        yield _mixed(
            "image-mode",
            "warning",
            dict(modes),
            "color mode",
            "Check that training turned them into one mode in the same way: gray into color, transparency away.",
        )


def _mixed(kind: str, severity: str, counts: Mapping[str, int], noun: str, remedy: str) -> Finding:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    total = sum(counts.values())
    most, often = ordered[0]
    return Finding(
        kind,
        "warning" if severity == "warning" else "note",
        "images",
        count=total - often,
        of=total,
        examples=name_places(f"{what}: {counted(count, 'image')}" for what, count in ordered),
        words=f"The images have {len(counts)} different {noun}s; {total - often} of {total} are not {most}.",
        remedy=remedy,
    )
