"""What an exporter's graph is refused for, and with which words."""

from __future__ import annotations

from pathlib import Path

import pytest
from onnx import ModelProto, TensorProto, helper

from shipway.sources.workers.frameworks.onnx_interface import finish
from shipway.sources.workers.wire import TaskError

SIGNATURE = {
    "inputs": [{"name": "text", "dtype": "string", "shape": ["batch"]}],
    "outputs": [{"name": "words", "dtype": "string", "shape": ["batch"]}],
}


def graph_of(operator: str) -> ModelProto:
    tensors = [helper.make_tensor_value_info(name, TensorProto.STRING, ["n"]) for name in ("text", "words")]
    nodes = [helper.make_node(operator, ["text"], ["words"])]
    return helper.make_model(helper.make_graph(nodes, "graph", tensors[:1], tensors[1:]))


@pytest.mark.parametrize("operator", ["StaticRegexReplace", "StringSplitV2", "StringToHashBucketFast"])
def test_operators_that_prepare_text_are_answered_with_what_to_do(tmp_path: Path, operator: str) -> None:
    with pytest.raises(
        TaskError, match=f"{operator}; they prepare text. Do that before the model"
    ) as refused:
        finish(graph_of(operator), SIGNATURE, tmp_path / "model.onnx")
    assert refused.value.code == "export.no-way"
    assert list(tmp_path.iterdir()) == []


def test_other_unknown_operators_are_named_alone(tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"does not know: Bucketize\.$"):
        finish(graph_of("Bucketize"), SIGNATURE, tmp_path / "model.onnx")
    finish(graph_of("Identity"), SIGNATURE, tmp_path / "model.onnx")
    assert (tmp_path / "model.onnx").is_file()
