"""TorchServe's archives: the manifest read, the model taken out byte for byte, the handler named."""

import json
import zipfile

import pytest

from saved_files import torch_files  # noqa: F401
from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.mar_archive import extract_model, looks_like_mar, read_mar


@pytest.fixture
def save(tmp_path):
    """Writes an archive as torch-model-archiver does; gives its path."""

    def save(model, files, name="net.mar"):
        path = tmp_path / name
        manifest = {
            "createdOn": "24/11/2026",
            "runtime": "python",
            "model": model,
            "archiverVersion": "0.12.0",
        }
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for member, content in files.items():
                archive.writestr(member, content)
            archive.writestr("MAR-INF/MANIFEST.json", json.dumps(manifest, indent=2))
        return path

    return save


MODEL = {"modelName": "net", "serializedFile": "net.pt", "handler": "handler.py", "modelVersion": "1.0"}


@pytest.mark.framework
@pytest.mark.parametrize(
    ("name", "kind"),
    [("net.pt2", "pt2"), ("script.pt", "torchscript"), ("state.pt", "checkpoint"), ("old.pt", "checkpoint")],
)
def test_the_model_is_taken_out(save, torch_files, tmp_path, name, kind):  # noqa: F811
    content = (torch_files / name).read_bytes()
    model = {**MODEL, "serializedFile": name, "modelFile": "net.py"}
    path = save(model, {name: content, "net.py": "", "handler.py": "boom", "labels.json": "[]"})
    assert looks_like_mar(path)
    found = read_mar(path)
    assert (found.model_name, found.model_version, found.model_kind) == ("net", "1.0", kind)
    assert (found.handler, found.has_own_handler, found.model_file) == ("handler.py", True, "net.py")
    assert (found.serialized_bytes, found.extra_files) == (len(content), ("labels.json",))
    into = tmp_path / "into"
    into.mkdir()
    assert extract_model(path, into) == into / name
    assert (into / name).read_bytes() == content
    assert list(into.iterdir()) == [into / name]


def test_torchserves_own_handler(save):
    path = save(
        {**MODEL, "serializedFile": "a/net.onnx", "handler": "image_classifier"}, {"a/net.onnx": b"\x08"}
    )
    found = read_mar(path)
    assert (found.has_own_handler, found.model_kind, found.serialized_file) == (False, "onnx", "a/net.onnx")


@pytest.mark.parametrize(
    ("model", "error", "says"),
    [
        (None, SourceDamagedError, "names no model"),
        ([], SourceDamagedError, "names no model"),
        ({"handler": "h"}, SourceUnsupportedError, "names no model file"),
        ({"serializedFile": 3}, SourceUnsupportedError, "names no model file"),
        ({"serializedFile": "other"}, SourceDamagedError, "does not hold"),
        ({"serializedFile": "../net.pt"}, SourceDamagedError, "does not hold"),
        ({"serializedFile": "/etc/passwd"}, SourceDamagedError, "does not hold"),
    ],
)
def test_manifests_that_name_nothing(save, model, error, says):
    with pytest.raises(error, match=says):
        read_mar(save(model, {"net.pt": b"x"}))


def test_a_tar_archive_gets_its_way_out(tmp_path):
    path = tmp_path / "net.tar.gz"
    path.write_bytes(b"\x1f\x8b" + bytes(50))
    with pytest.raises(SourceUnsupportedError) as caught:
        read_mar(path)
    assert "tar xzf net.tar.gz" in caught.value.hint
