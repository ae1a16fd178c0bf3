"""The names that pickles import, also where they are built on the stack; nothing is imported on the way."""

import collections
import datetime
import io
import os
import pickle
import pickletools
import sys

import pytest

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.pickle_scan import UNKNOWN, Call, Items, dangerous, globals_of, scan


class Runs:
    def __reduce__(self):
        return os.system, ("true",)


@pytest.mark.parametrize("protocol", range(6))
def test_calls_are_named_in_every_protocol(protocol):
    names = globals_of(pickle.dumps({"a": [1, Runs()]}, protocol))
    assert {name.rpartition(".")[2] for name in names} == {"system"}
    assert names <= {"posix.system", "nt.system"}


@pytest.mark.parametrize("protocol", range(6))
def test_plain_values_import_nothing_and_are_read(protocol):
    value = {"a": [1, 2.5, None, True, "x", "é" * 300, 10**30], "b": (1,), "c": (1, 2, 3, 4)}
    found = scan(io.BytesIO(pickle.dumps(value, protocol)), where="x")
    assert found.globals == frozenset()
    assert isinstance(found.value, Items)
    assert found.value.get("a").values == value["a"]
    assert found.value.get("c").values == [1, 2, 3, 4]
    assert found.value.get("z") is None


@pytest.mark.parametrize("protocol", range(6))
def test_the_same_names_as_the_real_machine(protocol):
    """Against `pickle.Unpickler` itself, which is asked for every class that it looks up."""
    value = [collections.OrderedDict(a=datetime.date(2026, 1, 2)), datetime.timedelta(3), {1, 2}, range(3)]
    data = pickle.dumps(value, protocol)
    asked = set()

    class Real(pickle.Unpickler):
        def find_class(self, module, name):
            asked.add(f"{module}.{name}")
            return super().find_class(module, name)

    Real(io.BytesIO(data)).load()
    renamed = {name.replace("__builtin__", "builtins") for name in globals_of(data)}
    assert {name.replace("__builtin__", "builtins") for name in asked} == renamed


def test_a_name_put_together_by_the_memo():
    data = b"\x80\x04\x8c\x02os\x94\x8c\x06system\x94h\x00h\x01\x93."
    assert globals_of(data) == {"os.system"}


def test_a_name_that_is_no_string_counts_as_dangerous():
    data = b"\x80\x04\x8c\x02os]\x93."
    assert globals_of(data) == {UNKNOWN}
    assert dangerous({UNKNOWN, "a.b"}, lambda _: True) == (UNKNOWN,)


def test_calling_the_result_of_a_call_counts_as_dangerous():
    """`functools.partial(...)` and then a call of that: what runs has no name here."""
    data = b"\x80\x04cbuiltins\nlist\n)R)R."
    assert globals_of(data) == {"builtins.list", UNKNOWN}


def test_extension_codes_count_as_dangerous():
    assert globals_of(b"\x80\x02\x82\x01.") == {UNKNOWN}


def test_filling_a_class_counts_as_dangerous():
    assert UNKNOWN in globals_of(b"\x80\x04cbuiltins\nlist\n}b.")


def test_only_the_first_pickle_is_read():
    stream = io.BytesIO(pickle.dumps(1) + pickle.dumps(Runs()))
    assert scan(stream, where="x").globals == frozenset()
    assert scan(stream, where="x").globals != frozenset()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        b".",
        b"\x80\x04",
        b"\x80\x04.",
        b"h\x05.",
        b"(.",
        b"t.",
        b"]a.",
        b"\x80\x04}(u",
        b"\xff",
        b"R.",
        b"0.",
    ],
)
def test_damaged(data):
    with pytest.raises(SourceDamagedError, match="damaged"):
        globals_of(data, where="The file")


@pytest.mark.parametrize("opcode", [b"B", b"T", b"X", b"\x8b"])
def test_lengths_that_are_claimed_take_no_memory(opcode):
    with pytest.raises(SourceDamagedError):
        globals_of(b"\x80\x04" + opcode + b"\xff\xff\xff\x7f" + b"x.")
    with pytest.raises(SourceDamagedError):
        globals_of(b"\x80\x05\x96" + b"\xff" * 7 + b"\x7f" + b"x.")


def test_a_pickle_that_is_deep_does_not_crash():
    """Tuples in one another, as a key: hashing them would overflow the stack."""
    data = b"\x80\x04}(" + b")" + b"\x85" * 300_000 + b"Nu."
    assert globals_of(data) == frozenset()


def test_too_many_opcodes():
    with pytest.raises(SourceUnsupportedError, match="more than 2000000"):
        globals_of(b"N0" * 1_000_001 + b"N.")


def test_every_opcode_of_this_python_is_known():
    """A new protocol's opcode would count as dangerous, which is safe, and be a false alarm."""
    known = {
        name
        for name in dir(sys.modules["shipway.sources.files.pickle_scan"]._Machine)
        if name.startswith("_do_")
    }
    module = sys.modules["shipway.sources.files.pickle_scan"]
    plain = (
        module._PUSHES_ARGUMENT | module._CONSTANTS.keys() | module._EMPTY.keys() | module._FROM_MARK.keys()
    )
    plain |= module._TUPLES.keys() | module._NOTHING | {"MARK", "STOP"}
    missing = {
        op.name
        for op in pickletools.opcodes
        if op.name not in plain and f"_do_{op.name.lower()}" not in known
    }
    assert missing == set()


def test_states_are_kept():
    found = scan(io.BytesIO(pickle.dumps(pytest.approx(1.0))), where="x").value
    assert isinstance(found, Call)
    assert isinstance(found.state, Items)
    assert found.state.get("expected") == 1.0
