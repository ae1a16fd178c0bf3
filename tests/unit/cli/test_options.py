"""What the options' values mean: formats, inputs, limits."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer

from shipway.cli.options import (
    child_limits,
    command_line,
    given_credentials,
    given_formats,
    given_hints,
    parse_input,
)
from shipway.types import DType, TensorSpec


def test_formats_may_be_joined_and_repeated() -> None:
    assert given_formats(None) == ("onnx",)
    assert given_formats(["onnx,LiteRT", "openvino", "onnx"]) == ("onnx", "litert", "openvino")


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("x=float32[batch,3,224,224]", TensorSpec("x", DType.FP32, ("batch", 3, 224, 224))),
        (" ids = int64[batch, length] ", TensorSpec("ids", DType.INT64, ("batch", "length"))),
        ("temperature=float64[]", TensorSpec("temperature", DType.FP64, ())),
        ("text=string[batch]", TensorSpec("text", DType.BYTES, ("batch",))),
        ("mean radius=float32[batch,1]", TensorSpec("mean radius", DType.FP32, ("batch", 1))),
    ],
)
def test_an_input_is_told_in_words(text: str, spec: TensorSpec) -> None:
    assert parse_input(text) == spec


@pytest.mark.parametrize(
    "text", ["x", "x=float32", "x=complex64[batch]", "=float32[batch]", "x=float32[batch"]
)
def test_words_that_are_none_are_explained(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="expected NAME=DTYPE"):
        parse_input(text)


def test_hints_and_limits_carry_what_was_said() -> None:
    hints = given_hints(["x=float32[batch,4]"], "classify", Path("w.safetensors"), True)
    assert [spec.name for spec in hints.inputs] == ["x"]
    assert (hints.signature, hints.weights, hints.trust) == ("classify", Path("w.safetensors"), True)
    limits = child_limits(60.0, 2.0, 5.0)
    assert (limits.timeout_seconds, limits.memory_bytes, limits.disk_bytes) == (60.0, 2 * 10**9, 5 * 10**9)
    assert child_limits(60.0, None, None).memory_bytes is None


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        (
            ["evaluate", "http://h", "--api-key", "hush", "--json"],
            "shipway evaluate http://h --api-key KEY --json",
        ),
        (["evaluate", "--api-key=hush=hush", "a b"], "shipway evaluate --api-key=KEY 'a b'"),
        (["evaluate", "--ca", "ca.pem"], "shipway evaluate --ca ca.pem"),
    ],
)
def test_a_report_shows_the_command_without_the_key(given: list[str], shown: str) -> None:
    assert command_line(given) == shown


def test_credentials_that_are_none_are_a_matter_of_usage(tmp_path: Path) -> None:
    with pytest.raises(typer.BadParameter, match="SHIPWAY_API_KEY") as caught:
        given_credentials("hush\nhush", None, None, None)
    assert "hush" not in str(caught.value)
    with pytest.raises(typer.BadParameter, match="--client-cert"):
        given_credentials(None, None, None, tmp_path / "client.key")
