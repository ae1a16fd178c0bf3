"""What a converter wrote, given the model's names and order: asked by LiteRT before and after."""

from pathlib import Path

import numpy as np
import pytest

from shipway.sources.base import Hints, Limits
from shipway.sources.formats.litert import LiteRTFormat
from shipway.sources.workers.frameworks.litert_bytes import finish
from shipway.sources.workers.wire import TaskError

pytestmark = pytest.mark.framework

KEYS = {"inputs": ["zebra", "apple", "mask"], "outputs": ["second", "first", "count", "kept"]}
NAMES = {"inputs": ["wild horse", "fruit", "mask"], "outputs": ["second/β", "first", "n", "kept"]}
CASES = {
    "zebra": np.random.default_rng(1).normal(size=(5, 4)).astype(np.float32),
    "apple": np.arange(15).reshape(5, 3),
    "mask": np.arange(15).reshape(5, 3) % 2 == 0,
}


def opened(path: Path):
    return LiteRTFormat.open(path, python=None, limits=Limits(), hints=Hints())


def signature(names):
    return {side: [{"name": name} for name in found] for side, found in names.items()}


@pytest.mark.parametrize("names", [KEYS, NAMES], ids=["order", "names"])
def test_order_and_names_are_the_models(litert_models, tmp_path, names):
    before = litert_models / "typed.tflite"
    after = tmp_path / "after.tflite"
    finish(before.read_bytes(), "serving_default", signature(names), KEYS, after)
    told = opened(after).describe().signature
    assert [spec.name for spec in told.inputs] == names["inputs"]
    assert [spec.name for spec in told.outputs] == names["outputs"]
    renamed = dict(zip(KEYS["inputs"], names["inputs"], strict=True))
    wanted = opened(before).answer({"rows": CASES}, lambda _: None)
    found = opened(after).answer({"rows": {renamed[k]: v for k, v in CASES.items()}}, lambda _: None)
    assert found.signature == told
    for old, new in zip(KEYS["outputs"], names["outputs"], strict=True):
        np.testing.assert_array_equal(found.outputs["rows"][new], wanted.outputs["rows"][old])


def test_lost_names_are_an_error(litert_models, tmp_path):
    keys = {**KEYS, "outputs": ["second", "first", "count", "output_3"]}
    data = (litert_models / "typed.tflite").read_bytes()
    with pytest.raises(TaskError, match="output_3"):
        finish(data, "serving_default", signature(keys), keys, tmp_path / "after.tflite")
    with pytest.raises(TaskError, match="no signature 'other'"):
        finish(data, "other", signature(KEYS), KEYS, tmp_path / "after.tflite")


def test_operators_of_tensorflow_are_an_error(litert_models, tmp_path):
    keys = {"inputs": ["tokens"], "outputs": ["label"]}
    data = (litert_models / "flex.tflite").read_bytes()
    with pytest.raises(TaskError, match="FlexTensorListReserve"):
        finish(data, "serving_default", signature(keys), keys, tmp_path / "after.tflite")


def test_weights_that_were_left_behind_are_an_error(litert_models, tmp_path):
    keys = {"inputs": ["image"], "outputs": ["probabilities"]}
    data = (litert_models / "untracked.tflite").read_bytes()
    assert len(data) < (litert_models / "digits.tflite").stat().st_size / 2
    with pytest.raises(TaskError, match="left the weights out"):
        finish(data, "serving_default", signature(keys), keys, tmp_path / "after.tflite")
