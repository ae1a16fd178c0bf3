"""scikit-learn's files through children: described, refused, asked, converted, compared."""

from __future__ import annotations

import gzip
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from shipway.errors import SourceUnsupportedError
from shipway.evaluation.parity.noise import measure_noise
from shipway.evaluation.parity.numeric import numeric_parity
from shipway.sources.base import Hints, Source
from shipway.sources.detect import open_source
from shipway.sources.formats.sklearn import SklearnFormat
from shipway.sources.routes import find_ways
from shipway.types import DType, TensorSpec

pytestmark = pytest.mark.framework


def silent(_words: str) -> None:
    return None


def verdict(source: Source, rows: dict[str, np.ndarray], folder: Path) -> str:
    """Of the first way to ONNX."""
    (way, *_) = find_ways(source.format, "onnx", source.describe().details)
    cases = {"real": rows, **{f"batch-{n}": {k: v[:n] for k, v in rows.items()} for n in (1, 2, 3, 7)}}
    (step,) = way.edges
    reference = source.reference(cases, silent, ahead=step)
    converted = open_source(source.convert(step, folder, samples=rows, progress=silent).model)
    assert converted.describe().signature == reference.signature
    answers = converted.answer(cases, silent)
    found = numeric_parity(reference.outputs, answers.outputs, noise=measure_noise(reference), subject="x")
    source.close()
    converted.close()
    return f"{found.result}: {found.reason}"


def test_strings_and_numbers_keep_their_columns(tabular_models: Path, tmp_path: Path) -> None:
    source = open_source(tabular_models / "mixed.skops")
    signature = source.learn_signature(silent)
    assert [(spec.name, spec.dtype) for spec in signature.inputs] == [
        ("color", DType.BYTES),
        ("city of birth", DType.BYTES),
        ("visits", DType.INT64),
        ("age", DType.FP32),
        ("income", DType.FP32),
    ]
    assert signature.outputs == (
        TensorSpec("label", DType.INT64, ("batch",)),
        TensorSpec("probabilities", DType.FP32, ("batch", 2)),
    )
    with np.load(tabular_models / "mixed.npz") as data:
        rows = {spec.name: data[spec.name] for spec in signature.inputs}
    assert verdict(source, rows, tmp_path).startswith("PASS")


def test_a_pickle_is_refused_until_it_is_trusted(tabular_models: Path, tmp_path: Path) -> None:
    file = tabular_models / "mixed.joblib"
    untrusted = open_source(file)
    assert untrusted.describe().details["runs_code_when_read"] is True
    with pytest.raises(SourceUnsupportedError, match="pickle") as refused:
        untrusted.learn_signature(silent)
    assert "--trust" in refused.value.hint
    trusted = open_source(file, hints=Hints(trust=True))
    assert [spec.name for spec in trusted.learn_signature(silent).inputs][:2] == ["color", "city of birth"]
    trusted.close()


def test_inspect_needs_no_framework(tabular_models: Path) -> None:
    found = open_source(tabular_models / "forest.skops").describe()
    assert found.signature is None
    assert found.details["features"] == 13
    assert found.details["classes"] == [0, 1, 2]
    assert found.details["model"].endswith("RandomForestClassifier")
    assert found.details["needs_trust"] == []


def test_the_name_of_the_input_is_the_users(tabular_models: Path) -> None:
    told = (TensorSpec("flower", DType.FP32, ("batch", 13)),)
    source = open_source(tabular_models / "forest.skops", hints=Hints(inputs=told))
    assert source.learn_signature(silent).inputs == told
    source.close()


@pytest.mark.parametrize(
    ("name", "words"),
    [("unfitted", "never fitted"), ("cannot-predict", "DBSCAN can neither predict nor transform")],
)
def test_what_cannot_answer_says_so(tabular_models: Path, name: str, words: str) -> None:
    source = open_source(tabular_models / f"{name}.skops")
    with pytest.raises(SourceUnsupportedError, match=words):
        source.learn_signature(silent)
    source.close()


def test_a_type_of_others_is_named_before_a_child_starts(tabular_models: Path, tmp_path: Path) -> None:
    changed = tmp_path / "model.skops"
    with zipfile.ZipFile(tabular_models / "pca.skops") as given, zipfile.ZipFile(changed, "w") as archive:
        for member in given.namelist():
            text = given.read(member)
            if member == "schema.json":
                text = text.replace(b'"sklearn.decomposition._pca"', b'"somebody.models"')
            archive.writestr(member, text)
    with pytest.raises(SourceUnsupportedError, match=r"somebody\.models\.PCA"):
        open_source(changed).learn_signature(silent)


def test_a_pickle_of_something_else_is_told_apart(tmp_path: Path) -> None:
    file = tmp_path / "model.pkl"
    file.write_bytes(pickle.dumps({"weights": [1.0, 2.0]}, protocol=4))
    with pytest.raises(SourceUnsupportedError, match="no scikit-learn estimator"):
        open_source(file, hints=Hints(trust=True)).learn_signature(silent)


def test_what_is_compressed_and_no_pickle_is_another_formats(tmp_path: Path) -> None:
    file = tmp_path / "log.gz"
    file.write_bytes(gzip.compress(b"a line of a log\n" * 20))
    assert not SklearnFormat.recognizes(file)
    file.write_bytes(gzip.compress(pickle.dumps([1], protocol=4)))
    assert SklearnFormat.recognizes(file)
