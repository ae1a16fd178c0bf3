"""What a pickle would import and call, found by walking its opcodes: nothing of it is imported or called.

A pickle is a program. This machine runs it on symbols: a global stays a name, a call stays a pair of a name
and its arguments. So the names are exact for plain pickles, also where they are put together on the stack, and
the values of a harmless one (the tensors of a state_dict) can be read off. What has to do with the result is
for a person or a list of allowed names: that a name is harmless is never concluded from its looks.
"""

from __future__ import annotations

import io
import pickletools
import re
import warnings
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Final, cast

from shipway.errors import SourceDamagedError, SourceUnsupportedError

UNKNOWN: Final = "?"
"""A global whose name is not a plain string in the pickle."""

_OPCODES = 2_000_000
"""Ten seconds on one core. A vocabulary of half a million words takes two million."""
_LINE_BYTES = 1 << 20
_KEPT_BYTES = 16 << 20
_DTYPE = re.compile(r"^[<>|=]?[biufcmMSUV](\d{1,6})\Z")
_NUMPY_WRAPPERS = ("joblib.numpy_pickle.NumpyArrayWrapper", "joblib.numpy_pickle_compat.NDArrayWrapper")


@dataclass(frozen=True, eq=False)
class Global:
    """A name that the pickle imports."""

    name: str


@dataclass(eq=False)
class Call:
    """What the pickle would get by calling `function`; `state` is what it would then be filled with."""

    function: Any
    arguments: Any
    state: Any = None
    added: list[Any] = field(default_factory=list)


@dataclass(eq=False)
class Items:
    """A list, tuple, dict (keys and values in turn) or set. No Python dict: a hostile key's hash can crash."""

    kind: str
    values: list[Any]

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        """The keys and values of a dict."""
        return zip(self.values[::2], self.values[1::2], strict=False)

    def get(self, key: str) -> Any:  # noqa: ANN401 - a pickle holds anything
        """The last value under a key that is a string, or None."""
        return next((value for name, value in reversed(list(self.pairs())) if name == key), None)


@dataclass(frozen=True)
class Scan:
    """What a pickle holds (symbols where it would call), and the names that it would import."""

    value: Any
    globals: frozenset[str]
    persistent: int
    """How many objects it asks of its surroundings: the storages of tensors."""
    end: int
    """Bytes up to and with the last opcode."""


def globals_of(data: bytes, *, where: str = "The pickle") -> frozenset[str]:
    """The names (`os.system`) that `data` would import. Raises `SourceDamagedError`, `SourceUnsupportedError`.

    Concatenated pickles are not followed: `pickle.load` reads the first one.
    """
    return scan(io.BytesIO(data), where=where).globals


def dangerous(names: Collection[str], allowed: Callable[[str], bool]) -> tuple[str, ...]:
    """The names that are not `allowed`, sorted; a name that the pickle hides never is."""
    return tuple(sorted(name for name in names if UNKNOWN in name or not allowed(name)))


def scan(stream: BinaryIO, *, where: str, with_joblib_arrays: bool = False) -> Scan:
    """Walks one pickle from the stream's place on, and leaves the stream behind it.

    `stream` is one in memory, or a map of a file: what it is asked for beyond its end must cost nothing.
    `with_joblib_arrays` steps over the raw arrays that joblib writes between the opcodes.
    Raises `SourceDamagedError`, and `SourceUnsupportedError` for one of more opcodes than are followed.
    """
    return _Machine(_Bounded(stream), where=where, with_joblib_arrays=with_joblib_arrays).run()


class _Skipped:
    """Stands for a long string of bytes that was stepped over: the scan never needs its content."""

    def __init__(self, length: int) -> None:
        self._length = length

    def __len__(self) -> int:
        return self._length


class _Bounded:
    """Gives out what `pickletools` asks for, and no copy of what is long."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        here = stream.tell()
        self.size = stream.seek(0, io.SEEK_END) or stream.tell()
        stream.seek(here)

    def read(self, count: int) -> Any:  # noqa: ANN401 - bytes, or what stands for them
        here = self._stream.tell()
        if not 0 <= count <= self.size - here:
            return b""
        if count > _KEPT_BYTES:
            self._stream.seek(here + count)
            return _Skipped(count)
        return self._stream.read(count)

    def readline(self) -> bytes:
        here = self._stream.tell()
        line = self._stream.read(min(_LINE_BYTES, self.size - here))
        end = line.find(b"\n") + 1
        self._stream.seek(here + end)
        return line[:end]

    def tell(self) -> int:
        return self._stream.tell()

    def skip(self, count: int) -> None:
        here = self._stream.tell()
        if not 0 <= count <= self.size - here:
            raise ValueError(f"an array claims {count} bytes, {self.size - here} are left")
        self._stream.seek(here + count)


class _Mark:
    """Where a run of items on the stack begins."""


_MARK = _Mark()
_PUSHES_ARGUMENT = frozenset((
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE",
    "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "FLOAT", "BINFLOAT",
))  # fmt: skip
_CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY = {"EMPTY_LIST": "list", "EMPTY_TUPLE": "tuple", "EMPTY_DICT": "dict", "EMPTY_SET": "set"}
_FROM_MARK = {"LIST": "list", "TUPLE": "tuple", "DICT": "dict", "FROZENSET": "set"}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_NOTHING = frozenset(("PROTO", "FRAME", "READONLY_BUFFER"))


class _Machine:
    """The pickle machine on symbols: one stack, one memo."""

    def __init__(self, stream: _Bounded, *, where: str, with_joblib_arrays: bool, depth: int = 0) -> None:
        self._stream = stream
        self._where = where
        self._joblib = with_joblib_arrays
        self._depth = depth
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._persistent = 0
        self.names: set[str] = set()
        self.opcodes = 0

    def run(self) -> Scan:
        """Walks to the STOP. Raises `SourceDamagedError`, `SourceUnsupportedError`."""
        try:
            with warnings.catch_warnings():
                # pickletools undoes escapes in names, and Python warns of those that are none.
                warnings.simplefilter("ignore", DeprecationWarning)
                warnings.simplefilter("ignore", SyntaxWarning)
                self._walk()
            value = self._pop()
        except (ValueError, IndexError, KeyError, TypeError, OverflowError, MemoryError) as error:
            raise SourceDamagedError(
                f"{self._where} is damaged: it cannot be read as a pickle ({str(error)[:200]}).",
                hint="Save the model again, or copy the file again.",
            ) from error
        return Scan(value, frozenset(self.names), self._persistent, self._stream.tell())

    def _walk(self) -> None:
        for opcode, argument, _ in pickletools.genops(cast("Any", self._stream)):
            self.opcodes += 1
            if self.opcodes > _OPCODES:
                raise SourceUnsupportedError(
                    f"{self._where} has more than {_OPCODES} pickle opcodes.",
                    hint="Save the model in a format without pickle (safetensors, skops, ONNX).",
                )
            self._step(opcode.name, argument)

    def _step(self, name: str, argument: Any) -> None:  # noqa: ANN401 - an opcode's argument is of many types
        stack = self._stack
        if name in _PUSHES_ARGUMENT:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _EMPTY:
            stack.append(Items(_EMPTY[name], []))
        elif name in _FROM_MARK:
            stack.append(Items(_FROM_MARK[name], self._from_mark()))
        elif name in _TUPLES:
            stack.append(Items("tuple", [self._pop() for _ in range(_TUPLES[name])][::-1]))
        elif name not in _NOTHING and name != "STOP":
            getattr(self, f"_do_{name.lower()}", self._unknown)(argument)

    def _unknown(self, argument: Any) -> None:  # noqa: ANN401
        """An opcode of a later protocol: whatever it does counts as a call of something hidden."""
        del argument
        self._import(UNKNOWN)

    def _pop(self) -> Any:  # noqa: ANN401
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark stands where a value should")
        return value

    def _from_mark(self) -> list[Any]:
        values = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _import(self, name: str) -> Global:
        self.names.add(name)
        return Global(name)

    def _call(self, function: Any, arguments: Any) -> None:  # noqa: ANN401
        """What is called must be a plain global; the result of a call, called again, is hidden from us."""
        if not isinstance(function, Global):
            self._import(UNKNOWN)
        self._stack.append(Call(function, arguments))

    def _do_pop(self, _: object) -> None:
        self._stack.pop()

    def _do_pop_mark(self, _: object) -> None:
        self._from_mark()

    def _do_dup(self, _: object) -> None:
        self._stack.append(self._stack[-1])

    def _do_global(self, argument: str) -> None:
        self._stack.append(self._import(".".join(argument.split(" ", 1))))

    def _do_stack_global(self, _: object) -> None:
        name, module = self._pop(), self._pop()
        plain = isinstance(name, str) and isinstance(module, str)
        self._stack.append(self._import(f"{module}.{name}" if plain else UNKNOWN))

    def _do_inst(self, argument: str) -> None:
        arguments = self._from_mark()
        self._call(self._import(".".join(argument.split(" ", 1))), Items("tuple", arguments))

    def _do_obj(self, _: object) -> None:
        function, *arguments = self._from_mark()
        self._call(function, Items("tuple", arguments))

    def _do_reduce(self, _: object) -> None:
        arguments, function = self._pop(), self._pop()
        self._call(function, arguments)

    _do_newobj = _do_reduce

    def _do_newobj_ex(self, _: object) -> None:
        self._pop()
        self._do_reduce(_)

    def _do_ext1(self, _: object) -> None:
        """A number for a name, from a table of this process's (copyreg): hidden."""
        self._stack.append(self._import(UNKNOWN))

    _do_ext2 = _do_ext4 = _do_ext1

    def _do_persid(self, argument: str) -> None:
        self._stack.append(argument)
        self._do_binpersid(None)

    def _do_binpersid(self, _: object) -> None:
        self._persistent += 1
        self._stack.append(Call(Global("persistent id"), self._pop()))

    def _do_next_buffer(self, _: object) -> None:
        self._stack.append(None)

    def _do_put(self, index: int) -> None:
        self._memo[index] = self._stack[-1]

    _do_binput = _do_long_binput = _do_put

    def _do_memoize(self, _: object) -> None:
        self._memo[len(self._memo)] = self._stack[-1]

    def _do_get(self, index: int) -> None:
        self._stack.append(self._memo[index])

    _do_binget = _do_long_binget = _do_get

    def _add(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, Items):
            target.values.extend(values)
        elif isinstance(target, Call):
            target.added.extend(values)
        else:
            raise ValueError("items are added to what is no container")

    def _do_append(self, _: object) -> None:
        self._add([self._pop()])

    def _do_appends(self, _: object) -> None:
        self._add(self._from_mark())

    _do_additems = _do_setitems = _do_appends

    def _do_setitem(self, _: object) -> None:
        value, key = self._pop(), self._pop()
        self._add([key, value])

    def _do_build(self, _: object) -> None:
        state, target = self._pop(), self._stack[-1]
        if not isinstance(target, Call):
            self._import(UNKNOWN)
            return
        target.state = state
        if self._joblib and isinstance(target.function, Global) and target.function.name in _NUMPY_WRAPPERS:
            self._skip_array(state)

    def _skip_array(self, state: Any) -> None:  # noqa: ANN401
        """Past the bytes that joblib's wrapper reads when it is filled (joblib/numpy_pickle.py read_array)."""
        if not isinstance(state, Items):
            raise ValueError("an array of joblib's has no state")
        text = _dtype_text(state.get("dtype"))
        if text in ("O", "O8"):
            self._scan_objects()
            return
        found = _DTYPE.match(text)
        shape = state.get("shape")
        if found is None or not isinstance(shape, Items):
            raise ValueError(f"an array of joblib's has the dtype {text[:40]!r}")
        if state.get("numpy_array_alignment_bytes") is not None:
            self._stream.skip(int.from_bytes(self._stream.read(1), "little"))
        self._stream.skip(_count_bytes(text, int(found[1]), shape.values))

    def _scan_objects(self) -> None:
        """An array of objects is a pickle of its own between the opcodes."""
        if self._depth:
            raise ValueError("a pickle in a pickle in a pickle")
        inner = _Machine(self._stream, where=self._where, with_joblib_arrays=False, depth=1)
        inner.opcodes = self.opcodes
        self.names |= inner.run().globals
        self.opcodes = inner.opcodes


def _dtype_text(dtype: Any) -> str:  # noqa: ANN401
    if isinstance(dtype, Call) and isinstance(dtype.arguments, Items) and dtype.arguments.values:
        first = dtype.arguments.values[0]
        return first if isinstance(first, str) else ""
    return ""


def _count_bytes(text: str, size: int, shape: list[Any]) -> int:
    count = size * (4 if "U" in text else 1)
    for length in shape:
        if type(length) is not int or length < 0:
            raise ValueError("an array's shape is no shape")
        count = min(count * length, 1 << 62)
    return count
