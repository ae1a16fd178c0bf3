"""SavedModel folders: described without TensorFlow, asked and converted in one child."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from framework_runs import Asked, ask_all, ask_onnx, largest_gap, random_cases
from shipway.errors import SourceDamagedError, SourceUnsupportedError, UsageError
from shipway.sources.base import Hints, Limits
from shipway.sources.formats.saved_model import SavedModelFormat, SavedModelSource, digest_and_size_of_folder
from shipway.types import DType

pytestmark = pytest.mark.framework

SIGNATURES = {"typed": "types", "version_1": "predict"}
PLAIN = ("cnn", "lstm", "gru_tagger", "transformer", "two_in_two_out", "captured", "vocabulary", "digits")
LARGE = ("gru_tagger", "transformer", "digits")
"""Taken for large ones, too."""
WORDS = ("apple", "plum", "unknown", "")


def opened(folder: Path, signature: str | None = None, *, trust: bool = False) -> SavedModelSource:
    hints = Hints(signature=signature, trust=trust)
    return SavedModelFormat.open(folder, python=None, limits=Limits(), hints=hints)


@pytest.fixture(scope="module")
def asked(
    tensorflow_sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Asked, dict]]:
    """Every SavedModel's own answers and its ONNX form, made in one child."""
    names = (*PLAIN, *SIGNATURES)
    sources = [opened(tensorflow_sources / name, SIGNATURES.get(name)) for name in names]
    cases = [random_cases(source.describe().inputs or (), words=WORDS) for source in sources]
    edges = [("savedmodel/tf2onnx", "savedmodel/tf2onnx-large")[: 1 + (name in LARGE)] for name in names]
    found = ask_all(sources, cases, tmp_path_factory.mktemp("asked"), edges=edges)
    return {name: (one, given) for name, one, given in zip(names, found, cases, strict=True)}


@pytest.mark.parametrize(
    ("name", "edge"),
    [
        *((name, "savedmodel/tf2onnx") for name in (*PLAIN, *SIGNATURES)),
        *((name, "savedmodel/tf2onnx-large") for name in LARGE),
    ],
)
def test_its_onnx_form_has_its_names_and_gives_its_answers(
    asked: dict[str, tuple[Asked, dict]], name: str, edge: str
) -> None:
    found, cases = asked[name]
    inputs, outputs, answers = ask_onnx(found.files[edge], cases)
    assert inputs == [spec.name for spec in found.signature.inputs]
    assert outputs == [spec.name for spec in found.signature.outputs]
    assert largest_gap(answers, found.outputs) < 2e-6


def test_a_large_model_s_weights_lie_in_one_file_beside(asked: dict[str, tuple[Asked, dict]]) -> None:
    graph = asked["digits"][0].files["savedmodel/tf2onnx-large"]
    assert sorted(file.name for file in graph.parent.iterdir()) == ["model.onnx", "model.onnx.data"]
    dense_bytes = 4 * 16 * 36 * 32  # the weights of the first dense layer
    assert graph.with_name("model.onnx.data").stat().st_size >= dense_bytes


def test_it_is_described_without_tensorflow(
    tensorflow_sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = opened(tensorflow_sources / "typed", "types")
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # importing it fails
    described = source.describe()
    assert described.inputs is not None
    assert {spec.name: str(spec) for spec in described.inputs} == {
        "count": "INT64[batch]",
        "half": "FP16[batch, 2]",
        "mask": "BOOL[batch, mask_1]",
        "wide": "FP64[batch, 3]",
    }
    assert (
        described.signature is None
    )  # whether the answer's second axis is the mask's, the graph does not say
    assert described.details["signatures"]["doubled"] == "x FP32[batch, 4] → y FP32[batch, 4]"


@pytest.mark.parametrize("name", ["cnn", "captured", "two_in_two_out", "version_1"])
def test_what_it_tells_without_tensorflow_is_what_tensorflow_says(
    tensorflow_sources: Path, asked: dict[str, tuple[Asked, dict]], name: str
) -> None:
    described = opened(tensorflow_sources / name).describe()
    assert described.signature == asked[name][0].signature


def test_a_free_axis_of_an_output_is_followed_to_its_input(asked: dict[str, tuple[Asked, dict]]) -> None:
    assert asked["gru_tagger"][0].signature.outputs[0].shape == ("batch", "tokens_1", 4)
    others = asked["typed"][0].signature.output("others")
    assert others.shape == ("batch", "mask_1")


def test_element_types_stay(asked: dict[str, tuple[Asked, dict]]) -> None:
    found, cases = asked["typed"]
    types = {spec.name: spec.dtype for spec in found.signature.outputs}
    assert types == {"scaled": DType.FP64, "next": DType.INT64, "others": DType.BOOL, "twice": DType.FP16}
    np.testing.assert_array_equal(found.outputs["3x9"]["next"], cases["3x9"]["count"] + 1)
    np.testing.assert_array_equal(found.outputs["3x9"]["scaled"], cases["3x9"]["wide"] * 1.5)


def test_a_table_is_filled_from_the_model_s_own_file(asked: dict[str, tuple[Asked, dict]]) -> None:
    found, cases = asked["vocabulary"]
    numbers = {"apple": 0, "plum": 2, "unknown": -1, "": -1}
    wanted = [[numbers[word] for word in row] for row in cases["7x6"]["text"]]
    assert found.outputs["7x6"]["index"].tolist() == wanted


def test_without_a_default_a_signature_must_be_chosen(tensorflow_sources: Path) -> None:
    source = opened(tensorflow_sources / "typed")
    assert source.describe().inputs is None
    with pytest.raises(UsageError, match="doubled, types") as caught:
        source.refuse()
    assert "--signature" in caught.value.hint
    with pytest.raises(UsageError, match="no signature 'other'"):
        opened(tensorflow_sources / "typed", "other")


def test_what_would_write_a_file_is_refused_unless_trusted(tensorflow_sources: Path) -> None:
    source = opened(tensorflow_sources / "writing")
    assert "WriteFile" in source.describe().details["needs_trust"][0]
    with pytest.raises(SourceUnsupportedError, match="WriteFile") as caught:
        source.learn_signature(lambda _: None)
    assert "--trust" in caught.value.hint
    opened(tensorflow_sources / "writing", trust=True).refuse()


def test_weights_that_do_not_fit_the_graph_are_damage(tensorflow_sources: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tensorflow_sources / "captured", copy)
    (copy / "variables" / "variables.data-00000-of-00001").write_bytes(b"\0" * 8)
    source = opened(copy)
    try:
        with pytest.raises(SourceDamagedError, match=r"TensorFlow \S+ cannot load"):
            source.answer({"ones": {"x": np.ones((2, 4), np.float32)}}, lambda _: None)
    finally:
        source.close()


def test_the_digest_is_of_names_and_contents(tensorflow_sources: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tensorflow_sources / "captured", copy)
    before = digest_and_size_of_folder(copy)
    assert before == digest_and_size_of_folder(tensorflow_sources / "captured")
    (copy / "fingerprint.pb").rename(copy / "other.pb")
    assert digest_and_size_of_folder(copy)[0] != before[0]


def test_notes_give_names_and_order_and_are_left_out_where_they_lie(
    tensorflow_sources: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(tensorflow_sources / "two_in_two_out", copy)
    notes = copy / "assets.extra" / "shipway.json"
    notes.parent.mkdir()
    row, answer = ["batch", 4], ["batch", 3]
    good = {
        "inputs": {"right": {"name": "2nd", "shape": row}, "left": {"name": "self", "shape": row}},
        "outputs": {
            "output_1": {"name": "b", "shape": answer},
            "output_0": {"name": "a", "shape": answer},
        },
    }
    notes.write_text(json.dumps(good))
    described = opened(copy).describe()
    assert described.signature is not None
    assert [spec.name for spec in described.signature.inputs] == ["2nd", "self"]
    assert [spec.name for spec in described.signature.outputs] == ["b", "a"]
    for lie in (
        good | {"inputs": {"right": {"name": "2nd", "shape": row}}},
        good | {"inputs": good["inputs"] | {"left": {"name": "self", "shape": ["batch", 5]}}},
        good | {"inputs": good["inputs"] | {"left": {"name": "self", "shape": [4, 4]}}},
        good | {"inputs": good["inputs"] | {"left": {"name": "", "shape": row}}},
        good | {"inputs": [1]},
        [],
    ):
        notes.write_text(json.dumps(lie))
        assert [spec.name for spec in opened(copy).describe().inputs or ()] == ["left", "right"]
    notes.write_text("[" * 100_000)
    assert [spec.name for spec in opened(copy).describe().inputs or ()] == ["left", "right"]
