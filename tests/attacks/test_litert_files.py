"""Hostile `.tflite` files: offsets that lead outside or in circles, sizes that are not there."""

import random
import struct
import time

import flatbuffers
import pytest
from ai_edge_litert.schema_py_generated import ModelT

import tensorflow_files
from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.litert_file import looks_like_litert, read_litert

pytestmark = pytest.mark.framework
OURS = (SourceDamagedError, SourceUnsupportedError)


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    return tensorflow_files.build(tmp_path_factory)


@pytest.fixture
def changed(models, tmp_path):
    """A copy of a model that went through `change`, written by LiteRT's own schema."""

    def changed(change):
        data = (models / "fp32.tflite").read_bytes()
        model = ModelT.InitFromPackedBuf(data, 0)
        change(model)
        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(model.Pack(builder), b"TFL3")
        path = tmp_path / "changed.tflite"
        path.write_bytes(builder.Output())
        return path

    return changed


@pytest.mark.parametrize("name", ["typed", "flex", "int8"])
def test_changed_bytes(models, tmp_path, name):
    whole = (models / f"{name}.tflite").read_bytes()
    path = tmp_path / "changed.tflite"
    chance = random.Random(name)
    refused = 0
    began = time.monotonic()
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(chance.choice([1, 2, 8, 32])):
            data[chance.randrange(8, len(data))] = chance.choice(
                [0, 1, 0x7F, 0x80, 0xFF, chance.randrange(256)]
            )
        path.write_bytes(data)
        try:
            read_litert(path).specs()
        except OURS:
            refused += 1
    assert refused > 20
    assert time.monotonic() - began < 60


@pytest.mark.parametrize("name", ["typed", "flex"])
def test_cut_off_anywhere(models, tmp_path, name):
    whole = (models / f"{name}.tflite").read_bytes()
    path = tmp_path / "cut.tflite"
    for kept in range(0, len(whole) - 64, max(1, len(whole) // 200)):
        path.write_bytes(whole[:kept])
        assert looks_like_litert(path) == (kept >= 8)
        with pytest.raises(OURS):
            read_litert(path)


@pytest.mark.parametrize("offset", [0, 4, 0x7FFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFF8])
def test_a_root_outside_of_the_file(tmp_path, offset):
    path = tmp_path / "root.tflite"
    path.write_bytes(struct.pack("<I", offset) + b"TFL3" + bytes(64))
    with pytest.raises(SourceDamagedError):
        read_litert(path)


def test_the_same_table_a_million_times(tmp_path):
    """A list may name one table again and again: four bytes of the file each, and work without end."""
    number = 1_000_000
    places = struct.pack("<HHHHH", 10, 12, 4, 0, 8)  # of a table with version and subgraphs
    table = struct.pack("<iII", 10, 3, 4)
    head = struct.pack("<I", 18) + b"TFL3" + places
    vector = struct.pack("<I", number) + b"".join(
        struct.pack("<I", (1 << 32) - (4 * index) - 16 & 0xFFFF_FFFF) for index in range(number)
    )
    path = tmp_path / "many.tflite"
    path.write_bytes(head + table + vector)
    began = time.monotonic()
    with pytest.raises(SourceDamagedError):
        read_litert(path)
    assert time.monotonic() - began < 20


def test_a_weight_that_claims_more_than_it_has(changed):
    def change(model):
        for tensor in model.subgraphs[0].tensors:
            if len(tensor.shape) == 2 and model.buffers[tensor.buffer].data is not None:
                tensor.shape = [40_000, 40_000]

    with pytest.raises(SourceDamagedError, match="claims 6400000000 bytes and has"):
        read_litert(changed(change))


def test_a_computed_tensor_of_terabytes(changed):
    def change(model):
        graph = model.subgraphs[0]
        graph.tensors[graph.outputs[0]].shape = [1 << 30, 1 << 30]

    with pytest.raises(SourceDamagedError, match="claims the shape"):
        read_litert(changed(change))


def test_a_tensor_that_the_graph_has_not(changed):
    def change(model):
        model.subgraphs[0].inputs = [999]

    with pytest.raises(SourceDamagedError, match="names tensors"):
        read_litert(changed(change))


def test_weights_in_another_file(changed):
    from ai_edge_litert.schema_py_generated import ExternalBufferGroupT

    def change(model):
        group = ExternalBufferGroupT()
        group.name = "/etc/passwd"
        model.externalBufferGroups = [group]

    with pytest.raises(SourceUnsupportedError, match="other files"):
        read_litert(changed(change))


def test_a_custom_operator_is_named(changed):
    def change(model):
        model.operatorCodes[0].builtinCode = 32
        model.operatorCodes[0].deprecatedBuiltinCode = 32
        model.operatorCodes[0].customCode = "RunAnything"

    outline = read_litert(changed(change))
    assert outline.custom_ops == ("RunAnything",)
    assert outline.flex_ops == ()
