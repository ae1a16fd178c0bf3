"""Models that do not come in rows go all the way: a scalar in, a mean out, beside a batch of any size."""

from __future__ import annotations

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from digit_models import run
from served import models
from shipway import export
from shipway.actions.blaming import with_blame
from shipway.actions.exam import Exam, prepare_exam
from shipway.actions.observer import SILENT
from shipway.actions.subject import read_subject
from shipway.actions.variants import store_variant
from shipway.bundle.evidence import Result, overall
from shipway.bundle.store import BundleWriter, open_bundle
from shipway.errors import ProofError
from shipway.runtimes.onnx_runtime import OnnxRuntime
from shipway.sources.base import Hints, Source
from shipway.sources.detect import open_source
from shipway.targets.endpoint import Endpoint
from shipway.targets.local import LocalServer, start_server
from shipway.types import DType, TensorSpec


def save(path: Path, *, factor: float = 1.0) -> Path:
    """The model, one constant in it changed by `factor`."""
    made = models.with_scalars()
    weight = made.graph.initializer[0]
    array = onnx.numpy_helper.to_array(weight).copy()
    array[0, 0] *= factor
    weight.CopyFrom(onnx.numpy_helper.from_array(array, weight.name))
    onnx.save(made, path)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("requests")


@pytest.fixture(scope="module")
def data(folder: Path) -> Path:
    """Nine requests of five rows each."""
    x = np.random.default_rng(0).normal(size=(9, 5, 4)).astype(np.float32)
    np.savez(folder / "data.npz", x=x, temperature=np.linspace(0.5, 3, 9, dtype=np.float32))
    return folder / "data.npz"


@pytest.fixture(scope="module")
def bundle(folder: Path, data: Path) -> Path:
    ran = run("export", save(folder / "m.onnx"), "--data", data, "--out", folder / "m.bundle")
    assert ran.code == 0, ran.text
    assert "9 requests of the data" in ran.text
    return folder / "m.bundle"


@pytest.fixture(scope="module")
def server(bundle: Path) -> Iterator[LocalServer]:
    with start_server([bundle]) as running:
        yield running


def test_the_bundle_holds_the_users_own_requests(bundle: Path, data: Path) -> None:
    opened = open_bundle(bundle)
    golden = opened.golden()
    assert golden is not None
    assert (golden.has_rows, golden.origin, golden.count) == (False, "data", 9)
    with np.load(data) as stored:
        assert np.array_equal(golden.inputs["x"], stored["x"])
    assert golden.outputs["mean"].shape == (9,)
    shapes = {spec.name: spec.shape for spec in opened.manifest.signature.outputs}
    assert shapes == {"y": ("n", 3), "mean": ()}


def test_check_asks_the_golden_requests_and_those_of_the_data(
    server: LocalServer, bundle: Path, data: Path
) -> None:
    ran = run("check", server.url, "--bundle", bundle, "--data", data)
    assert ran.code == 0, ran.text
    assert ran.document["measurements"]["throughput_per_second"] > 0
    golden, given = [v["subject"] for v in ran.document["verdicts"] if v["rule"] == "answer-parity"]
    assert "golden requests one by one" in golden
    assert "9 requests" in given


@pytest.mark.parametrize("scalar", [[2.0], 2.0], ids=["in a list", "bare"])
@pytest.mark.parametrize("rows", [1, 4])
def test_json_and_binary_carry_scalars_both_ways(server: LocalServer, scalar: Any, rows: int) -> None:
    x = np.random.default_rng(rows).normal(size=(rows, 4)).astype(np.float32)
    body = {
        "inputs": [
            {"name": "x", "shape": [rows, 4], "datatype": "FP32", "data": x.ravel().tolist()},
            {"name": "temperature", "shape": [], "datatype": "FP32", "data": scalar},
        ]
    }
    asked = urllib.request.Request(f"{server.url}/v2/models/m/infer", json.dumps(body).encode())
    with urllib.request.urlopen(asked, timeout=10) as reply:
        outputs = {output["name"]: output for output in json.loads(reply.read())["outputs"]}
    assert (outputs["mean"]["shape"], outputs["y"]["shape"]) == ([], [rows, 3])
    with Endpoint(server.url, "m") as endpoint:
        found = endpoint.predict({"x": x, "temperature": np.array(2.0, np.float32)})
        assert not endpoint.signature.has_rows
    assert found["mean"].shape == ()
    np.testing.assert_allclose(outputs["mean"]["data"], [found["mean"]], rtol=1e-6)
    np.testing.assert_allclose(found["y"].max(axis=1).mean(), found["mean"], rtol=1e-6)


def test_a_changed_constant_fails_the_check(tmp_path: Path, bundle: Path, data: Path) -> None:
    """An endpoint whose own bundle is in order, and whose model is another."""
    export(save(tmp_path / "m.onnx", factor=1.02), tmp_path / "m.bundle")
    with start_server([tmp_path / "m.bundle"]) as server:
        ran = run("check", server.url, "--bundle", bundle, "--data", data)
    assert ran.code == 1
    assert ran.document["result"] == "FAIL"
    assert ran.document["measurements"] == {}


def test_exchanged_weights_never_turn_ready(tmp_path: Path, bundle: Path) -> None:
    good = open_bundle(bundle)
    with BundleWriter(tmp_path / "m.bundle") as writer:
        save(writer.variant_folder("onnx-fp32") / "model.onnx", factor=1.02)
        variant = replace(good.variant(), files=writer.files_of("onnx-fp32"))
        writer.commit(replace(good.manifest, variants=(variant,)), golden=good.golden())
    with pytest.raises(ProofError, match="differs from the trained model"):
        start_server([tmp_path / "m.bundle"])


@pytest.fixture(scope="module")
def source(folder: Path) -> Iterator[Source]:
    with closing(open_source(save(folder / "trained.onnx"))) as opened:
        yield opened


@pytest.fixture(scope="module")
def exam(source: Source, data: Path) -> Exam:
    return prepare_exam(read_subject(source, name=None, data=data, observer=SILENT), SILENT)


def test_the_model_itself_passes_its_exam(folder: Path, exam: Exam) -> None:
    session = OnnxRuntime().open(save(folder / "same.onnx"), {})
    assert overall(exam.judge(exam.answers_of(session)[0], subject="itself")) is Result.PASS


def test_a_changed_constant_fails_the_exam_and_blame_tells_what_it_can(
    tmp_path: Path, source: Source, exam: Exam
) -> None:
    stored = store_variant("onnx", save(tmp_path / "faulty.onnx", factor=1.02), tmp_path / "variant")
    assert stored.session is not None
    with closing(stored.session) as session:
        verdicts = exam.judge(exam.answers_of(session)[0], subject="faulty")
        assert overall(verdicts) is Result.FAIL
        assert overall(with_blame(verdicts, stored, source, exam, SILENT)) is Result.FAIL


@pytest.mark.parametrize("verb", ["deploy", "evaluate"])
def test_what_needs_a_label_a_row_says_so(
    tmp_path: Path, folder: Path, bundle: Path, data: Path, verb: str
) -> None:
    target = bundle if verb == "evaluate" else folder / "m.onnx"
    more = [] if verb == "evaluate" else ["--out", tmp_path, "--port", "0", "--once"]
    ran = run(verb, target, "--data", data, *more)
    assert ran.code != 0
    assert "this model takes whole requests" in ran.text


FACTORY = """
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.hidden, self.head = torch.nn.Linear(4, 16), torch.nn.Linear(16, 3)

    def forward(self, x, temperature):
        y = torch.softmax(self.head(torch.relu(self.hidden(x))) / (temperature.abs() + 0.5), -1)
        return {"y": y, "mean": y.max(dim=1).values.mean()}
"""


@pytest.mark.framework
def test_torch_takes_a_scalar(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(FACTORY)
    inputs = (TensorSpec("x", DType.FP32, ("batch", 4)), TensorSpec("temperature", DType.FP32, ()))
    outcome = export(
        f"{tmp_path / 'net.py'}:Net",
        tmp_path / "net.bundle",
        to=("onnx", "pt2", "openvino"),
        hints=Hints(inputs=inputs),
    )
    assert outcome.result == "PASS", [verdict.reason for verdict in outcome.verdicts]
    signature = open_bundle(tmp_path / "net.bundle").manifest.signature
    assert [spec.shape for spec in (*signature.inputs, *signature.outputs)] == [
        ("batch", 4), (), ("batch", 3), ()
    ]  # fmt: skip


TENSORFLOW = """
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

folder = Path(sys.argv[1])
keras.utils.set_random_seed(0)
x = keras.Input((4,), name="x")
y = keras.layers.Dense(3, activation="softmax", name="y")(x)
keras.Model(x, {"y": y, "mean": keras.ops.mean(keras.ops.max(y, axis=1))}).save(folder / "net.keras")


class Net(tf.Module):
    def __init__(self):
        self.w = tf.Variable(np.random.default_rng(0).normal(size=(4, 3)).astype("float32"))

    @tf.function(input_signature=[tf.TensorSpec([None, 4], name="x"), tf.TensorSpec([], name="temperature")])
    def ask(self, x, temperature):
        y = tf.nn.softmax(x @ self.w / (1 + tf.abs(temperature)))
        return {"y": y, "mean": tf.reduce_mean(tf.reduce_max(y, axis=1))}


net = Net()
tf.saved_model.save(net, str(folder / "net"), signatures={"serving_default": net.ask})
"""


@pytest.fixture(scope="module")
def tensorflow_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tensorflow")
    subprocess.run([sys.executable, "-c", TENSORFLOW, str(folder)], check=True, capture_output=True)
    return folder


@pytest.mark.framework
@pytest.mark.parametrize(
    ("file", "with_data"),
    [("net", True), ("net.keras", False), ("net.keras", True)],
    ids=["SavedModel, data", "Keras", "Keras, data"],
)
def test_tensorflow_takes_and_gives_scalars(
    tmp_path: Path, tensorflow_files: Path, file: str, with_data: bool
) -> None:
    """What a Keras file gives is known to its framework alone."""
    data = None
    if with_data:
        data = tmp_path / "data.npz"
        x = np.random.default_rng(0).normal(size=(6, 5, 4)).astype(np.float32)
        np.savez(data, x=x, temperature=np.ones(6, np.float32))
    to = ("onnx", "litert") if file == "net" else ("onnx",)
    outcome = export(tensorflow_files / file, tmp_path / "net.bundle", to=to, data=data)
    assert outcome.result == "PASS", [verdict.reason for verdict in outcome.verdicts]
    golden = open_bundle(tmp_path / "net.bundle").golden()
    assert golden is not None
    assert not golden.has_rows
    assert golden.inputs["x"].shape[1:] == ((5, 4) if with_data else (4, 4))
