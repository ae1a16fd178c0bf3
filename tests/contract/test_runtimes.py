"""What every runtime promises, whoever brings it: the suite runs over all that are installed."""

import threading

import numpy as np
import pytest

from served import models
from shipway import registry
from shipway.errors import SessionLoadError, SessionRunError, ShipwayError

ROWS = np.random.default_rng(3).normal(size=(7, 4)).astype(np.float32)


@pytest.fixture(params=registry.names("runtimes"))
def runtime(request):
    found = registry.load("runtimes", request.param)()
    if "onnx" not in found.formats:
        pytest.skip("this suite's models are ONNX files")
    return found


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(models.mlp().SerializeToString())
    return path


def test_it_is_called_as_it_is_registered(runtime):
    assert registry.load("runtimes", runtime.name) is type(runtime)


def test_outputs_come_by_the_names_of_the_signature(runtime, path):
    session = runtime.open(path, {})
    outputs = session.run({"x": ROWS})
    assert list(outputs) == [spec.name for spec in session.signature.outputs]
    for spec in session.signature.outputs:
        assert spec.explain_mismatch(outputs[spec.name].dtype, outputs[spec.name].shape) is None


def test_rows_do_not_depend_on_their_company(runtime, path):
    session = runtime.open(path, {})
    together = session.run({"x": ROWS})["y"]
    alone = np.concatenate([session.run({"x": ROWS[i : i + 1]})["y"] for i in range(len(ROWS))])
    np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-7)


def test_inputs_are_left_as_they_were(runtime, path):
    given = ROWS.copy()
    given.setflags(write=False)
    runtime.open(path, {}).run({"x": given})
    np.testing.assert_array_equal(given, ROWS)


def test_an_answer_survives_the_next_run(runtime, path):
    session = runtime.open(path, {})
    first = session.run({"x": ROWS})["y"]
    kept = first.copy()
    session.run({"x": ROWS * 2})
    np.testing.assert_array_equal(first, kept)


def test_several_threads_at_once(runtime, path):
    session = runtime.open(path, {})
    expected = session.run({"x": ROWS})["y"]
    wrong = []

    def ask():
        answers = [session.run({"x": ROWS})["y"] for _ in range(200)]
        wrong.extend(answer for answer in answers if not np.allclose(answer, expected, rtol=1e-5))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong
    assert not any(thread.is_alive() for thread in threads)


def test_only_our_errors(runtime, path, tmp_path):
    with pytest.raises(SessionRunError):
        runtime.open(path, {}).run({"x": ROWS[:, :3]})
    (tmp_path / "broken.onnx").write_bytes(b"\x00" * 100)
    with pytest.raises(SessionLoadError):
        runtime.open(tmp_path / "broken.onnx", {})
    with pytest.raises(ShipwayError):
        runtime.open(path, {"no such option": 1})
