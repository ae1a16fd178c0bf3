"""Which functions TensorFlow 2 calls by itself: for a signature, when it loads a model, when it restores it.

`tf.saved_model.load` follows the objects of saved_object_graph.proto and not the signatures of the graph, so a
file could show one function in the graph and run another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import count

from shipway.sources.files.protobuf_fields import BYTES, VARINT, WireError, fields, merged, messages, text

_PARTS = 1_000_000
_START = ("_create_resource", "_initialize", "_destroy_resource")
"""Functions that TensorFlow calls when it loads or drops a model."""


@dataclass(frozen=True)
class SavedObjects:
    """What a `SavedObjectGraph` says of the functions; empty for a model of TensorFlow 1."""

    signatures: Mapping[str, tuple[str, ...]]
    """Signature's name → the functions that `tf.saved_model.load` calls for it."""
    at_start: tuple[str, ...]
    at_restore: tuple[str, ...]
    constants: Mapping[str, tuple[str, ...]]
    """Function → the graph's constants that are bound to its arguments."""

    @classmethod
    def read(cls, data: memoryview) -> SavedObjects:
        """From the bytes of a `SavedObjectGraph`. Raises `WireError`."""
        budget = count()

        def limited(parts: Iterator[memoryview]) -> Iterator[memoryview]:
            for part in parts:
                if next(budget) > _PARTS:
                    raise WireError(f"more than {_PARTS} objects and links between them")
                yield part

        nodes = list(limited(messages(data, 1)))
        children = [[(*_reference(child),) for child in limited(messages(node, 1))] for node in nodes]
        functions = [tuple(_functions_of(node)) for node in nodes]

        def called(index: int) -> tuple[str, ...]:
            return functions[index] if 0 <= index < len(functions) else ()

        signatures: dict[str, tuple[str, ...]] = {}
        for index, name in children[0] if children else ():
            if name == "signatures" and 0 <= index < len(nodes):
                for child, key in children[index]:
                    signatures[key] = (*signatures.get(key, ()), *called(child))
        start = [one for row in children for index, name in row if name in _START for one in called(index)]
        restore = [
            function
            for node in nodes
            for entry in limited(messages(node, 11))
            for number, kind, value, _ in fields(merged(entry, 2))
            if number == 3 and kind == VARINT
            for function in called(value)
        ]
        bound = {}
        for entry in limited(messages(data, 2)):
            indices = _integers(merged(entry, 2), 2)
            names = tuple(_constant(nodes[index]) for index in indices if 0 <= index < len(nodes))
            bound[text(merged(entry, 1))] = tuple(filter(None, names))
        return cls(signatures, tuple(start), tuple(restore), bound)


def _reference(child: memoryview) -> tuple[int, str]:
    index, name = 0, ""
    for number, kind, value, part in fields(child):
        if number == 1 and kind == VARINT:
            index = value
        elif number == 2 and kind == BYTES:
            name = text(part)
    return index, name


def _functions_of(node: memoryview) -> Iterator[str]:
    """Concrete functions of a `SavedFunction` (field 6) or a `SavedBareConcreteFunction` (8)."""
    for number in (6, 8):
        for name in messages(merged(node, number), 1):
            yield text(name)


def _constant(node: memoryview) -> str:
    return "".join(text(part) for part in messages(merged(node, 9), 1))


def _integers(data: memoryview, number: int) -> Iterator[int]:
    """A repeated integer, packed or not."""
    for found, kind, value, part in fields(data):
        if found == number and kind == VARINT:
            yield value
        elif found == number and kind == BYTES:
            current = shift = 0
            for byte in part:
                current |= (byte & 0x7F) << shift
                shift = min(shift + 7, 70)
                if byte < 0x80:
                    yield current
                    current = shift = 0
