"""TorchServe's archives: the model inside is asked and converted, the handler is named and never run."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from shipway.errors import SourceUnsupportedError
from shipway.sources.base import Hints, Limits
from shipway.sources.detect import open_source
from shipway.types import DType, TensorSpec

sys.path.insert(0, str(Path(__file__).parents[1]))
from torch_asking import assert_same, cases_for, edge_of, quiet

pytestmark = pytest.mark.framework

IMAGE = TensorSpec("input", DType.FP32, ("batch", 3, 12, 12))


def test_the_script_inside(torch_models, tmp_path, monkeypatch):
    work, into, scratch = (tmp_path / name for name in ("work", "into", "scratch"))
    for folder in (work, into, scratch):
        folder.mkdir()
    monkeypatch.chdir(work)
    path = torch_models / "script.mar"
    source = open_source(path, hints=Hints(inputs=(IMAGE,)), limits=Limits(scratch=scratch))
    told = source.describe()
    assert (told.format, told.path, told.size_bytes) == ("torchscript", path, path.stat().st_size)
    archive = told.details["torchserve"]
    assert (archive["name"], archive["handler"], archive["handler_is_own_code"]) == (
        "script",
        "handler.py",
        True,
    )
    assert archive["other_files"] == ["index_to_name.json"]
    cases = cases_for([IMAGE])
    edge = edge_of(source, "onnx", "torchscript/torchscript-exporter")
    reference = source.reference(cases, quiet, ahead=edge)
    model = source.convert(edge, into, samples=cases["2x9"], progress=quiet).model
    assert_same(model, reference, cases)
    source.close()
    assert list(scratch.iterdir()) == []
    assert list(work.iterdir()) == []  # the handler would have written a marker here


def test_weights_and_code_apart(torch_models, tmp_path):
    with pytest.raises(SourceUnsupportedError, match=r"holds weights \(cnn\.pt\)") as caught:
        open_source(torch_models / "eager.mar", limits=Limits(scratch=tmp_path))
    assert "unzip eager.mar -d eager" in caught.value.hint
    assert "eager/model.py:CLASS --weights eager/cnn.pt" in caught.value.hint
    assert list(tmp_path.iterdir()) == []
