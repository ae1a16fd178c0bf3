"""Keras 2's `.h5` files: told apart without a framework, and meaning what Keras 2 computed, whoever reads."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from framework_runs import Asked, ask_all, ask_onnx, largest_gap, random_cases
from shipway.errors import MissingDependencyError, SourceDamagedError, SourceUnsupportedError
from shipway.sources.base import Hints, Limits
from shipway.sources.formats.keras import KerasFormat
from shipway.sources.formats.keras_h5 import KerasH5Format, KerasH5Source
from shipway.sources.formats.saved_model import SavedModelFormat
from shipway.sources.workers.frameworks.keras_2_to_3 import COMPARED, layers
from shipway.types import Tensors

pytestmark = pytest.mark.framework

READ_BY_BOTH = (
    *("cnn", "lstm", "gru_tagger", "two_in_two_out", "odd_names", "hard_dense", "hard_loops", "frames"),
    *("old_gru", "half_precision", "image_layers", "sequence_layers", "more_sequence_layers", "digits"),
)
KERAS_2_ONLY = ("transformer", "nested", "operators", "locally")
CONVERTED = ("cnn", "lstm", "gru_tagger", "two_in_two_out", "hard_dense", "hard_loops")
"""Each way of conversion costs a second a model; these have all that may go wrong on it."""

Asks = dict[str, tuple[Asked, dict[str, Tensors]]]


def opened(file: Path, *, engine: str | None = None, trust: bool = False) -> KerasH5Source:
    return KerasH5Source(file, python=None, limits=Limits(), trust=trust, engine=engine)


def asked_by(
    engine: str, names: tuple[str, ...], models: Path, folder: Path, edges: tuple[str, ...] = ()
) -> Asks:
    sources = [opened(models / f"{name}.h5", engine=engine) for name in names]
    cases = [random_cases(source.describe().inputs or ()) for source in sources]
    found = ask_all(sources, cases, folder, edges=[edges] * len(names), thorough=engine == "keras-2")
    return {name: (one, given) for name, one, given in zip(names, found, cases, strict=True)}


@pytest.fixture(scope="module")
def by_keras_2(tensorflow_sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Asks:
    names = tuple(name for name in (*READ_BY_BOTH, *KERAS_2_ONLY) if name not in CONVERTED)
    return asked_by("keras-2", names, tensorflow_sources, tmp_path_factory.mktemp("keras-2")) | asked_by(
        "keras-2",
        CONVERTED,
        tensorflow_sources,
        tmp_path_factory.mktemp("keras-2-converted"),
        ("keras-h5/tf2onnx-function", "keras-h5/saved-model"),
    )


@pytest.fixture(scope="module")
def by_keras_3(tensorflow_sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Asks:
    return asked_by(
        "keras-3",
        READ_BY_BOTH,
        tensorflow_sources,
        tmp_path_factory.mktemp("keras-3"),
        ("keras-h5/keras",),
    )


@pytest.mark.parametrize("name", READ_BY_BOTH)
def test_keras_3_computes_what_keras_2_meant(by_keras_2: Asks, by_keras_3: Asks, name: str) -> None:
    wanted, found = by_keras_2[name][0], by_keras_3[name][0]
    assert found.signature == wanted.signature
    assert largest_gap(found.outputs, wanted.outputs) < 2e-6


def test_every_layer_that_is_not_doubted_was_compared(tensorflow_sources: Path) -> None:
    seen = set()
    for name in READ_BY_BOTH:
        source = opened(tensorflow_sources / f"{name}.h5")
        seen |= {layer["class_name"] for layer in layers(source._outlined["model_config"])}
        source.close()
    assert seen >= COMPARED - {"Model"}  # the name that Keras 2.3 gave to Functional


def test_without_its_meaning_kept_keras_3_answers_otherwise(
    by_keras_2: Asks, tensorflow_sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Keras 3 alone, on the same weights: as far off as no rounding is. Guards the test above."""
    folder = tmp_path_factory.mktemp("plain")
    name = "hard_dense"
    wanted, cases = by_keras_2[name]
    rows = folder / "row.npy"
    np.save(rows, cases["7x6"]["row"])
    script = (
        "import sys, numpy, keras\n"
        "model = keras.saving.load_model(sys.argv[1], compile=False)\n"
        "numpy.save(sys.argv[3], numpy.asarray(model(numpy.load(sys.argv[2]), training=False)))\n"
    )
    out = folder / "out.npy"
    command = [sys.executable, "-c", script, str(tensorflow_sources / f"{name}.h5"), str(rows), str(out)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    assert np.abs(np.load(out) - wanted.outputs["7x6"]["label"]).max() > 0.01


@pytest.mark.parametrize("name", [*READ_BY_BOTH, *KERAS_2_ONLY])
def test_keras_2_has_a_float64_twin(by_keras_2: Asks, name: str) -> None:
    found = by_keras_2[name][0]
    (case,) = found.precise
    for output, array in found.precise[case].items():
        assert array.dtype == np.float64
        assert not np.array_equal(array, found.outputs[case][output][: len(array)])
        assert np.allclose(
            array, found.outputs[case][output][: len(array)], atol=2e-2 if "half" in name else 1e-5
        )


@pytest.mark.parametrize("name", CONVERTED)
def test_its_onnx_form_has_its_names_and_gives_its_answers(by_keras_2: Asks, name: str) -> None:
    found, cases = by_keras_2[name]
    inputs, outputs, answers = ask_onnx(found.files["keras-h5/tf2onnx-function"], cases)
    assert inputs == [spec.name for spec in found.signature.inputs]
    assert outputs == [spec.name for spec in found.signature.outputs]
    assert largest_gap(answers, found.outputs) < 2e-6


@pytest.fixture(scope="module")
def keras_as_saved_models(
    tensorflow_sources: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Asks, tuple[str, ...]]:
    """Keras 3's own `.keras` files, made SavedModels."""
    names = ("cnn", "gru_tagger", "transformer", "two_in_two_out", "odd_names")
    sources = [
        KerasFormat.open(tensorflow_sources / f"{name}.keras", python=None, limits=Limits(), hints=Hints())
        for name in names
    ]
    cases = [random_cases(source.describe().inputs or ()) for source in sources]
    found = ask_all(
        sources,
        cases,
        tmp_path_factory.mktemp("keras-files"),
        edges=[("tensorflow/saved-model",)] * len(names),
    )
    return {name: (one, given) for name, one, given in zip(names, found, cases, strict=True)}, names


def test_as_a_saved_model_it_keeps_names_order_axes_and_answers(
    by_keras_2: Asks,
    keras_as_saved_models: tuple[Asks, tuple[str, ...]],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Of Keras 2 and of Keras 3."""
    made = [(by_keras_2[name], "keras-h5/saved-model") for name in CONVERTED]
    made += [(one, "tensorflow/saved-model") for one in keras_as_saved_models[0].values()]
    sources = [
        SavedModelFormat.open(one[0].files[edge], python=None, limits=Limits(), hints=Hints())
        for one, edge in made
    ]
    for source, ((wanted, _), _) in zip(sources, made, strict=True):
        assert source.describe().signature == wanted.signature
    answers = ask_all(sources, [one[1] for one, _ in made], tmp_path_factory.mktemp("saved-models"))
    for found, ((wanted, _), _) in zip(answers, made, strict=True):
        assert found.signature == wanted.signature
        assert largest_gap(found.outputs, wanted.outputs) < 2e-6


def test_as_a_keras_file_it_keeps_names_order_axes_and_answers(
    by_keras_2: Asks, by_keras_3: Asks, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Also where `hard_sigmoid` had to be spelled out: any Keras 3 reads the file as Keras 2 meant it."""
    sources = [
        KerasFormat.open(
            by_keras_3[name][0].files["keras-h5/keras"], python=None, limits=Limits(), hints=Hints()
        )
        for name in READ_BY_BOTH
    ]
    cases = [by_keras_2[name][1] for name in READ_BY_BOTH]
    for found, name in zip(
        ask_all(sources, cases, tmp_path_factory.mktemp("keras-files")), READ_BY_BOTH, strict=True
    ):
        wanted = by_keras_2[name][0]
        assert found.signature == wanted.signature
        assert largest_gap(found.outputs, wanted.outputs) < 2e-6


def test_it_is_described_without_a_framework(tensorflow_sources: Path) -> None:
    source = opened(tensorflow_sources / "hard_loops.h5")
    before = set(sys.modules)
    described = source.describe()
    source.close()
    assert not {"tf_keras", "keras", "tensorflow", "h5py"} & (set(sys.modules) - before)
    assert [str(spec) for spec in described.inputs or ()] == ["FP32[batch, steps_1, 3]"]
    assert described.details["read_by"] == "keras-2"
    assert described.details["keras_version"].startswith("2.")
    assert described.details["is_recurrent_or_attentive"]
    assert len(described.details["hard_sigmoid_layers"]) == 3
    assert described.details["meaning_doubts"] == []
    json.dumps(dict(described.details))


def test_a_vocabulary_is_told_as_a_range(tensorflow_sources: Path) -> None:
    source = opened(tensorflow_sources / "lstm.h5")
    assert source.describe().value_ranges == {"tokens": (0.0, 19.0)}
    source.close()


def test_what_keras_3_may_take_otherwise_is_said(tensorflow_sources: Path) -> None:
    source = opened(tensorflow_sources / "transformer.h5", engine="keras-3")
    (doubt,) = source.describe().details["meaning_doubts"]
    assert "MultiHeadAttention" in doubt
    with pytest.raises(MissingDependencyError, match="Keras 3") as caught:
        source.learn_signature(lambda _: None)
    assert "tf-keras" in caught.value.hint
    source.close()


def test_a_file_of_keras_3_is_read_by_keras_3_and_not_doubted(tensorflow_sources: Path) -> None:
    source = opened(tensorflow_sources / "of_keras_3.h5")
    details = source.describe().details
    assert (details["read_by"], details["meaning_doubts"], details["hard_sigmoid_layers"]) == (
        "keras-3",
        [],
        [],
    )
    signature = source.learn_signature(lambda _: None)
    assert [spec.name for spec in (*signature.inputs, *signature.outputs)] == ["row", "label"]
    source.close()


def test_a_weights_only_file_says_what_is_missing(tensorflow_sources: Path) -> None:
    source = opened(tensorflow_sources / "weights_only.h5")
    with pytest.raises(SourceUnsupportedError, match=r"weights only .*conv2d.*no model_config") as caught:
        source.describe()
    assert "load_weights" in caught.value.hint
    source.close()


def test_a_lambda_is_refused_unless_trusted(tensorflow_sources: Path) -> None:
    source = opened(tensorflow_sources / "lambda.h5")
    assert source.describe().details["needs_trust"] == ["payload"]
    with pytest.raises(SourceUnsupportedError, match="'payload'") as caught:
        source.learn_signature(lambda _: None)
    assert "--trust" in caught.value.hint
    source.close()
    trusted = opened(tensorflow_sources / "lambda.h5", trust=True)
    rows = {"row": np.ones((2, 4), np.float32)}
    assert trusted.answer({"ones": rows}, lambda _: None).signature.inputs[0].name == "row"
    trusted.close()


def test_a_model_with_a_memory_is_refused(tensorflow_sources: Path) -> None:
    source = opened(tensorflow_sources / "stateful.h5")
    with pytest.raises(SourceUnsupportedError, match="stateful"):
        source.learn_signature(lambda _: None)
    source.close()


def test_another_hdf5_file_and_a_cut_one_are_told(tensorflow_sources: Path, tmp_path: Path) -> None:
    whole = (tensorflow_sources / "cnn.h5").read_bytes()
    cut = tmp_path / "cut.h5"
    cut.write_bytes(whole[: len(whole) // 2])
    assert KerasH5Format.recognizes(cut)
    with pytest.raises(SourceDamagedError, match="cut off"):
        KerasH5Format.open(cut, python=None, limits=Limits(), hints=Hints())
    assert not KerasH5Format.recognizes(tensorflow_sources / "cnn.keras")
