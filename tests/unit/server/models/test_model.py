"""The check that every request passes before it may join others."""

import asyncio

import numpy as np
import pytest

from served import models
from shipway.errors import TensorMismatchError
from shipway.runtimes.onnx_runtime import OnnxRuntime
from shipway.server.models.card import ModelCard
from shipway.server.models.model import ServedModel, State
from shipway.server.settings import ServerSettings


def served(folder, made, **settings):
    path = folder / "model.onnx"
    path.write_bytes(made.SerializeToString())
    session = OnnxRuntime().open(path, {})
    card = ModelCard("m", "1", session.signature, "id", "v", "onnx", "fp32", "onnxruntime")
    loop = asyncio.get_running_loop()
    return ServedModel(card, session, None, settings=ServerSettings(**settings), loop=loop)


def submit(folder, made, inputs, **settings):
    async def run():
        model = served(folder, made, **settings)
        answer = asyncio.get_running_loop().create_future()
        model.submit(inputs, answer.set_result)
        outcome = await answer
        await model.close()
        return outcome

    return asyncio.run(run())


def floats(*shape):
    return np.zeros(shape, np.float32)


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, "takes the inputs 'x'; found none"),
        ({"z": floats(1, 4)}, "takes the inputs 'x'; found 'z'"),
        ({"x": floats(1, 4), "z": floats(1)}, "found 'x', 'z'"),
        ({"x": floats(1, 5)}, r"x: expected FP32\[batch, 4\], found float32\[1, 5\]: axis 1 is 5, not 4"),
        ({"x": floats(4)}, "1 dimensions where the model has 2"),
        ({"x": floats(1, 1, 4)}, "3 dimensions where the model has 2"),
        ({"x": np.zeros((1, 4))}, "another dtype"),
        ({"x": np.array(1, np.float32)}, "0 dimensions"),
    ],
)
def test_what_does_not_fit_is_told_apart(tmp_path, inputs, expected):
    with pytest.raises(TensorMismatchError, match=expected) as caught:
        submit(tmp_path, models.mlp(), inputs)
    assert "/v2/models/m" in caught.value.hint


def test_shared_free_dimensions_must_agree(tmp_path):
    with pytest.raises(TensorMismatchError, match="b: its length is 3, another input's is 2"):
        submit(tmp_path, models.two_inputs(), {"a": floats(1, 2), "b": floats(1, 3)})
    with pytest.raises(TensorMismatchError, match="b: its batch is 2"):
        submit(tmp_path, models.two_inputs(), {"a": floats(1, 2), "b": floats(2, 2)})


def test_it_answers(tmp_path):
    a, b = np.ones((2, 3), np.float32), np.full((2, 3), 2, np.float32)
    outcome = submit(tmp_path, models.two_inputs(), {"b": b, "a": a})
    np.testing.assert_array_equal(outcome["difference"], a - b)


def test_different_lengths_in_one_turn_do_not_join(tmp_path):
    async def run():
        model = served(tmp_path, models.two_inputs())
        loop = asyncio.get_running_loop()
        futures = []
        for length in (2, 5, 2, 5):
            futures.append(loop.create_future())
            model.submit({"a": floats(1, length), "b": floats(1, length) + length}, futures[-1].set_result)
        answers = await asyncio.gather(*futures)
        assert [answer["sum"].tolist() for answer in answers] == [
            [[n] * n] for n in (2.0, 5.0, 2.0, 5.0) for n in [int(n)]
        ]

    asyncio.run(run())


def test_batching_can_be_switched_off(tmp_path):
    async def run():
        assert served(tmp_path, models.mlp()).can_batch
        assert not served(tmp_path, models.mlp(), batching=False).can_batch
        assert not served(tmp_path, models.mlp(batch=1)).can_batch

    asyncio.run(run())


def test_a_version_starts_unready(tmp_path):
    async def run():
        model = served(tmp_path, models.mlp())
        assert (model.state, model.is_ready) == (State.PROVING, False)
        model.refuse("no")
        assert (model.is_ready, model.reason) == (False, "no")

    asyncio.run(run())
