"""Keeps the command line and its page saying the same, and every document within reach of the index."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from shipway.cli import exit_codes
from shipway.cli.app import build_app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CLI = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
GROUP: Any = typer.main.get_command(build_app())
COMMANDS: dict[str, Any] = GROUP.commands


def section(command: str) -> str:
    """The part of the page below a command's heading."""
    _, found, after = CLI.partition(f"\n## shipway {command}\n")
    return after.partition("\n## ")[0] if found else ""


def options_of(command: Any) -> set[str]:
    opts = {opt for parameter in command.params for opt in parameter.opts if opt.startswith("--")}
    return opts - {"--help"}


def test_the_commands_are_those_that_scripts_rely_on() -> None:
    assert sorted(COMMANDS) == [
        "check",
        "conformance",
        "deploy",
        "diff",
        "doctor",
        "evaluate",
        "export",
        "inspect",
        "serve",
        "top",
    ]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_its_section_and_every_option_its_row(command: str) -> None:
    rows = set(re.findall(r"^\| `(--[a-z-]+)", section(command), re.MULTILINE))
    assert rows == options_of(COMMANDS[command])


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_argument_has_its_row(command: str) -> None:
    rows = [line for line in section(command).splitlines() if line.startswith("| `")]
    arguments = [found for found in COMMANDS[command].params if not found.opts[0].startswith("-")]
    for argument in arguments:
        for name in argument.metavar.split("|"):
            assert any(f"`{name}`" in row.split("|")[1] for row in rows), name


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_defaults_on_the_page_are_those_of_the_command(command: str) -> None:
    for parameter in COMMANDS[command].params:
        row = re.search(rf"^\| `{parameter.opts[0]}\b[^|]*\| ([^|]*) \|", section(command), re.MULTILINE)
        if row is None:
            continue
        stated = row[1].strip("` ")
        if parameter.required:
            assert stated == "required", parameter.name
        elif isinstance(parameter.default, float):
            assert stated == f"{parameter.default:g}"
        elif isinstance(parameter.default, str | int | Path) and not isinstance(parameter.default, bool):
            assert stated == str(parameter.default)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_and_option_helps(command: str) -> None:
    assert COMMANDS[command].help
    for parameter in COMMANDS[command].params:
        assert getattr(parameter, "help", None), f"{command} {parameter.opts[0]}"


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_takes_json(command: str) -> None:
    assert "--json" in options_of(COMMANDS[command])


def test_the_readme_and_the_synopsis_name_every_command() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for command in COMMANDS:
        assert f"`shipway {command}" in readme, command
        assert re.search(rf"^shipway {command}\b", CLI, re.MULTILINE), command


def test_the_page_has_every_exit_code() -> None:
    table = CLI.partition("\n## Exit codes\n")[2].partition("\n## ")[0]
    stated = {int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)}
    codes = {value for name, value in vars(exit_codes).items() if name.isupper() and isinstance(value, int)}
    assert stated == codes


def test_every_page_is_within_reach_of_the_index() -> None:
    reached: set[Path] = set()
    open_pages = [DOCS / "index.md"]
    while open_pages:
        page = open_pages.pop()
        if page in reached or not page.is_file():
            continue
        reached.add(page)
        links = re.findall(r"\]\(([^)#\s]+\.md)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
        open_pages += [(page.parent / link).resolve() for link in links if "://" not in link]
    assert [
        page.relative_to(DOCS).as_posix() for page in sorted(DOCS.rglob("*.md")) if page not in reached
    ] == []


def test_the_glossary_is_in_order_and_has_no_word_twice() -> None:
    words = re.findall(r"^\| ([a-z ]+) \|", (DOCS / "glossary.md").read_text(encoding="utf-8"), re.MULTILINE)
    words = [word for word in words if word != "word"]
    assert words == sorted(set(words))


def test_the_changelog_has_a_place_for_the_next_change() -> None:
    assert "\n## [Unreleased]\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
