"""`shipway serve` says at once why a bundle is not fit to be served, and ends with a verdict's exit code."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

from digit_models import run
from shipway.bundle.evidence import Evidence, Result, Verdict
from shipway.bundle.store import BundleWriter, open_bundle


def test_a_bundle_with_a_fail_among_its_evidence(tmp_path: Path, bundle: Path) -> None:
    good = open_bundle(bundle)
    with BundleWriter(tmp_path / "digits.bundle") as writer:
        shutil.copytree(bundle / "variants", writer.folder / "variants")
        verdict = Verdict("numeric-parity", "digits.onnx → ONNX", Result.FAIL, "batch 3 is another model")
        evidence = Evidence("verdict", {"variant": "onnx-fp32"}, None, verdict.to_json())
        writer.commit(replace(good.manifest, evidence=()), golden=good.golden(), evidence=[evidence])
    ran = run("serve", tmp_path / "digits.bundle", "--port", "0", timeout=30)
    assert ran.code == 1
    assert ran.document["error"]["code"] == "serve.not-proven"
    assert "batch 3 is another model" in ran.document["error"]["message"]
