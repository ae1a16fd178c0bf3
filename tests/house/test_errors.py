"""Keeps the error tree, its drawing, its page and the exit codes saying the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from shipway import errors
from shipway.cli.exit_codes import exit_code_of
from shipway.errors import ShipwayError

DOCS = Path(__file__).parents[2] / "docs" / "reference"


def walk(cls: type[ShipwayError]) -> list[type[ShipwayError]]:
    return [cls, *(leaf for child in cls.__subclasses__() for leaf in walk(child))]


CLASSES = [cls for cls in walk(ShipwayError) if cls.__module__ == errors.__name__]
LEAVES = [cls for cls in CLASSES if not cls.__subclasses__()]


def drawn() -> dict[str, tuple[str, str]]:
    """Class name → (name of its parent, code or nothing), as the drawing on top of errors.py has it."""
    picture = (errors.__doc__ or "").split("    ShipwayError\n")[1]
    trail = ["ShipwayError"]
    tree = {}
    for indent, name, code in re.findall(
        r"^ {4}((?:│   |    )*)[├└]── (\w+)(?: +(\S+))?", picture, re.MULTILINE
    ):
        depth = len(indent) // 4 + 1
        trail = [*trail[:depth], name]
        tree[name] = (trail[depth - 1], code if "." in code else "")
    return tree


def test_the_drawing_is_the_tree() -> None:
    classes = {cls.__name__: cls.__bases__[0].__name__ for cls in CLASSES if cls is not ShipwayError}
    assert {name: parent for name, (parent, _) in drawn().items()} == classes


def test_the_drawing_has_the_code_of_every_leaf() -> None:
    codes = {cls.__name__: cls.code for cls in LEAVES}
    assert {name: code for name, (_, code) in drawn().items() if code} == codes


def test_codes_are_unique() -> None:
    codes = [cls.code for cls in CLASSES]
    assert len(set(codes)) == len(codes)


def test_every_error_that_can_be_raised_says_where_it_stands_in_the_tree() -> None:
    undrawn = [cls for cls in walk(ShipwayError) if cls.__module__ != errors.__name__]
    assert undrawn == []


def test_the_errors_page_has_one_heading_for_every_code_and_no_other() -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    headings = re.findall(r"^### `(\S+)` · (\w+)$", page, re.MULTILINE)
    assert sorted(headings) == sorted((cls.code, cls.__name__) for cls in LEAVES)


def test_every_heading_of_the_errors_page_says_what_to_do() -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    sections = re.split(r"^### ", page, flags=re.MULTILINE)[1:]
    silent = [text.splitlines()[0] for text in sections if "**Cause.**" not in text or "**Do.**" not in text]
    assert silent == []


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_error_has_an_exit_code_that_is_not_our_bug(cls: type[ShipwayError]) -> None:
    code = exit_code_of(cls("expected this, found that"))
    expected = {errors.InputError: {2}, errors.EnvironmentFailure: {3}, errors.ProofError: {1}}
    for family, codes in expected.items():
        if issubclass(cls, family):
            assert code in codes
            return
    assert code == 4 if cls is ShipwayError else code in {2, 3}


def test_the_exit_code_of_what_nobody_raised_on_purpose_is_our_bug() -> None:
    assert exit_code_of(ZeroDivisionError("a / b")) == 4


def test_the_errors_page_states_the_exit_code_of_every_family() -> None:
    page = (DOCS / "errors.md").read_text(encoding="utf-8")
    stated = dict(re.findall(r"^\| `(\w+)` \| (\d) \|", page, re.MULTILINE))
    families = {cls.__name__: cls for cls in ShipwayError.__subclasses__()}
    assert {name: int(code) for name, code in stated.items()} == {
        name: exit_code_of(cls("expected this, found that")) for name, cls in families.items()
    }
