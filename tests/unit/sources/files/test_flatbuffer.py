"""Tables, vectors and strings of FlatBuffers, against what the flatbuffers package writes."""

import flatbuffers
import pytest

from shipway.sources.files.flatbuffer import FlatBuffer, FlatBufferError


def build() -> bytearray:
    """A table: 0 an integer, 1 a string, 2 floats, 3 tables (each: 0 an integer), 4 not set."""
    builder = flatbuffers.Builder(64)
    inner = []
    for number in (7, 8):
        builder.StartObject(1)
        builder.PrependInt32Slot(0, number, 0)
        inner.append(builder.EndObject())
    name = builder.CreateString("scalé")
    builder.StartVector(4, 2, 4)
    for place in reversed(inner):
        builder.PrependUOffsetTRelative(place)
    tables = builder.EndVector()
    builder.StartVector(4, 2, 4)
    builder.PrependFloat32(2.5)
    builder.PrependFloat32(1.5)
    floats = builder.EndVector()
    builder.StartObject(5)
    builder.PrependInt32Slot(0, -5, 0)
    builder.PrependUOffsetTRelativeSlot(1, name, 0)
    builder.PrependUOffsetTRelativeSlot(2, floats, 0)
    builder.PrependUOffsetTRelativeSlot(3, tables, 0)
    builder.Finish(builder.EndObject())
    return builder.Output()


def read(data: bytes, lookups: int = 1000):
    return FlatBuffer(memoryview(data), lookups=lookups).root()


def test_every_kind_of_field():
    table = read(build())
    assert table.integer(0, "<i") == -5
    assert table.text(1) == "scalé"
    assert table.numbers(2, "f", 10) == (1.5, 2.5)
    assert [inner.integer(0, "<i") for inner in table.tables(3, 10)] == [7, 8]
    assert table.has(3)


def test_fields_that_are_not_there():
    table = read(build())
    for missing in (4, 5, 100):
        assert not table.has(missing)
        assert table.integer(missing, "<i", 3) == 3
        assert table.text(missing) == ""
        assert table.table(missing) is None
        assert table.vector(missing, 4)[1] == 0


def test_limits():
    table = read(build())
    with pytest.raises(FlatBufferError, match="at most 1 are read"):
        table.numbers(2, "f", 1)
    with pytest.raises(FlatBufferError, match="at most 1 are read"):
        list(table.tables(3, 1))
    with pytest.raises(FlatBufferError, match="at most 3 are read"):
        table.text(1, 3)
    with pytest.raises(FlatBufferError, match="more than 5 times"):
        list(read(build(), lookups=5).tables(3, 10))


def test_every_cut_and_every_changed_byte_is_an_error_or_a_value():
    whole = bytes(build())

    def look(data: bytes) -> None:
        table = read(data)
        table.integer(0, "<i")
        table.text(1)
        table.numbers(2, "f", 10)
        for inner in table.tables(3, 10):
            inner.integer(0, "<i")

    look(whole)
    for kept in range(len(whole)):
        with pytest.raises(FlatBufferError):
            look(whole[:kept])
    refused = 0
    for place in range(len(whole)):
        for byte in (0, 1, 0x7F, 0x80, 0xFF):
            try:
                look(whole[:place] + bytes([byte]) + whole[place + 1 :])
            except FlatBufferError:
                refused += 1
    assert refused > len(whole)
