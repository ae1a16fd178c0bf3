"""Errors as callers meet them: words, hints, codes that lead back to classes. The tree itself: `tests/house`."""

from __future__ import annotations

import pytest

from shipway import errors
from shipway.errors import BundleDigestError, PortInUseError, ShipwayError, error_class


def below(root: type[ShipwayError]) -> list[type[ShipwayError]]:
    return [root, *(leaf for child in root.__subclasses__() for leaf in below(child))]


KINDS = [kind for kind in below(ShipwayError) if kind.__module__ == errors.__name__]


@pytest.mark.parametrize("kind", KINDS)
def test_a_code_leads_back_to_its_class(kind: type[ShipwayError]) -> None:
    assert error_class(kind.code) is kind
    error = kind("expected this, found that", hint="do this")
    assert str(error) == "expected this, found that\ndo this"
    assert str(kind("only this")) == "only this"


@pytest.mark.parametrize("code", ["", "bundle.no-such", "Bundle", "internal"])
def test_a_code_of_nobody(code: str) -> None:
    assert error_class(code) is None


def test_a_digest_mismatch_tells_extra_missing_and_changed_apart() -> None:
    error = BundleDigestError("m", extra=("a",), missing=("b",), changed=("c",))
    assert (error.extra, error.missing, error.changed) == (("a",), ("b",), ("c",))
    assert BundleDigestError("m").changed == ()


def test_an_environments_failure_can_be_caught_as_one() -> None:
    with pytest.raises(errors.EnvironmentFailure):
        raise PortInUseError("taken")
