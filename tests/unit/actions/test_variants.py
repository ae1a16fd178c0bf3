"""How a converted file lies in a bundle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from digit_models import single_output
from shipway.actions.variants import ProvenVariant, store_variant, title_of
from shipway.errors import SourceDamagedError


def test_onnx_is_opened_and_ready_to_run(tmp_path: Path, model: Path) -> None:
    stored = store_variant("onnx", model, tmp_path / "v")
    assert stored.model == tmp_path / "v" / "model.onnx"
    assert stored.runtime == {"name": "onnxruntime", "options": {}}
    assert stored.session is not None
    assert stored.session.run({"image": np.zeros((2, 8, 8, 3), np.float32)})["probs"].shape == (2, 10)
    assert [spec.name for spec in stored.signature.outputs] == ["probs"]
    stored.session.close()


def test_a_file_comes_with_its_weights_and_with_nothing_else(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    for name in ("model.xml", "model.bin", "model.txt", "other.bin"):
        (made / name).write_text(name)
    stored = store_variant("openvino", made / "model.xml", tmp_path / "v")
    assert sorted(path.name for path in stored.folder.iterdir()) == ["model.bin", "model.xml"]
    assert (stored.model.name, stored.session, stored.runtime["name"]) == ("model.xml", None, "openvino")


def test_a_folder_is_taken_whole(tmp_path: Path) -> None:
    made = tmp_path / "made"
    (made / "variables").mkdir(parents=True)
    (made / "saved_model.pb").write_text("graph")
    (made / "variables" / "variables.index").write_text("index")
    stored = store_variant("savedmodel", made, tmp_path / "v")
    assert stored.model == stored.folder
    assert (stored.folder / "variables" / "variables.index").read_text() == "index"
    assert made.is_dir()


def test_a_variant_is_called_by_format_and_precision(tmp_path: Path, model: Path) -> None:
    stored = store_variant("litert", model, tmp_path / "v")
    assert ProvenVariant(stored, "way", {}, (), "int8").id == "litert-int8"
    assert (title_of("litert"), title_of("of-a-plug-in")) == ("LiteRT", "of-a-plug-in")


def test_what_is_no_onnx_file_is_told(tmp_path: Path) -> None:
    broken = single_output(tmp_path / "m.onnx")
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(SourceDamagedError):
        store_variant("onnx", broken, tmp_path / "v")
