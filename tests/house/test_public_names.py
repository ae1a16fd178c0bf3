"""Keeps the public surface frozen: a new name is a decision, a lost one is a broken script."""

from __future__ import annotations

import inspect
import subprocess
import sys

import shipway

VERBS = [
    "check",
    "check_conformance",
    "deploy",
    "diff",
    "doctor",
    "evaluate",
    "export",
    "inspect",
    "inspect_data",
    "serve",
    "top",
]
NOUNS = [
    "Credentials",
    "Deployment",
    "Estimate",
    "Judging",
    "Observer",
    "Outcome",
    "Reading",
    "Result",
    "ShipwayError",
    "Verdict",
    "__version__",
]
NAMES = [*NOUNS, *VERBS]


def test_the_public_names_are_these() -> None:
    assert sorted(shipway.__all__) == sorted(NAMES)


def test_every_public_name_resolves_and_dir_lists_it() -> None:
    for name in NAMES:
        assert getattr(shipway, name) is not None
    assert set(NAMES) <= set(dir(shipway))


def test_every_verb_says_what_it_does_and_types_what_it_takes() -> None:
    for name in VERBS:
        verb = getattr(shipway, name)
        assert inspect.getdoc(verb), name
        signature = inspect.signature(verb)
        untyped = [
            parameter.name
            for parameter in signature.parameters.values()
            if parameter.annotation is inspect.Parameter.empty
        ]
        assert untyped == [], name
        assert signature.return_annotation is not inspect.Signature.empty, name


def test_verbs_take_at_most_two_positional_arguments() -> None:
    for name in VERBS:
        kinds = [
            parameter.kind for parameter in inspect.signature(getattr(shipway, name)).parameters.values()
        ]
        assert kinds.count(inspect.Parameter.POSITIONAL_OR_KEYWORD) <= 2, name


def test_an_unknown_name_is_an_attribute_error_that_names_it() -> None:
    code = "import shipway\ntry:\n    shipway.depoly\nexcept AttributeError as error:\n    print(error)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert "depoly" in done.stdout
