"""What every conversion promises, over each that is registered: the same names, dtypes and free axes, the same
answers, whatever the number of rows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from format_examples import EXAMPLES, Example, Inputs
from shipway.evaluation.parity.contract import explain_breach
from shipway.sources.base import Limits, Reference, Source
from shipway.sources.detect import open_source
from shipway.sources.routes import all_edges
from shipway.sources.workers.edge import Edge

pytestmark = pytest.mark.framework


def tokens(count: int) -> Inputs:
    return {"tokens": np.random.default_rng(count).integers(0, 20, (count, 9))}


FIXED = Example("torch_models", "tagger_fixed.pt2", tokens)
OWN_EXAMPLES = {"pt2/torchscript-exporter": FIXED, "pt2/trace": FIXED}
"""For conversions that do not serve the format's own example: the tracer takes no program with free axes."""
EDGES = {f"{edge.start} → {edge.end} by {edge.name}": edge for edge in all_edges()}


def silent(text: str) -> None:
    assert text


@pytest.fixture(scope="module")
def asked() -> dict[tuple[str, str], tuple[Source, dict[str, Inputs], Reference]]:
    """Example → its source, the cases, and what its framework answered: once for all its edges."""
    return {}


@pytest.fixture(scope="module", autouse=True)
def closed(asked: dict) -> Iterator[None]:
    yield
    for source, _, _ in asked.values():
        source.close()


def ask(
    example: Example, asked: dict, request: pytest.FixtureRequest
) -> tuple[Source, dict[str, Inputs], Reference]:
    key = (example.fixture, example.file)
    if key not in asked:
        source = example.open(example.path(request))
        pool = example.rows(17)
        cases = {"many": pool, **{f"batch-{n}": {k: a[:n] for k, a in pool.items()} for n in (1, 2, 3, 7)}}
        asked[key] = source, cases, source.reference(cases, silent)
    return asked[key]


def test_every_format_that_a_conversion_begins_from_has_an_example() -> None:
    assert {edge.start for edge in all_edges()} <= set(EXAMPLES)


@pytest.mark.parametrize("name", EDGES)
def test_the_same_contract_and_the_same_answers(
    name: str, asked: dict, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    edge: Edge = EDGES[name]
    example = OWN_EXAMPLES.get(edge.name, EXAMPLES[edge.start])
    source, cases, reference = ask(example, asked, request)
    samples = {key: array[:2] for key, array in cases["many"].items()}
    made = source.convert(edge, tmp_path, samples=samples, progress=silent)
    assert made.model == tmp_path / edge.result
    assert made.versions
    with closing(open_source(made.model, limits=Limits(timeout_seconds=240))) as converted:
        assert converted.format == edge.end
        found = converted.answer(cases, silent)
    assert explain_breach(reference.signature, found.signature, fixes=edge.fixes) is None
    for case, outputs in reference.outputs.items():
        for output, expected in outputs.items():
            array = found.outputs[case][output]
            if expected.dtype.kind == "f":
                np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-5, err_msg=f"{case} {output}")
            else:
                np.testing.assert_array_equal(array, expected, err_msg=f"{case} {output}")
