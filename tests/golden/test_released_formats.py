"""Bundles that earlier releases wrote: they open, prove themselves and serve for ever.

Files of a released format are never made again; a new format adds a folder. `format-1` was written by 0.1.0.
"""

from pathlib import Path

import pytest

from shipway.actions.asking import open_session
from shipway.bundle.evidence import Result, Verdict
from shipway.bundle.golden import judge_golden
from shipway.bundle.store import open_bundle

HERE = Path(__file__).parent
IDS = {"format-1/digits.bundle": "e7a223d92d15c0c64714a7f4805c1cd0c93785f45cc931f7ecdcfaaeaf3e01be"}


@pytest.mark.parametrize("path", IDS)
def test_a_released_bundle_opens_with_its_id_and_evidence(path: str) -> None:
    bundle = open_bundle(HERE / path)
    assert bundle.id == IDS[path]
    verdicts = [Verdict.from_json(item.content) for item in bundle.evidence() if item.kind == "verdict"]
    assert {verdict.result for verdict in verdicts} == {Result.PASS}
    assert bundle.manifest.task == "classification"


@pytest.mark.parametrize("path", IDS)
def test_a_released_bundle_still_answers_as_trained(path: str) -> None:
    bundle = open_bundle(HERE / path)
    golden = bundle.golden()
    assert golden is not None
    session = open_session(bundle)
    assert judge_golden(golden, session.run(golden.inputs), subject=path).result is Result.PASS
    session.close()


def test_every_stored_bundle_is_tested() -> None:
    assert {path.relative_to(HERE).as_posix() for path in HERE.glob("*/*.bundle")} == set(IDS)
