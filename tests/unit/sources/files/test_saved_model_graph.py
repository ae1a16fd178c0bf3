"""What a graph's tensor reaches: inputs, control edges, functions, and functions named in other ways."""

import pytest

from shipway.sources.files.protobuf_fields import WireError
from shipway.sources.files.saved_model_graph import Graph


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number: int, value: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(value)) + value


def node(name: str, op: str, *inputs: str, **attrs: bytes) -> bytes:
    entries = [field(5, field(1, key.encode()) + field(2, value)) for key, value in attrs.items()]
    named = field(1, name.encode()) + field(2, op.encode())
    return named + b"".join(field(3, one.encode()) for one in inputs) + b"".join(entries)


def function(name: str, *nodes: bytes, **attrs: bytes) -> bytes:
    entries = [field(5, field(1, key.encode()) + field(2, value)) for key, value in attrs.items()]
    return field(1, field(1, name.encode())) + b"".join(field(3, one) for one in nodes) + b"".join(entries)


def graph(*nodes: bytes, functions: tuple[bytes, ...] = ()) -> Graph:
    library = field(2, b"".join(field(1, one) for one in functions))
    return Graph.read(memoryview(b"".join(field(1, one) for one in nodes) + library))


def text(value: str) -> bytes:
    return field(2, value.encode())


def names(value: str) -> bytes:
    return field(10, field(1, value.encode()))


def found(built: Graph, *tensors: str, **options) -> list[str]:
    return [danger.node for danger in built.dangers("s", tensors, **options)]


WRITE = node("write", "WriteFile")


def test_only_what_is_reached():
    built = graph(node("x", "Placeholder"), node("y", "Mul", "x:0", "x:0"), WRITE)
    assert built.op_counts == {"Placeholder": 1, "Mul": 1, "WriteFile": 1}
    assert found(built, "y:0") == []
    assert found(built, "write:0") == ["write"]


def test_inputs_and_control_edges_and_loops():
    built = graph(node("y", "Mul", "z:1", "z"), node("z", "Merge", "y", "^write"), WRITE)
    assert found(built, "y:0") == ["write"]


@pytest.mark.parametrize(
    "attrs",
    [
        {"f": names("inner")},
        {"branches": field(1, field(9, field(1, b"inner")))},
        {"f": field(10, field(1, b"other") + field(2, field(1, b"k") + field(2, names("inner"))))},
        {"key": text("inner")},
        {"keys": field(1, text("inner"))},
    ],
    ids=["function", "list of functions", "function's own attribute", "string", "list of strings"],
)
def test_functions_named_anywhere(attrs):
    built = graph(node("y", "Anything", **attrs), functions=(function("inner", WRITE),))
    assert found(built, "y:0") == ["inner/write"]


def test_functions_of_functions():
    built = graph(
        node("y", "PartitionedCall", f=names("outer")),
        functions=(function("outer", node("call", "If", then=names("inner"))), function("inner", WRITE)),
    )
    assert found(built, "y:0") == ["inner/write"]


def test_alternatives_that_the_optimizer_may_choose():
    """Grappler swaps functions that name the same `api_implements`, as for LSTM on a GPU."""
    built = graph(
        node("y", "PartitionedCall", f=names("plain")),
        functions=(
            function("plain", node("m", "Mul"), api_implements=text("lstm")),
            function("fast", WRITE, api_implements=text("lstm")),
            function("unrelated", WRITE, api_implements=text("gru")),
        ),
    )
    assert found(built, "y:0") == ["fast/write"]


def test_a_checkpoint_may_be_read_by_the_restoring_alone():
    built = graph(node("r", "RestoreV2"), node("y", "AssignVariableOp", "v", "r"))
    assert found(built, "y") == ["r"]
    assert found(built, "y", restores=True) == []


def test_attributes_decide_for_some():
    built = graph(
        node("screen", "PrintV2", output_stream=text("stderr")),
        node("file", "PrintV2", output_stream=text("file://x")),
        node("local", "DecodeProtoV2", descriptor_source=text("local://")),
        node("read", "DecodeProtoV2", descriptor_source=text("/etc/x")),
        node("plain", "XlaCallModule", module=text("ML\xefR stablehlo.add")),
        node("back", "XlaCallModule", module=text("ML\xefR xla_ffi_python_cpu_callback")),
    )
    assert found(built, "screen", "local", "plain") == []
    assert sorted(found(built, "file", "read", "back")) == ["back", "file", "read"]


def test_a_table_is_filled_from_an_asset_alone():
    string = b"\x30\x07"  # AttrValue.type = DT_STRING
    built = graph(
        node("path", "Const", dtype=string),
        node("copy", "Identity", "path"),
        node("table", "HashTableV2"),
        node("fill", "InitializeTableFromTextFileV2", "table", "copy"),
        node("found", "LookupTableFindV2", "table", "copy"),
        node("trick", "InitializeTableFromTextFileV2", "table", "found"),
    )
    assert found(built, "fill", assets=frozenset({"path"})) == []
    assert found(built, "fill") == ["fill"]
    assert found(built, "trick", assets=frozenset({"path"})) == ["trick"]


@pytest.mark.parametrize(
    "build",
    [
        lambda: graph(WRITE, WRITE),
        lambda: graph(functions=(function("f"), function("f"))),
        lambda: graph(functions=(function("f", WRITE, WRITE),)),
    ],
)
def test_what_stands_twice(build):
    with pytest.raises(WireError, match="stands twice"):
        build()
