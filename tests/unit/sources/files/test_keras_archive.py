"""The `.keras` archive read as a hostile thing: cut off, changed, lying about its sizes, leaving its folder."""

import json
import zipfile

import pytest

from shipway.errors import SourceDamagedError
from shipway.sources.files.keras_archive import looks_like_keras, read_archive

CONFIG = json.dumps({"class_name": "Sequential", "config": {"layers": []}})
METADATA = json.dumps({"keras_version": "3.15.1", "date_saved": "2026-11-23@14:47:10"})


@pytest.fixture
def save(tmp_path):
    """Writes a zip archive; gives its path."""

    def save(name="model.keras", compression=zipfile.ZIP_STORED, **members):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", compression) as archive:
            for member, content in members.items():
                archive.writestr(member.replace("_DOT_", "."), content)
        return path

    return save


def good(**changed):
    members = {
        "metadata_DOT_json": METADATA,
        "config_DOT_json": CONFIG,
        "model.weights.h5": b"\x89HDF" * 5000,
    }
    return {key: value for key, value in {**members, **changed}.items() if value is not None}


def test_reads_what_keras_writes(save):
    path = save(**good())
    archive = read_archive(path)
    assert archive.config["class_name"] == "Sequential"
    assert archive.metadata["keras_version"] == "3.15.1"
    assert archive.weights_bytes == 20_000
    assert looks_like_keras(path)


def test_recognizes_by_content(save, tmp_path):
    assert looks_like_keras(save("model.bin", **good()))
    assert not looks_like_keras(save("other.keras", **{"data.pkl": b"x", "version": "3"}))
    text = tmp_path / "text.keras"
    text.write_text("this is config.json")
    assert not looks_like_keras(text)
    assert not looks_like_keras(tmp_path)


@pytest.mark.parametrize("kept", [4, 100, 500, 15_000, -1])
def test_a_cut_off_file_is_recognized_and_damaged(save, kept):
    path = save(**good())
    path.write_bytes(path.read_bytes()[:kept])
    assert looks_like_keras(path)
    with pytest.raises(SourceDamagedError, match="cut off") as caught:
        read_archive(path)
    assert "Save the model again" in caught.value.hint


def test_a_changed_byte_in_the_configuration_is_found(save):
    path = save(**good())
    data = bytearray(path.read_bytes())
    data[data.index(b"Sequential") + 2] ^= 0x20
    path.write_bytes(data)
    with pytest.raises(SourceDamagedError):
        read_archive(path)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"model.weights.h5": None}, "no weights"),
        ({"config_DOT_json": None}, "no config.json"),
        ({"metadata_DOT_json": None}, "no metadata.json"),
        ({"config_DOT_json": "{"}, "not JSON"),
        ({"config_DOT_json": "[]"}, "no JSON object"),
        ({"config_DOT_json": b"\xff\xfe\x00"}, "not JSON"),
        ({"config_DOT_json": "[" * 200_000}, "not JSON"),
    ],
)
def test_a_file_without_its_parts(save, changed, says):
    with pytest.raises(SourceDamagedError, match=says):
        read_archive(save(**good(**changed)))


@pytest.mark.parametrize("name", ["../escape", "/etc/cron.d/x", "a/../../b", "..\\windows", "assets/../../x"])
def test_a_path_that_leaves_the_archive(save, name):
    with pytest.raises(SourceDamagedError, match="leaves the archive"):
        read_archive(save(**good(), **{name: b"x"}))


def test_a_configuration_that_claims_too_much_is_not_read(save):
    bomb = save("bomb.keras", zipfile.ZIP_DEFLATED, **good(config_DOT_json=b" " * (70 << 20)))
    assert bomb.stat().st_size < 200_000
    with pytest.raises(SourceDamagedError, match="claims 73400320 bytes"):
        read_archive(bomb)


def test_weights_that_claim_a_thousand_times_their_size(save):
    bomb = save("bomb.keras", zipfile.ZIP_DEFLATED, **good(**{"model.weights.h5": bytes(300 << 20)}))
    with pytest.raises(SourceDamagedError, match="do not trust"):
        read_archive(bomb)


def test_a_size_that_lies(save):
    """The table claims ten bytes, the data unpacks to many: no more than claimed is given out."""
    path = save("lie.keras", zipfile.ZIP_DEFLATED, **good(config_DOT_json=b" " * (20 << 20)))
    data = path.read_bytes()
    claimed = (20 << 20).to_bytes(4, "little")
    assert data.count(claimed) == 2
    path.write_bytes(data.replace(claimed, (10).to_bytes(4, "little")))
    with pytest.raises(SourceDamagedError):
        read_archive(path)
