"""LiteRT files: described without LiteRT, asked by it, made from SavedModels and converted to ONNX."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.framework_runs import Asked, ask_all, ask_onnx, largest_gap, random_cases

from shipway.errors import ExportError, SourceDamagedError, SourceUnsupportedError, UsageError
from shipway.sources.base import Hints, Limits
from shipway.sources.detect import open_source
from shipway.sources.formats.litert import LiteRTFormat, LiteRTSource
from shipway.sources.formats.saved_model import SavedModelFormat
from shipway.sources.framework import FrameworkSource
from shipway.sources.routes import all_edges
from shipway.types import DType, TensorSpec

pytestmark = pytest.mark.framework

IMAGE = TensorSpec("image", DType.FP32, ("batch", 8, 8, 1))
FILES = {"digits": None, "half": None, "typed": None, "several": "double", "int8": None, "int8-inside": None}
"""Name → signature."""
SAVED = {"digits": None, "transformer": None, "typed": None, "several": "total"}
TOKENS = TensorSpec("tokens", DType.INT32, (1, "tokens_1"))
RECURRENT = {"lstm": TOKENS, "gru": TOKENS, "looked-up": TensorSpec("words", DType.BYTES, (1, "words_1"))}
"""Name → what goes in once the batch is fixed."""


def opened(path: Path, signature: str | None = None) -> LiteRTSource:
    return LiteRTFormat.open(path, python=None, limits=Limits(), hints=Hints(signature=signature))


def saved(path: Path, signature: str | None = None) -> FrameworkSource:
    return SavedModelFormat.open(path, python=None, limits=Limits(), hints=Hints(signature=signature))


def silent(text: str) -> None:
    assert text


@pytest.fixture(scope="module")
def asked(litert_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Asked, dict]]:
    """Every file's own answers and its ONNX form, made in one child."""
    sources = [opened(litert_models / f"{name}.tflite", signature) for name, signature in FILES.items()]
    cases = [random_cases(source.learn_signature(silent).inputs) for source in sources]
    found = ask_all(
        sources, cases, tmp_path_factory.mktemp("litert"), edges=[["litert/tf2onnx"]] * len(FILES)
    )
    return {name: (one, given) for name, one, given in zip(FILES, found, cases, strict=True)}


@pytest.fixture(scope="module")
def made(litert_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Asked, Asked]]:
    """What SavedModels answer, and what the LiteRT files made of them do."""
    signatures = {**SAVED, **dict.fromkeys(RECURRENT)}
    sources = [saved(litert_models / name, signature) for name, signature in signatures.items()]
    words = ("apple", "pear", "plum")
    cases = [random_cases(source.describe().inputs, words=words) for source in sources]
    edges = [["litert/converter"]] * len(SAVED) + [["litert/converter-batch-1"]] * len(RECURRENT)
    answers = ask_all(sources, cases, tmp_path_factory.mktemp("saved"), edges=edges)
    converted = [opened(next(iter(one.files.values()))) for one in answers]
    again = ask_all(converted, cases, tmp_path_factory.mktemp("made"))
    return dict(zip(signatures, zip(answers, again, strict=True), strict=True))


@pytest.mark.parametrize("name", FILES)
def test_its_onnx_form_has_its_names_and_gives_its_answers(asked: dict, name: str) -> None:
    found, cases = asked[name]
    inputs, outputs, answers = ask_onnx(found.files["litert/tf2onnx"], cases)
    assert inputs == [spec.name for spec in found.signature.inputs]
    assert outputs == [spec.name for spec in found.signature.outputs]
    assert largest_gap(answers, found.outputs) < 2e-6


@pytest.mark.parametrize("name", SAVED)
def test_a_saved_model_keeps_its_signature_and_its_answers(made: dict, name: str) -> None:
    original, converted = made[name]
    assert converted.signature == original.signature
    assert largest_gap(converted.outputs, original.outputs) < 2e-6


@pytest.mark.parametrize("name", RECURRENT)
def test_a_recurrent_net_goes_through_with_one_row_at_a_time(made: dict, name: str) -> None:
    original, converted = made[name]
    assert converted.signature.inputs == (RECURRENT[name],)
    assert converted.signature.outputs == (TensorSpec("label", DType.FP32, (1, 3)),)
    assert largest_gap(converted.outputs, original.outputs) < 2e-6


def test_the_edge_says_that_it_fixes_the_batch_and_comes_last() -> None:
    edges = {edge.name: edge for edge in all_edges() if edge.end == "litert"}
    assert edges["litert/converter-batch-1"].fixes == {"batch"}
    assert edges["litert/converter"].fixes == frozenset()
    assert edges["litert/converter"].rank < edges["litert/converter-batch-1"].rank


def test_a_recurrent_net_with_a_free_batch_is_refused_with_the_reason(
    litert_models: Path, tmp_path: Path
) -> None:
    source = saved(litert_models / "lstm")
    (edge,) = (edge for edge in all_edges() if edge.name == "litert/converter")
    with pytest.raises(ExportError, match="recurrent layer's states have a free size"):
        source.convert(edge, tmp_path, samples={}, progress=silent)
    source.close()


@pytest.mark.parametrize("name", [*FILES, "transformer", "dynamic"])
def test_the_file_tells_what_the_interpreter_tells(litert_models: Path, name: str) -> None:
    before = set(sys.modules)
    source = opened(litert_models / f"{name}.tflite", FILES.get(name))
    told = source.describe().signature
    source._signature = None
    assert told == source.learn_signature(silent)
    assert "ai_edge_litert" not in set(sys.modules) - before


def test_a_trained_net_is_right_and_its_noise_is_measured(litert_models: Path) -> None:
    with np.load(litert_models / "digits.npz") as data:
        image, labels = data["image"][:300], data["labels"][:300]
    source = open_source(litert_models / "digits.tflite")
    reference = source.reference({"data": {"image": image}}, silent)
    assert reference.signature.inputs == (IMAGE,)
    assert (reference.outputs["data"]["probabilities"].argmax(1) == labels).mean() > 0.9
    assert not np.array_equal(
        reference.repeated["data"]["probabilities"], reference.outputs["data"]["probabilities"][:8]
    )
    assert "ai-edge-litert" in reference.versions


def test_a_quantized_file_keeps_its_integers_and_tells_their_scales(litert_models: Path) -> None:
    source = opened(litert_models / "int8.tflite")
    described = source.describe()
    assert described.inputs == (TensorSpec("image", DType.INT8, ("batch", 8, 8, 1)),)
    assert described.value_ranges == {"image": (-128.0, 127.0)}
    assert described.details["precision"] == "int8"
    scales = described.details["quantization"]
    assert scales["inputs"]["image"] == {"scale": pytest.approx(1 / 255), "zero_point": -128}
    assert scales["outputs"]["probabilities"] == {"scale": 1 / 256, "zero_point": -128}
    with np.load(litert_models / "digits.npz") as data:
        rows = np.round(data["image"][:300] * 255).astype(int) - 128
        labels = data["labels"][:300]
    found = source.reference({"data": {"image": rows.astype(np.int8)}}, silent)
    assert (found.outputs["data"]["probabilities"].argmax(1) == labels).mean() > 0.9
    np.testing.assert_array_equal(
        found.repeated["data"]["probabilities"], found.outputs["data"]["probabilities"][:8]
    )


def test_several_signatures_must_be_chosen_from(litert_models: Path, tmp_path: Path) -> None:
    file = litert_models / "several.tflite"
    undecided = opened(file)
    assert undecided.describe().signature is None
    with pytest.raises(UsageError, match="double, total"):
        undecided.learn_signature(silent)
    with pytest.raises(UsageError, match="no signature 'half'"):
        opened(file, "half")
    total = opened(file, "total")
    x = np.arange(8, dtype=np.float32).reshape(2, 4)
    found = total.answer({"rows": {"x": x}}, silent)
    assert found.signature.outputs == (TensorSpec("sum", DType.FP32, ("batch", 1)),)
    np.testing.assert_allclose(found.outputs["rows"]["sum"], (x * [1, 2, 3, 4]).sum(1, keepdims=True))
    (edge,) = (edge for edge in all_edges() if edge.name == "openvino/from-litert")
    with pytest.raises(ExportError, match="first graph"):
        total.convert(edge, tmp_path, samples={}, progress=silent)


def test_operators_of_tensorflow_are_refused_before_a_child_starts(litert_models: Path) -> None:
    source = opened(litert_models / "flex.tflite")
    assert "FlexTensorListReserve" in source.describe().details["custom_operators"]
    with pytest.raises(SourceUnsupportedError, match="FlexTensorListReserve"):
        source.answer({}, silent)


def test_the_interpreter_refuses_them_too(litert_models: Path) -> None:
    source = opened(litert_models / "flex.tflite")
    source.refuse = lambda: None
    source._signature = None
    with pytest.raises(SourceUnsupportedError, match="FlexTensorListReserve"):
        source.learn_signature(silent)


def test_a_file_that_was_cut_off_is_damaged(litert_models: Path, tmp_path: Path) -> None:
    file = tmp_path / "cut.tflite"
    shutil.copy(litert_models / "digits.tflite", file)
    file.write_bytes(file.read_bytes()[:3000])
    assert LiteRTFormat.recognizes(file)
    with pytest.raises(SourceDamagedError):
        open_source(file)
