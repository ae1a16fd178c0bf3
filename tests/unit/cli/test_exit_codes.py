"""Exit codes, over the whole tree of errors and what is no error of ours."""

from __future__ import annotations

import pytest

from shipway import errors
from shipway.cli.exit_codes import BUG, ENVIRONMENT, ERRORS, INTERRUPTED, NOT_PASS, USAGE, exit_code_of
from shipway.errors import ShipwayError


def below(root: type[ShipwayError]) -> list[type[ShipwayError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in below(child))]


EXPECTED = {
    "usage": USAGE,
    "output": USAGE,
    "source": USAGE,
    "data": USAGE,
    "bundle": USAGE,
    "input": USAGE,
    "export": USAGE,
    "session": USAGE,
    "request": USAGE,
    "environment": ENVIRONMENT,
    "worker": ENVIRONMENT,
    "endpoint": ENVIRONMENT,
    "serve": NOT_PASS,
}


@pytest.mark.parametrize(
    "kind",
    [kind for kind in below(ShipwayError) if kind.__module__ == errors.__name__ and kind is not ShipwayError],
)
def test_the_code_follows_from_what_the_error_is_about(kind: type[ShipwayError]) -> None:
    assert exit_code_of(kind("expected this, found that")) == EXPECTED[kind.code.partition(".")[0]]


def test_the_table_names_families_only_so_that_a_new_leaf_needs_no_line() -> None:
    assert set(ERRORS) == set(ShipwayError.__subclasses__())


@pytest.mark.parametrize(
    "error", [ValueError("x"), MemoryError(), OSError(5, "I/O error"), ShipwayError("bare")]
)
def test_what_nobody_thought_of_is_our_bug(error: Exception) -> None:
    assert exit_code_of(error) == BUG


def test_ctrl_c_is_the_shells_own() -> None:
    assert exit_code_of(KeyboardInterrupt()) == INTERRUPTED == 128 + 2
