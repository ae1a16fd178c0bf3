"""Which variant of a bundle is run: the first that a runtime here takes, whatever else the bundle holds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shipway.bundle.store import Bundle, open_bundle
from shipway.errors import SessionLoadError
from shipway.runtimes.opening import open_variant

GOLDEN = Path(__file__).parents[2] / "golden" / "format-1" / "digits.bundle"


def with_variants(*changes: dict) -> Bundle:
    """The released bundle, its one variant as often as there are changes to it."""
    bundle = open_bundle(GOLDEN)
    (variant,) = bundle.manifest.variants
    variants = tuple(replace(variant, **change) for change in changes)
    return replace(bundle, manifest=replace(bundle.manifest, variants=variants))


FOREIGN = {"id": "litert-fp32", "format": "litert", "runtime": {"name": "of-another-machine"}}


def test_variants_for_other_runtimes_are_passed_over() -> None:
    variant, session = open_variant(with_variants(FOREIGN, {}))
    assert variant.id == "onnx-fp32"
    assert [spec.name for spec in session.signature.outputs] == ["probs"]
    session.close()


def test_a_bundle_that_nothing_here_runs_says_what_it_holds_and_what_to_do() -> None:
    with pytest.raises(
        SessionLoadError, match="holds litert-fp32; the runtimes here are onnxruntime"
    ) as caught:
        open_variant(with_variants(FOREIGN))
    assert "--to onnx" in caught.value.hint


def test_a_variant_under_the_wrong_runtime_is_refused() -> None:
    with pytest.raises(SessionLoadError, match="'onnx-fp32' is litert, the runtime onnxruntime runs onnx"):
        open_variant(with_variants({"format": "litert"}))
