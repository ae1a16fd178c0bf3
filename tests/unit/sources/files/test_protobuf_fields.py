"""Protobuf's wire rules, against messages that the protobuf library writes."""

import pytest
from google.protobuf.descriptor_pb2 import DescriptorProto, FileDescriptorProto
from google.protobuf.wrappers_pb2 import DoubleValue, FloatValue, Int64Value

from shipway.sources.files.protobuf_fields import WireError, fields, merged, messages, signed, text


def walk(data: bytes):
    return list(fields(memoryview(data)))


@pytest.mark.parametrize("value", [1, 127, 128, 2**31, 2**63 - 1, -1, -(2**63)])
def test_numbers(value):
    ((number, kind, found, rest),) = walk(Int64Value(value=value).SerializeToString())
    assert (number, kind, signed(found), len(rest)) == (1, 0, value, 0)


def test_fixed_sizes():
    assert [len(rest) for _, _, _, rest in walk(FloatValue(value=1.5).SerializeToString())] == [4]
    assert [len(rest) for _, _, _, rest in walk(DoubleValue(value=1.5).SerializeToString())] == [8]


def test_text_and_messages():
    file = FileDescriptorProto(
        name="a" * 300, message_type=[DescriptorProto(name="b"), DescriptorProto(name="ü")]
    )
    data = memoryview(file.SerializeToString())
    assert [text(value) for value in messages(data, 1)] == ["a" * 300]
    assert [text(merged(value, 1)) for value in messages(data, 4)] == ["b", "ü"]
    with pytest.raises(WireError, match="at most 299"):
        text(next(messages(data, 1)), 299)


def test_a_single_message_in_two_parts_is_one():
    first = FileDescriptorProto(dependency=["one"])
    second = FileDescriptorProto(dependency=["two"])
    data = b"".join(b"\x0a" + bytes([part.ByteSize()]) + part.SerializeToString() for part in (first, second))
    assert [text(value) for value in messages(merged(memoryview(data), 1), 3)] == ["one", "two"]


@pytest.mark.parametrize(
    "data",
    [
        b"\x0a",
        b"\x0a\x05abc",
        b"\x08",
        b"\x08\x80",
        b"\x08" + b"\xff" * 11,
        b"\x0d\x00",
        b"\x0b",
        b"\x0f",
        b"\x02\x00",
    ],
)
def test_what_is_no_message(data):
    with pytest.raises(WireError):
        walk(data)


def test_text_that_is_no_utf_8():
    with pytest.raises(WireError, match="UTF-8"):
        text(memoryview(b"\xff\xfe"))
