"""A faulty conversion of a real Keras or PyTorch file FAILs, and its verdict names the layer and the cause."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import ModelProto

from planted_faults import KERAS_FAULTS, TORCH_FAULTS, bake_batch
from shipway.actions.blaming import with_blame
from shipway.actions.exam import Exam, prepare_exam
from shipway.actions.observer import SILENT
from shipway.actions.subject import read_subject
from shipway.actions.variants import store_variant
from shipway.bundle.evidence import Result, Verdict, overall
from shipway.evaluation.blame import layer_causes as causes
from shipway.sources.base import LayerAnswer, Source
from shipway.sources.detect import open_source
from shipway.types import Tensors

pytestmark = pytest.mark.framework

_BUILD = Path(__file__).parents[1] / "tapped_models.py"


class Remembering:
    """A real source whose layers are asked once: a framework takes seconds to start."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._layers: list[LayerAnswer] = []

    def tap(self, inputs: Tensors, progress: Callable[[str], None]) -> list[LayerAnswer]:
        self._layers = self._layers or list(self._source.tap(inputs, progress))
        return self._layers


@dataclass
class Line:
    """A trained model, its exam, and the ONNX file that its framework exported."""

    source: Source
    exam: Exam
    converted: Path

    def judge(self, folder: Path, edit: Callable[[ModelProto], None]) -> tuple[Verdict, ...]:
        model = onnx.load(self.converted)
        edit(model)
        onnx.save(model, folder / "model.onnx")
        stored = store_variant("onnx", folder / "model.onnx", folder / "stored")
        assert stored.session is not None
        try:
            answers, refusal = self.exam.answers_of(stored.session)
            verdicts = self.exam.judge(answers, subject="planted", breach=refusal)
            return with_blame(verdicts, stored, self.source, self.exam, SILENT)
        finally:
            stored.session.close()


def line_of(kind: str, file: str, folder: Path) -> Iterator[Line]:
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    subprocess.run(
        [sys.executable, str(_BUILD), kind, str(folder)], cwd=folder, env=environment, check=True, timeout=180
    )
    np.savez(folder / "data.npz", image=np.load(folder / "x.npy"))
    with closing(open_source(folder / file)) as source:
        subject = read_subject(source, name=None, data=folder / "data.npz", observer=SILENT)
        yield Line(Remembering(source), prepare_exam(subject, SILENT), folder / "model.onnx")


@pytest.fixture(scope="module")
def keras(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    yield from line_of("keras", "model.keras", tmp_path_factory.mktemp("keras"))


@pytest.fixture(scope="module")
def torch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    yield from line_of("torch", "model.pt2", tmp_path_factory.mktemp("torch"))


def check(verdicts: tuple[Verdict, ...], layer: str, cause: str) -> None:
    assert overall(verdicts) is Result.FAIL
    (failed,) = [verdict for verdict in verdicts if verdict.rule == "numeric-parity"]
    blame = failed.figures["blame"]
    assert (blame["layer"], blame["cause"][: len(cause)]) == (layer, cause), failed.reason
    assert layer in failed.reason
    assert cause in failed.reason


@pytest.mark.parametrize("fault", [name for name in KERAS_FAULTS if name != "missing eval"])
def test_a_faulty_conversion_of_a_keras_file(tmp_path: Path, keras: Line, fault: str) -> None:
    edit, layer, cause = KERAS_FAULTS[fault]
    check(keras.judge(tmp_path, edit), layer, cause)


def test_dropout_left_in_training_is_undone_by_the_runtime(tmp_path: Path, keras: Line) -> None:
    """ONNX Runtime's graph optimization removes it, so what is served is right; torch's batch norm is not."""
    assert overall(keras.judge(tmp_path, KERAS_FAULTS["missing eval"][0])) is Result.PASS


@pytest.mark.parametrize("fault", TORCH_FAULTS)
def test_a_faulty_conversion_of_an_exported_program(tmp_path: Path, torch: Line, fault: str) -> None:
    edit, layer, cause = TORCH_FAULTS[fault]
    check(torch.judge(tmp_path, edit), layer, cause)


def test_a_batch_size_baked_in(tmp_path: Path, torch: Line) -> None:
    check(torch.judge(tmp_path, bake_batch), "flatten", causes.BATCH)


@pytest.mark.parametrize("kind", ["keras", "torch"])
def test_the_conversion_itself_passes_and_blames_nothing(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    verdicts = request.getfixturevalue(kind).judge(tmp_path, lambda _: None)
    assert overall(verdicts) is Result.PASS
    assert all("blame" not in verdict.figures for verdict in verdicts)
