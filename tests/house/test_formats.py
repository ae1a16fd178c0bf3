"""The page of formats says what the registry says: which are read, with what, and which ways there are."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from shipway import registry
from shipway.sources.routes import all_edges

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference" / "formats.md"


def test_the_page_is_what_the_registry_says(tmp_path: Path) -> None:
    """`make formats` mends it."""
    before = PAGE.read_text(encoding="utf-8")
    script = (ROOT / "scripts" / "write_formats.py").read_text(encoding="utf-8")
    copy = tmp_path / "scripts" / "write_formats.py"
    page = tmp_path / "docs" / "reference" / "formats.md"
    for path, text in ((copy, script), (page, before)):
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
    subprocess.run([sys.executable, str(copy)], check=True, timeout=60)
    assert page.read_text(encoding="utf-8") == before


def test_every_format_and_every_way_has_its_row() -> None:
    page = PAGE.read_text(encoding="utf-8")
    for name in registry.names("sources"):
        assert f"| `{name}` | " in page
    for edge in all_edges():
        assert f"| `{edge.start}` | `{edge.end}` | `{edge.name}` |" in page
