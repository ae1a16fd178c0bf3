"""The page that `evaluate` and `deploy` write: whole or not at all, and part of the bundle."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import shipway
from shipway.actions.report import write_report
from shipway.bundle.files import files_below
from shipway.bundle.store import open_bundle
from shipway.errors import BundleError, DiskFullError, LabelError, OutputExistsError, UsageError

pytestmark = pytest.mark.usefixtures("quick_speed")


@pytest.fixture(scope="module")
def bundle(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "digits.bundle"
    shipway.export(model, path)
    return path


def test_the_page_holds_the_figures_and_the_worst_rows(bundle: Path, data: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.html"
    outcome = shipway.evaluate(bundle, data, report=target, command="shipway evaluate <b> --data d")
    page = target.read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.rstrip().endswith("</html>")
    assert f"{outcome.metrics['accuracy'].value:.1%}".rstrip("%") in page
    worst = outcome.details["evaluation"]["worst"]
    assert worst
    assert page.count("data:image/png;base64,") == len(worst)
    assert "shipway evaluate &lt;b&gt; --data d" in page
    assert not re.search(r"""(src|href)=["']https?:""", page)
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]


def test_an_older_page_is_replaced(bundle: Path, data: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.html"
    target.write_text("older", encoding="utf-8")
    shipway.evaluate(bundle, data, report=str(target))
    assert "older" not in target.read_text(encoding="utf-8")[:100]
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]


def test_a_folder_is_no_place_for_a_page(bundle: Path, data: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(OutputExistsError, match="is a folder") as caught:
        shipway.evaluate(bundle, data, report=tmp_path / "out")
    assert "--report report.html" in caught.value.hint
    assert list((tmp_path / "out").iterdir()) == []


def test_a_folder_that_is_not_there_is_told(bundle: Path, data: Path, tmp_path: Path, watcher) -> None:
    with pytest.raises(UsageError, match="There is no folder") as caught:
        shipway.evaluate(bundle, data, report=tmp_path / "none" / "out.html", observer=watcher)
    assert str(tmp_path / "none") in caught.value.message
    assert f'mkdir -p "{tmp_path / "none"}"' in caught.value.hint
    assert watcher.told == []  # before anything is run
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_where_writing_fails(tmp_path: Path) -> None:
    (tmp_path / "out.html").write_text("older", encoding="utf-8")
    with pytest.raises(UnicodeEncodeError):  # fails halfway, as a full disk does
        write_report("a" * 100_000 + "\udcff", tmp_path / "out.html")
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]
    assert (tmp_path / "out.html").read_text(encoding="utf-8") == "older"
    (tmp_path / f".out.html.{os.getpid()}").symlink_to(
        "/dev/full"
    )  # where the page is written before its turn
    with pytest.raises(DiskFullError, match="write the report"):
        write_report("a", tmp_path / "out.html")
    assert [path.name for path in tmp_path.iterdir()] == ["out.html"]


def test_an_evaluation_that_fails_leaves_no_page(bundle: Path, data: Path, tmp_path: Path) -> None:
    with np.load(data) as stored:
        np.savez(tmp_path / "d.npz", x=stored["x"], y=stored["y"] + 50)
    with pytest.raises(LabelError):
        shipway.evaluate(bundle, tmp_path / "d.npz", report=tmp_path / "out.html")
    assert [path.name for path in tmp_path.iterdir()] == ["d.npz"]


def test_a_deployed_bundle_holds_its_page_as_a_listed_file(model: Path, data: Path, tmp_path: Path) -> None:
    with shipway.deploy(model, data, out=tmp_path, port=0) as deployment:
        outcome = deployment.outcome
    path = tmp_path / "digits.bundle"
    bundle = open_bundle(path)
    (name,) = [name for name in files_below(path) if name.endswith(".html")]
    page = (bundle.path / name).read_text(encoding="utf-8")
    assert f"{outcome.metrics['accuracy'].value:.1%}".rstrip("%") in page
    (path / name).write_text(page + " ", encoding="utf-8")
    with pytest.raises(BundleError, match=re.escape(name)):
        open_bundle(path)


def test_texts_of_one_dimension_are_shown(tmp_path: Path) -> None:
    """A model of texts `[batch]`, each a class by itself."""
    graph = helper.make_graph(
        [
            helper.make_node(
                "LabelEncoder",
                ["text"],
                ["found"],
                domain="ai.onnx.ml",
                keys_strings=["good", "bad"],
                values_floats=[0.9, 0.1],
                default_float=0.5,
            ),
            helper.make_node("Unsqueeze", ["found", "one"], ["p"]),
        ],
        "texts",
        [helper.make_tensor_value_info("text", TensorProto.STRING, ["batch"])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["batch", 1])],
        [numpy_helper.from_array(np.array([1]), "one")],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), tmp_path / "m.onnx")
    np.savez(tmp_path / "d.npz", x=np.array(["good", "bad", "bad", "good"] * 9), y=np.array([1, 0, 1, 1] * 9))
    shipway.export(tmp_path / "m.onnx", tmp_path / "m.bundle", data=tmp_path / "d.npz")
    shipway.evaluate(tmp_path / "m.bundle", tmp_path / "d.npz", report=tmp_path / "out.html")
    assert "bad" in (tmp_path / "out.html").read_text(encoding="utf-8")
