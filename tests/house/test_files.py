"""Keeps the files as the house has them: each says its reason; none is a drawer or a lump, or names a place."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SKIPPED = {
    ".git",
    ".venv",
    ".cache",
    ".mypy_cache",
    ".pytest_cache",
    ".ruff_cache",
    ".hypothesis",
    "build",
    "dist",
}
DRAWERS = {"utils", "util", "helpers", "common", "misc", "manager", "core"}
LARGEST_BYTES = 1_000_000
LONGEST_LINES = 500
README_LINES = 120
FORBIDDEN = re.compile(r"/(?:home|root|Users|work)/\w[^\s`'\"]*|file:///\S*|\b(?:TODO|FIXME|XXX)\b")
"""Paths of somebody's machine, and marks of unfinished work."""


def ours() -> list[Path]:
    """Every file that a commit would hold: git's answer, or in an unpacked archive all but what was made."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listing.returncode == 0:
        names = listing.stdout.decode().split("\0")
        return sorted(ROOT / name for name in names if name and (ROOT / name).is_file())
    return sorted(
        path for path in ROOT.rglob("*") if path.is_file() and not SKIPPED & set(path.relative_to(ROOT).parts)
    )


def texts() -> list[tuple[Path, str]]:
    found = []
    for path in ours():
        try:
            found.append((path, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:  # a picture or a model
            continue
    return found


def python_files() -> list[Path]:
    return [path for path in ours() if path.suffix == ".py"]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_every_source_file_opens_with_its_reason() -> None:
    silent = []
    for path in python_files():
        text = path.read_text(encoding="utf-8")
        if text.strip() and not ast.get_docstring(ast.parse(text)):
            silent.append(name(path))
    assert silent == []


def test_no_file_is_a_drawer() -> None:
    assert [
        name(path) for path in python_files() if path.stem in DRAWERS or path.parent.name in DRAWERS
    ] == []


def test_no_source_file_is_a_lump() -> None:
    long = [
        name(path)
        for path in python_files()
        if "src" in path.parts and len(path.read_text(encoding="utf-8").splitlines()) > LONGEST_LINES
    ]
    assert long == []


def test_no_large_file_is_kept() -> None:
    assert [name(path) for path in ours() if path.stat().st_size > LARGEST_BYTES] == []


def test_no_text_names_a_machine_or_an_unfinished_thing() -> None:
    wrong = [
        f"{name(path)}: {match.group(0)}"
        for path, text in texts()
        if path != Path(__file__)
        for match in FORBIDDEN.finditer(text)
    ]
    assert wrong == []


def test_links_between_documents_lead_somewhere() -> None:
    broken: list[str] = []
    for path, text in texts():
        if path.suffix != ".md":
            continue
        prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose) + re.findall(r'src="([^"]+)"', prose)
        broken.extend(
            f"{name(path)} → {target}"
            for target in targets
            if "://" not in target and not (path.parent / target).exists()
        )
    assert broken == []


def test_the_readme_fits_on_two_screens() -> None:
    lines = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= README_LINES


def test_the_license_is_the_whole_apache_license() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
