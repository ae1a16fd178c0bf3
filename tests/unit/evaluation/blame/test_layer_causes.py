"""Each cause of the table is named for its own fault, and none for a difference that nothing explains."""

from __future__ import annotations

import numpy as np
import pytest

from shipway.evaluation.blame import layer_causes as causes
from shipway.evaluation.blame.layer_causes import cause_of
from shipway.sources.base import LayerAnswer

GENERATOR = np.random.default_rng(0)
IMAGE = GENERATOR.standard_normal((8, 9, 7, 4)).astype(np.float32)
ROW = GENERATOR.standard_normal((8, 12)).astype(np.float32)


def layer(kind: str, *inputs: np.ndarray, **parameters: np.ndarray) -> LayerAnswer:
    return LayerAnswer("it", kind, inputs, (), parameters)


def named(it: LayerAnswer, answer: np.ndarray, value: np.ndarray) -> str:
    return cause_of(LayerAnswer(it.name, it.kind, it.inputs, (answer,), it.parameters), answer, value)


IDLE = layer("Something", IMAGE)


FAULTS = {
    causes.REVERSED: (IDLE, IMAGE, IMAGE[..., ::-1]),
    causes.SHIFTED: (IDLE, IMAGE, np.roll(IMAGE, 1, axis=-1)),
    causes.LAYOUT: (IDLE, IMAGE[:, :7], np.swapaxes(IMAGE[:, :7], 1, 2)),
    causes.TRUNCATED: (IDLE, IMAGE, IMAGE * (np.arange(4) < 2)),
    causes.LOST_BIAS: (IDLE, IMAGE, IMAGE - np.arange(4, dtype=np.float32)),
    causes.SCALED: (IDLE, IMAGE, IMAGE / 255),
    causes.DTYPE: (
        IDLE,
        IMAGE * 1e5,
        (IMAGE * 1e5).astype(np.float32) * np.where(abs(IMAGE) > 0.655, np.inf, 1),
    ),
    causes.EVAL_MODE: (
        layer("Dropout", IMAGE),
        IMAGE,
        IMAGE * (np.random.default_rng(5).random(IMAGE.shape) < 0.7) / np.float32(0.7),
    ),
    causes.EPSILON: (
        layer("BatchNormalization", IMAGE, beta=np.arange(4, dtype=np.float32)),
        IMAGE + np.arange(4, dtype=np.float32),
        IMAGE * np.array([0.99, 0.95, 0.999, 0.9], np.float32) + np.arange(4, dtype=np.float32),
    ),
    causes.ACTIVATION: (
        layer("LeakyReLU", IMAGE),
        np.where(IMAGE < 0, 0.2 * IMAGE, IMAGE),
        np.maximum(IMAGE, 0),
    ),
    causes.PADDING: (
        IDLE,
        IMAGE,
        IMAGE
        * np.pad(np.ones((1, 7, 5, 1), np.float32), ((0, 0), (1, 1), (1, 1), (0, 0)), constant_values=0.5),
    ),
    causes.RESIZE: (
        layer("UpSampling2D", IMAGE[:, ::2, ::2]),
        IMAGE,
        np.clip(IMAGE[::-1], IMAGE[:, ::2, ::2].min(), IMAGE[:, ::2, ::2].max()),
    ),
}


@pytest.mark.parametrize("cause", FAULTS)
def test_a_fault_is_named(cause: str) -> None:
    with np.errstate(all="ignore"):
        assert named(*FAULTS[cause]).startswith(cause)


@pytest.mark.parametrize("kind", ["Conv2D", "Dropout", "BatchNormalization", "LayerNorm", "ReLU", "Dense"])
@pytest.mark.parametrize("seed", range(5))
def test_no_cause_is_made_up_for_noise(kind: str, seed: int) -> None:
    generator = np.random.default_rng(100 + seed)
    for answer in (IMAGE, ROW):
        for size in (1.0, 0.1, 1e-3):
            noise = size * generator.standard_normal(answer.shape)
            assert named(layer(kind, answer), answer, (answer + noise).astype(np.float32)) == ""


def test_rounding_and_other_shapes_have_no_cause() -> None:
    assert named(IDLE, IMAGE, IMAGE * np.float32(1 + 1e-6)) == ""
    assert named(IDLE, IMAGE, IMAGE[1:]) == ""


def test_batch_statistics_are_told_from_learned_ones() -> None:
    gamma, beta = np.array([1, 2, 0.5, 1.5], np.float32), np.array([0, 1, -1, 3], np.float32)
    norm = layer("BatchNorm2d", IMAGE, weight=gamma, bias=beta)
    learned = gamma * (IMAGE - 0.3) / 1.4 + beta
    own = gamma * (IMAGE - IMAGE.mean((0, 1, 2))) / IMAGE.std((0, 1, 2)) + beta
    assert named(norm, learned, own).startswith(causes.EVAL_MODE)


CONVOLUTION_SHAPES = [((3, 3), 1, 1), ((3, 3), 2, 1), ((5, 3), 1, 0), ((1, 1), 1, 0)]


def convolved(x: np.ndarray, kernel: np.ndarray, stride: int, pad: int) -> np.ndarray:
    """`x` `[rows, height, width, channels]`, place by place."""
    padded = np.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    high, wide = (
        (padded.shape[axis] - size) // stride + 1 for axis, size in zip((1, 2), kernel.shape, strict=False)
    )
    out = np.zeros((len(x), high, wide, kernel.shape[-1]), np.float32)
    for i in range(high):
        for j in range(wide):
            seen = padded[
                :, i * stride : i * stride + kernel.shape[0], j * stride : j * stride + kernel.shape[1]
            ]
            out[:, i, j] = np.tensordot(seen, kernel, axes=3)
    return out


@pytest.mark.parametrize(("window", "stride", "pad"), CONVOLUTION_SHAPES)
@pytest.mark.parametrize("channels_first", [True, False])
def test_faults_of_convolutions_are_told_by_computing_them_again(
    window: tuple[int, int], stride: int, pad: int, channels_first: bool
) -> None:
    kernel = GENERATOR.standard_normal((*window, 4, 6)).astype(np.float32)
    bias = GENERATOR.standard_normal(6).astype(np.float32)
    answer = np.maximum(convolved(IMAGE, kernel, stride, pad) + bias, 0)
    no_bias = np.maximum(convolved(IMAGE, kernel, stride, pad), 0)
    turned = np.maximum(convolved(IMAGE[..., ::-1], kernel, stride, pad) + bias, 0)
    if channels_first:
        conv = layer(
            "Conv2d", np.moveaxis(IMAGE, -1, 1), weight=np.transpose(kernel, (3, 2, 0, 1)), bias=bias
        )
        answer, no_bias, turned = (np.moveaxis(array, -1, 1) for array in (answer, no_bias, turned))
    else:
        conv = layer("Conv2D", IMAGE, kernel=kernel, bias=bias)
    conv = LayerAnswer(conv.name, conv.kind, conv.inputs, (answer,), conv.parameters)
    assert named(conv, answer, no_bias).startswith(causes.LOST_BIAS)
    assert named(conv, answer, turned).startswith(causes.REVERSED)


def test_a_transposed_matrix_and_another_activation_are_told_by_computing_again() -> None:
    kernel = GENERATOR.standard_normal((12, 12)).astype(np.float32)
    answer = 1 / (1 + np.exp(-(ROW @ kernel)))
    dense = LayerAnswer("it", "Dense", (ROW,), (answer,), {"kernel": kernel})
    turned = 1 / (1 + np.exp(-(ROW @ kernel.T)))
    assert named(dense, answer, turned) == f"{causes.LAYOUT}: the weights are transposed"
    hard = np.clip(ROW @ kernel / 6 + 0.5, 0, 1)
    assert (
        named(dense, answer, hard)
        == f"{causes.ACTIVATION}: hard sigmoid of x/6 + 0.5 in the place of sigmoid"
    )
