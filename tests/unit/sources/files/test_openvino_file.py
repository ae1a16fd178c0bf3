"""OpenVINO's XML read by itself: names, shapes, dtypes, and what the weights' file must hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.openvino_file import looks_like_openvino, read_openvino
from shipway.types import DType, TensorSpec

IR = """<?xml version="1.0"?>
<net name="small" version="11">
  <layers>
    <layer id="0" name="p" type="Parameter" version="opset1">
      <data shape="?,?,3..8" element_type="f16" />
      <output><port id="0" precision="FP16" names="x\\,y,zz"><dim>-1</dim><dim>-1</dim></port></output>
    </layer>
    <layer id="1" name="c" type="Const" version="opset1">
      <data element_type="f16" shape="3" offset="4" size="6" />
      <output><port id="0" precision="FP16"><dim>3</dim></port></output>
    </layer>
    <layer id="2" name="add" type="Add" version="opset13">
      <input><port id="0"><dim>-1</dim></port><port id="1"><dim>3</dim></port></input>
      <output><port id="2" precision="FP16" names="sum"><dim>-1</dim><dim>-1</dim><dim>3</dim></port></output>
    </layer>
    <layer id="3" name="r" type="Result" version="opset1"RESULT>
      <input><port id="0" precision="FP16"><dim>-1</dim><dim>-1</dim><dim>3</dim></port></input>
    </layer>
  </layers>
  <edges>
    <edge from-layer="0" from-port="0" to-layer="2" to-port="0" />
    <edge from-layer="1" from-port="0" to-layer="2" to-port="1" />
    <edge from-layer="2" from-port="2" to-layer="3" to-port="0" />
  </edges>
  <rt_info>
    <Runtime_version value="2026.1" />
    <shipway><dimensions value="NOTES" /></shipway>
  </rt_info>
</net>
"""


def write(folder: Path, text: str, weights: int = 10) -> Path:
    file = folder / "model.xml"
    file.write_text(text, encoding="utf-8")
    file.with_suffix(".bin").write_bytes(bytes(weights))
    return file


def small(result: str = "", notes: str = "") -> str:
    return IR.replace("RESULT", result).replace("NOTES", notes)


@pytest.mark.parametrize(("result", "name"), [("", "sum"), (' output_names="total"', "total")])
def test_tensors_have_their_own_names_else_those_of_what_feeds_them(
    tmp_path: Path, result: str, name: str
) -> None:
    found = read_openvino(write(tmp_path, small(result)))
    assert found.inputs == (TensorSpec("x,y", DType.FP16, ("batch", "x,y_1", "x,y_2")),)
    assert found.outputs == (TensorSpec(name, DType.FP16, ("batch", "x,y_1", 3)),)
    assert found.op_counts == {"Parameter": 1, "Const": 1, "Add": 1, "Result": 1}
    assert found.opsets == ("opset1", "opset13")
    assert found.version == 11
    assert found.weights_bytes == 10
    assert found.written_by == "2026.1"


def noted(inputs: str, outputs: str) -> str:
    return f'{{"inputs": {inputs}, "outputs": {outputs}}}'.replace('"', "&quot;")


def test_free_dimensions_have_the_names_that_were_noted(tmp_path: Path) -> None:
    notes = noted('[["rows", "steps", "width"]]', '[["rows", "steps", 3]]')
    found = read_openvino(write(tmp_path, small(notes=notes)))
    assert found.inputs is not None
    assert found.outputs is not None
    assert found.inputs[0].shape == ("rows", "steps", "width")
    assert found.outputs[0].shape == ("rows", "steps", 3)


@pytest.mark.parametrize(
    "notes",
    [
        noted('[["rows", 5, "width"]]', "[]"),
        noted("5", '{"a": 1}'),
        noted('[["rows", "steps"]]', '[["rows", "steps", 4]]'),
        noted('[["a", "b", null]]', '[[1.5, "b", 3]]'),
        "[" * 100_000,
        "17",
    ],
)
def test_notes_that_do_not_fit_say_nothing(tmp_path: Path, notes: str) -> None:
    found = read_openvino(write(tmp_path, small(notes=notes)))
    assert found.inputs is not None
    assert found.outputs is not None
    assert found.inputs[0].shape == ("batch", "x,y_1", "x,y_2")
    assert found.outputs[0].shape == ("batch", "x,y_1", 3)


def test_a_tensor_without_a_name_leaves_the_signature_to_openvino(tmp_path: Path) -> None:
    found = read_openvino(write(tmp_path, small().replace(' names="sum"', "")))
    assert found.inputs is not None
    assert found.outputs is None


def test_it_is_recognized_by_its_first_element(tmp_path: Path) -> None:
    assert looks_like_openvino(write(tmp_path, small()))
    assert looks_like_openvino(write(tmp_path, "\ufeff" + small()[:200]))
    assert not looks_like_openvino(write(tmp_path, "<html><body>net version=1</body></html>"))
    assert not looks_like_openvino(write(tmp_path, small()[50:]))
    assert not looks_like_openvino(tmp_path / "nothing.xml")


@pytest.mark.parametrize(
    ("old", "new"),
    [('element_type="f16" />', 'element_type="bf16" />'), ("?,?,3..8", "...")],
    ids=["dtype", "rank"],
)
def test_what_cannot_be_served_is_said(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(SourceUnsupportedError, match="cannot be served"):
        read_openvino(write(tmp_path, small().replace(old, new, 1)))


def test_weights_must_hold_what_the_graph_takes(tmp_path: Path) -> None:
    assert read_openvino(write(tmp_path, small(), weights=10)).weights_bytes == 10
    with pytest.raises(SourceDamagedError, match=r"has 9 bytes; model\.xml needs 10"):
        read_openvino(write(tmp_path, small(), weights=9))
    (tmp_path / "model.bin").unlink()
    with pytest.raises(SourceDamagedError, match="not beside it"):
        read_openvino(tmp_path / "model.xml")
