"""Names to objects by entry points, a plug-in's among them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from shipway import registry
from shipway.errors import MissingDependencyError
from shipway.runtimes.onnx_runtime import OnnxRuntime


def test_built_ins_come_in_by_the_same_door() -> None:
    assert registry.names("runtimes") == ["onnxruntime"]
    assert registry.load("runtimes", "onnxruntime") is OnnxRuntime
    assert {"keras", "onnx"} <= set(registry.names("sources"))


@pytest.mark.parametrize(("family", "known"), [("runtimes", "known: onnxruntime"), ("spoons", "known: none")])
def test_a_name_that_nothing_offers(family: str, known: str) -> None:
    with pytest.raises(MissingDependencyError, match=known) as caught:
        registry.load(family, "tensorrt")
    assert "'tensorrt'" in caught.value.message
    assert caught.value.hint


def test_a_plug_in_is_listed_and_loaded_only_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "spoon.py").write_text("print('loaded'); Spoon = 7")
    info = tmp_path / "spoon-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: spoon\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[shipway.sources]\nspoon = spoon:Spoon\n")
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from shipway import registry;"
        "print('spoon' in registry.names('sources'), 'spoon' in sys.modules);"
        "print(registry.load('sources', 'spoon'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split("\n")[:3] == ["True False", "loaded", "7"]
