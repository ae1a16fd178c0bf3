"""Hostile SavedModels: changed at any byte, cut anywhere, leaving their folder, larger than they are."""

import random
import shutil
import time
from pathlib import Path

import pytest

import tensorflow_files
from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.saved_model_file import GRAPH_FILE, read_saved_model

pytestmark = pytest.mark.framework
OURS = (SourceDamagedError, SourceUnsupportedError)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tensorflow_files.build(tmp_path_factory)


@pytest.fixture
def saved(tmp_path):
    """Writes a folder with this graph file; gives the folder."""

    def saved(graph: bytes) -> Path:
        folder = tmp_path / "model"
        folder.mkdir(exist_ok=True)
        (folder / GRAPH_FILE).write_bytes(graph)
        return folder

    return saved


def field(number: int, value: bytes) -> bytes:
    """A length-delimited protobuf field."""
    return bytes([number << 3 | 2]) + varint(len(value)) + value


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def graph(*nodes: bytes, signature: bytes = b"") -> bytes:
    """A SavedModel of one graph for serving."""
    return field(
        2, field(1, field(4, b"serve")) + field(2, b"".join(field(1, node) for node in nodes)) + signature
    )


@pytest.mark.parametrize("name", ["version_1", "vocabulary", "writes", "typed"])
def test_changed_bytes(models, tmp_path, name):
    folder = shutil.copytree(models / name, tmp_path / "copy")
    whole = (folder / GRAPH_FILE).read_bytes()
    chance = random.Random(name)
    refused = 0
    began = time.monotonic()
    for _ in range(150):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 1, 2, 8])):
            data[chance.randrange(len(data))] = chance.randrange(256)
        (folder / GRAPH_FILE).write_bytes(data)
        try:
            read_saved_model(folder)
        except OURS:
            refused += 1
    assert refused > 5
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("name", ["version_1", "vocabulary"])
def test_cut_off_anywhere(models, tmp_path, name):
    folder = shutil.copytree(models / name, tmp_path / "copy")
    whole = (folder / GRAPH_FILE).read_bytes()
    for kept in range(0, len(whole), max(1, len(whole) // 150)):
        (folder / GRAPH_FILE).write_bytes(whole[:kept])
        with pytest.raises(OURS):
            read_saved_model(folder)


def test_a_message_that_claims_more_than_the_file_has(saved):
    with pytest.raises(SourceDamagedError, match="claims"):
        read_saved_model(saved(b"\x12" + varint(1 << 62) + b"x"))


def test_groups_in_which_a_reader_could_miss_fields(saved):
    with pytest.raises(SourceDamagedError, match="wire type 3"):
        read_saved_model(saved(graph(b"\x0b\x0c")))


def test_millions_of_empty_nodes_take_no_memory(saved):
    """Each would be an object to a protobuf parser, for two bytes of the file."""
    data = field(2, field(1, field(4, b"serve")) + field(2, b"\x0a\x00" * 4_000_000))
    with pytest.raises(SourceDamagedError, match="stands twice"):
        read_saved_model(saved(data))


def test_one_message_in_millions_of_parts(saved):
    with pytest.raises(SourceDamagedError, match="parts"):
        read_saved_model(saved(field(2, b"\x12\x00" * 500_000)))


def test_functions_that_call_each_other_in_a_circle_end(saved):
    call = field(5, field(1, b"f") + field(2, field(10, field(1, b"loop"))))
    node = field(1, b"call") + field(2, b"PartitionedCall") + call
    library = field(2, field(1, field(1, field(1, b"loop")) + field(3, node + field(3, b"call"))))
    output = field(2, field(1, b"y") + field(2, field(1, b"call:0") + b"\x10\x01" + field(3, b"")))
    data = field(1, field(4, b"serve")) + field(2, field(1, node) + library)
    data += field(5, field(1, b"serving_default") + field(2, output))
    outline = read_saved_model(saved(field(2, data)))
    assert outline.op_counts == {"PartitionedCall": 2}
    assert outline.dangerous == ()


def test_a_function_may_not_hide_its_name_in_an_operators(saved):
    """TensorFlow calls a function too where a node's operator has its name."""
    library = field(
        2, field(1, field(1, field(1, b"Innocent")) + field(3, field(1, b"w") + field(2, b"WriteFile")))
    )
    output = field(2, field(1, b"y") + field(2, field(1, b"call:0") + b"\x10\x01" + field(3, b"")))
    data = field(1, field(4, b"serve")) + field(
        2, field(1, field(1, b"call") + field(2, b"Innocent")) + library
    )
    data += field(5, field(1, b"serving_default") + field(2, output))
    (danger,) = read_saved_model(saved(field(2, data))).dangerous
    assert danger.node == "Innocent/w"


def test_attributes_nested_without_end(saved):
    value = b""
    for _ in range(5000):
        value = field(10, field(2, field(2, value)))
    node = field(1, b"n") + field(2, b"NoOp") + field(5, field(1, b"f") + field(2, value))
    library = field(2, field(1, field(1, field(1, b"f"))))
    output = field(2, field(1, b"y") + field(2, field(1, b"n:0") + b"\x10\x01"))
    data = field(1, field(4, b"serve")) + field(2, field(1, node) + library)
    data += field(5, field(1, b"serving_default") + field(2, output))
    with pytest.raises(SourceDamagedError, match="nested deeper"):
        read_saved_model(saved(field(2, data)))


@pytest.mark.parametrize(
    "name", [b"../../secret", b"/etc/passwd", b"..\\secret", b"c:secret", b"", b"a/../../b"]
)
def test_an_asset_outside_of_the_folder(saved, name):
    asset = field(6, field(2, name))
    with pytest.raises(SourceDamagedError, match="outside"):
        read_saved_model(saved(graph(signature=asset)))


def test_links_are_refused(models, tmp_path):
    folder = shutil.copytree(models / "vocabulary", tmp_path / "copy")
    (folder / "assets" / "words.txt").unlink()
    (folder / "assets" / "words.txt").symlink_to("/etc/passwd")
    with pytest.raises(SourceDamagedError, match=r"assets/words\.txt") as caught:
        read_saved_model(folder)
    assert "cp -rL" in caught.value.hint


def test_two_graphs_for_the_same_use(saved):
    with pytest.raises(SourceDamagedError, match="two graphs"):
        read_saved_model(saved(graph() * 2))


def test_two_forms_of_which_one_is_not_looked_at(models, tmp_path):
    folder = shutil.copytree(models / "typed", tmp_path / "copy")
    (folder / "saved_model.cpb").write_bytes(b"x")
    with pytest.raises(SourceUnsupportedError, match=r"saved_model\.cpb"):
        read_saved_model(folder)


def test_nothing_was_written(models):
    for path in models.glob("*/saved_model.pb"):
        read_saved_model(path.parent)
    assert not tensorflow_files.WRITTEN.exists()
