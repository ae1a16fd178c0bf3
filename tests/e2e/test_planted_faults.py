"""A fault planted between the trained model and what answers for it FAILs; an unchanged model always PASSes."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from digit_models import REVERSED_CHANNELS, classifier, colored_digits, run, single_output
from shipway import export
from shipway.actions.exam import Exam, prepare_exam
from shipway.actions.observer import SILENT
from shipway.actions.subject import read_subject
from shipway.bundle.evidence import Result, overall
from shipway.bundle.store import BundleWriter, open_bundle
from shipway.errors import ProofError
from shipway.runtimes.onnx_runtime import OnnxRuntime
from shipway.sources.detect import open_source
from shipway.targets.local import start_server

FAULTS = {
    "a weight changed by 1 %": {"change": 0.01},
    "swapped outputs": {"swap": True},
    "reversed channels": {"before": REVERSED_CHANNELS},
}


@pytest.fixture(scope="module")
def exam(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Exam:
    path = classifier(tmp_path_factory.mktemp("faults") / "trained.onnx")
    with closing(open_source(path)) as source:
        return prepare_exam(read_subject(source, name=None, data=data, observer=SILENT), SILENT)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_converted_model_fails(tmp_path: Path, exam: Exam, fault: str) -> None:
    session = OnnxRuntime().open(classifier(tmp_path / "converted.onnx", **FAULTS[fault]), {})
    verdicts = exam.judge(exam.answers_of(session)[0], subject=fault)
    assert overall(verdicts) is Result.FAIL
    if fault == "swapped outputs":
        assert any("swapped" in verdict.reason for verdict in verdicts)


def test_the_model_itself_passes_the_same_exam(tmp_path: Path, exam: Exam) -> None:
    session = OnnxRuntime().open(classifier(tmp_path / "converted.onnx"), {})
    assert overall(exam.judge(exam.answers_of(session)[0], subject="itself")) is Result.PASS


@pytest.mark.parametrize("seed", range(20))
def test_an_unchanged_model_passes_with_a_hundred_samples(tmp_path: Path, seed: int) -> None:
    x, y = colored_digits(slice(900 + 20 * seed, 1000 + 20 * seed))
    np.savez(tmp_path / "data.npz", image=x, labels=y)
    found = export(
        classifier(tmp_path / "m.onnx", seed=seed), tmp_path / "m.bundle", data=tmp_path / "data.npz"
    )
    assert found.result == "PASS", [verdict.reason for verdict in found.verdicts]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Endpoints that answer as the trained model, and as faulty ones, each with a good conscience of its own."""
    folder = tmp_path_factory.mktemp("served")
    made = {"trained": {}, **FAULTS}
    del made["swapped outputs"]
    paths = {}
    for number, (name, fault) in enumerate(made.items()):
        path = folder / f"{number}" / "digits.bundle"
        path.parent.mkdir()
        export(single_output(folder / f"{number}" / "digits.onnx", **fault), path)
        paths[name] = path
    return paths


@pytest.mark.parametrize("fault", ["a weight changed by 1 %", "reversed channels"])
def test_check_fails_an_endpoint_with_a_fault(served: dict, bundle: Path, data: Path, fault: str) -> None:
    with start_server([served[fault]]) as server:
        ran = run("check", server.url, "--bundle", bundle, "--data", data)
    assert ran.code == 1
    assert ran.document["result"] == "FAIL"
    failed = {verdict["rule"] for verdict in ran.document["verdicts"] if verdict["result"] == "FAIL"}
    assert "answer-parity" in failed
    assert ran.document["measurements"] == {}


def test_check_passes_the_trained_model(served: dict, bundle: Path, data: Path) -> None:
    with start_server([served["trained"]]) as server:
        ran = run("check", server.url, "--bundle", bundle, "--data", data)
    assert ran.code == 0, ran.text
    assert ran.document["result"] == "PASS"
    assert ran.document["metrics"]["accuracy"]["value"] > 0.85
    assert ran.document["measurements"]["throughput_per_second"] > 0


def test_a_bundle_whose_weights_were_exchanged_never_turns_ready(
    tmp_path: Path, bundle: Path, data: Path
) -> None:
    """Digests that fit can be made for any weights; the golden samples cannot be fooled."""
    good = open_bundle(bundle)
    with BundleWriter(tmp_path / "digits.bundle") as writer:
        folder = writer.variant_folder("onnx-fp32")
        single_output(folder / "model.onnx", change=0.5)
        variant = replace(good.variant(), files=writer.files_of("onnx-fp32"))
        writer.commit(replace(good.manifest, variants=(variant,)), golden=good.golden())
    with pytest.raises(ProofError, match="differs from the trained model"):
        start_server([tmp_path / "digits.bundle"])


def test_labels_that_are_off_by_one_fail(tmp_path: Path, model: Path) -> None:
    x, y = colored_digits(slice(900, 1100))
    np.savez(tmp_path / "shifted.npz", x=x, y=(y + 1) % 10)
    ran = run("deploy", model, "--data", tmp_path / "shifted.npz", "--out", tmp_path, "--port", "0", "--once")
    assert ran.code == 1
    assert ran.document["result"] == "FAIL"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["shifted.npz"]
