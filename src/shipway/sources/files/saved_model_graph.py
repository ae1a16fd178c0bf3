"""What a SavedModel's graph does to the outside: which operators a signature, or the loading, reaches.

Every SavedModel holds operators that read and write files, in its saver; what counts is what runs when the
model is loaded or asked. So the graph is followed backwards from there, through control edges and into every
function that a node names. A list of allowed operators would be safer, but TensorFlow has 1900, add-on
packages have more, and a release adds some; the list here is of those that reach files, the network or code
outside of the graph. An operator that TensorFlow does not know cannot be loaded at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import count
from sys import intern
from typing import Final

from shipway.sources.files.protobuf_fields import BYTES, WireError, fields, merged, messages, text

_WRITES = "writes files"
_READS = "reads files"
_RUNS = "runs code outside of the graph"
_TALKS = "talks to the network"

_DANGEROUS: Final = {
    _WRITES: r"WriteFile|Save|SaveV2|SaveSlices|MergeV2Checkpoints|SaveDataset(V2)?|DistributedSave"
    r"|DatasetToTFRecord|Snapshot\w*Dataset\w*|CacheDataset(V2)?|CreateSummary\w+|Write\w*Summary"
    r"|\w*SummaryWriter\w*|DumpTensor|CalibrationStatisticsSaver|Debug(Identity|NanCount|NumericSummary)\w*",
    _READS: r"ReadFile|MatchingFiles(Dataset)?|WholeFileReader(V2)?|\w*RecordReader(V2)?|TextLineReader(V2)?"
    r"|LMDB(Reader|Dataset)|\w*RecordDataset(V2)?|TextLineDataset|CSVDataset(V2)?|LoadDataset|SqlDataset"
    r"|Restore|RestoreV2|RestoreSlice|DTensorRestore\w*|LoadAndRemapMatrix|GenerateVocabRemapping|RecordInput"
    r"|Skipgram|FixedUnigramCandidateSampler|ListSnapshotChunksDataset|ImmutableConst|IO>\w+",
    _RUNS: r"PyFunc|PyFuncStateless|EagerPyFunc|XlaCustomCall\w*|_XlaHostCompute\w*|XlaHostCompute|TRTEngineOp"
    r"|CreateTRTResourceHandle|InitializeTRTResource|MlirPassthroughOp|DatasetFromGraph|DeserializeIterator",
    _TALKS: r"Rpc\w*|TryRpc|\w*DataService\w*|RegisterDataset(V2)?|RemoteCall|BigQuery\w*|Bigtable\w*|PubSub\w*",
    "ends the process": r"Abort",
}
_PATTERNS = [(does, re.compile(rf"(Experimental)?({names})")) for does, names in _DANGEROUS.items()]
_RESTORES = frozenset({"Restore", "RestoreV2", "RestoreSlice"})
_PASSES_ON = frozenset({"Identity", "IdentityN", "StopGradient", "PlaceholderWithDefault"})
_HANDLE = re.compile(r"\w*HashTable\w*|VarHandleOp|Placeholder")
_TABLE_FROM_FILE = re.compile(r"InitializeTableFromTextFile(V2)?")

_FIELDS = 10_000_000
"""The largest published graphs have some hundred thousand nodes of ten fields; these take seconds to read."""
_NODES = 1_000_000
_VISITS = 3_000_000
"""All signatures together; each visit takes some microseconds."""
_NAME_BYTES = 4096
_DEPTH = 16
_STRING = 7  # DT_STRING


@dataclass(frozen=True)
class Danger:
    """One operator that reaches outside, and from where it runs."""

    op: str
    node: str
    """With its function, as `function/node`, where it stands in one."""
    does: str
    when: str
    """The signature's name, or `""` when loading the model is enough."""

    def __str__(self) -> str:
        when = f"signature {self.when!r}" if self.when else "loading the model"
        return f"{self.op} ({self.node}, {self.does}), which {when} runs"


@dataclass(frozen=True, slots=True)
class Node:
    """One operator; inputs and attributes are looked at when it is reached."""

    name: str
    op: str
    data: memoryview

    @property
    def inputs(self) -> list[str]:
        """Tensors, and control edges as `^node`."""
        return [text(value) for value in messages(self.data, 3)]

    def attr(self, name: str) -> memoryview:
        """The bytes of an `AttrValue`; empty when there is none."""
        return _attr(self.data, name)


@dataclass(frozen=True)
class Body:
    """The nodes of the graph itself (`name` empty) or of one function."""

    name: str
    nodes: dict[str, Node]
    data: memoryview
    implements: str = ""
    """Functions that name the same are alternatives, between which TensorFlow's optimizer chooses."""


@dataclass
class Graph:
    """A `GraphDef`: its own nodes, its functions and how they name each other."""

    main: Body
    functions: dict[str, Body]
    op_counts: Counter[str]
    _alike: dict[str, list[str]] = field(default_factory=dict)
    _assignments: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    _fillers: dict[str, bool] = field(default_factory=dict)
    _visits: Iterator[int] = field(default_factory=count)

    @classmethod
    def read(cls, data: memoryview) -> Graph:
        """From the bytes of a `GraphDef`. Raises `WireError`."""
        reader = _Reader()
        main = Body("", reader.nodes("", data, 1), memoryview(b""))
        functions: dict[str, Body] = {}
        for message in messages(merged(data, 2), 1):
            body = reader.function(message)
            if body.name in functions:
                raise WireError(f"function {body.name!r} stands twice")
            functions[body.name] = body
        graph = cls(main, functions, reader.op_counts)
        for name, body in functions.items():
            if body.implements:
                graph._alike.setdefault(body.implements, []).append(name)
        return graph

    def reach(self, tensors: Iterable[str], functions: Iterable[str] = ()) -> Iterator[tuple[Body, Node]]:
        """Every node that runs when these tensors of the graph, or these functions, are asked for.

        All nodes of a function count, because those that no output needs run too when they act on something.
        """
        waiting = [(self.main, name) for name in map(_node_of, tensors)]
        waiting_functions = list(functions)
        seen: set[str] = set()
        entered: set[str] = set()
        while waiting or waiting_functions:
            if waiting_functions:
                body = self.functions.get(waiting_functions.pop())
                if body is None or body.name in entered:
                    continue
                entered.add(body.name)
                waiting_functions += self._named_by(body.data)
                waiting_functions += self._alike.get(body.implements, ())
                found = list(body.nodes.values())
            else:
                body, name = waiting.pop()
                if name in seen or name not in body.nodes:
                    continue
                seen.add(name)
                found = [body.nodes[name]]
                waiting += [(body, _node_of(one)) for one in found[0].inputs]
            for node in found:
                if next(self._visits) > _VISITS:
                    raise WireError(f"its signatures reach more than {_VISITS} operators")
                waiting_functions += self._named_by(node.data)
                waiting_functions.append(node.op)  # a function may be called by its name as an operator's
                yield body, node

    def _named_by(self, data: memoryview) -> list[str]:
        """Functions that attributes name, as a function or in a string. Nodes and functions number them alike."""
        if not self.functions:
            return []
        names = (name for entry in messages(data, 5) for name in _names(merged(entry, 2)))
        return [name for name in names if name in self.functions]

    def dangers(
        self,
        when: str,
        tensors: Iterable[str],
        functions: Iterable[str] = (),
        *,
        assets: frozenset[str] = frozenset(),
        restores: bool = False,
    ) -> Iterator[Danger]:
        """What is dangerous among the reached nodes.

        `assets` are the constants that the loader replaces by the model's own files; `restores` allows
        reading a checkpoint, which is what the saver is for.
        """
        reached = list(self.reach(tensors, functions))
        fills_tables = any(_TABLE_FROM_FILE.fullmatch(node.op) for _, node in reached)
        for body, node in reached:
            does = self._does(node)
            if fills_tables and not does:
                does = self._names_file(body, node, assets)
            if does and not (restores and node.op in _RESTORES):
                name = f"{body.name}/{node.name}" if body.name else node.name
                yield Danger(node.op, name, does, when)

    def _does(self, node: Node) -> str:
        for does, pattern in _PATTERNS:
            if pattern.fullmatch(node.op):
                return does
        if node.op == "PrintV2" and _bytes(node.attr("output_stream")).startswith(b"file:"):
            return _WRITES
        if node.op in ("DecodeProtoV2", "EncodeProto"):
            source = _bytes(node.attr("descriptor_source"))
            return "" if source.startswith((b"local://", b"bytes://")) or not source else _READS
        if node.op == "XlaCallModule" and b"callback" in _bytes(node.attr("module")):
            return _RUNS
        return ""

    def _names_file(self, body: Body, node: Node, assets: frozenset[str]) -> str:
        """Filling a table from a file is usual; its path has to be an asset, not a constant in the graph.

        In a function the path is an argument, and the call or the captured tensor gives it.
        """
        if _TABLE_FROM_FILE.fullmatch(node.op):
            suspects = list(self._origins(body, node.inputs[1:2]))
        elif any(self.fills_table_from_file(name) for name in self._named_by(node.data)):
            suspects = [one for one in self._origins(body, node.inputs) if not _is_harmless_argument(one)]
        else:
            return ""
        own = assets if body is self.main else frozenset()
        return "" if all(one.name in own for one in suspects) else f"{_READS} that are not the model's own"

    def is_string_constant(self, name: str) -> bool:
        """True for a node of the graph itself that is a constant string."""
        node = self.main.nodes.get(name)
        return node is not None and node.op == "Const" and _is_string(node)

    def fills_table_from_file(self, function: str) -> bool:
        """True when the function, or one that it calls, fills a lookup table from a text file."""
        if function not in self._fillers:
            reached = self.reach((), (function,))
            self._fillers[function] = any(_TABLE_FROM_FILE.fullmatch(node.op) for _, node in reached)
        return self._fillers[function]

    def _origins(self, body: Body, tensors: list[str]) -> Iterator[Node]:
        """The nodes that give these tensors, looking through those that keep a value or pass it on."""
        waiting = list(map(_node_of, tensors))
        seen: set[str] = set()
        while waiting:
            name = waiting.pop()
            node = body.nodes.get(name)
            if name in seen or node is None:  # an argument of the function
                continue
            seen.add(name)
            givers = [one for one in node.inputs if not one.startswith("^")]
            if node.op == "ReadVariableOp" and givers:
                givers = self._assigned(body).get(_node_of(givers[0]), [])
            elif node.op not in _PASSES_ON:
                givers = []
            waiting += map(_node_of, givers)
            if not givers:
                yield node

    def _assigned(self, body: Body) -> dict[str, list[str]]:
        """Variable → the tensors that are assigned to it: TensorFlow 2 keeps the path of an asset in one."""
        if body.name not in self._assignments:
            found = self._assignments.setdefault(body.name, {})
            for node in body.nodes.values():
                if node.op == "AssignVariableOp" and len(givers := node.inputs) > 1:
                    found.setdefault(_node_of(givers[0]), []).append(givers[1])
        return self._assignments[body.name]


class _Reader:
    """Reads nodes, and stops at a number of fields that no graph has."""

    def __init__(self) -> None:
        self.op_counts: Counter[str] = Counter()
        self._fields = count()
        self._nodes = count()

    def function(self, message: memoryview) -> Body:
        name = "".join(text(part) for part in messages(merged(message, 1), 1))
        implements = str(_bytes(_attr(message, "api_implements")), "utf-8", "replace")
        return Body(name, self.nodes(name, message, 3), message, implements)

    def nodes(self, where: str, data: memoryview, number: int) -> dict[str, Node]:
        nodes: dict[str, Node] = {}
        for part in messages(data, number):
            node = self._node(part)
            if node.name in nodes:
                raise WireError(f"node {node.name!r} stands twice in {where or 'the graph'}")
            if next(self._nodes) > _NODES:
                raise WireError(f"more than {_NODES} nodes")
            nodes[node.name] = node
            self.op_counts[node.op] += 1
        return nodes

    def _node(self, part: memoryview) -> Node:
        name = op = ""
        for number, kind, _, value in fields(part):
            if next(self._fields) > _FIELDS:
                raise WireError(f"more than {_FIELDS} fields")
            if kind == BYTES and number == 1:
                name = text(value)
            elif kind == BYTES and number == 2:
                op = intern(text(value))
        return Node(name, op, part)


def _attr(data: memoryview, name: str) -> memoryview:
    """The last attribute of that name of a node or a function; empty when there is none."""
    wanted = name.encode()
    found = memoryview(b"")
    for entry in messages(data, 5):
        if merged(entry, 1) == wanted:
            found = merged(entry, 2)
    return found


def _names(value: memoryview, depth: int = 0) -> Iterator[str]:
    """Strings and function names in an `AttrValue`, in its list and in the functions' own attributes."""
    if depth > _DEPTH:
        raise WireError(f"attributes nested deeper than {_DEPTH}")
    for number, kind, _, inner in fields(value):
        if kind != BYTES:
            continue
        if number == 2:
            yield from _short(inner)
        elif number == 10:
            yield from _function_names(inner, depth)
        elif number == 1:
            for item in messages(inner, 2):
                yield from _short(item)
            for function in messages(inner, 9):
                yield from _function_names(function, depth)


def _function_names(value: memoryview, depth: int) -> Iterator[str]:
    yield from _short(merged(value, 1))
    for entry in messages(value, 2):
        yield from _names(merged(entry, 2), depth + 1)


def _short(value: memoryview) -> Iterator[str]:
    if len(value) <= _NAME_BYTES:
        yield str(value, "utf-8", "replace")


def _node_of(tensor: str) -> str:
    """`^name`, `name:0` and, in a function, `name:output:0` → the node's name."""
    return tensor.removeprefix("^").partition(":")[0]


def _bytes(value: memoryview) -> bytes:
    """The last string of an `AttrValue`."""
    found = list(messages(value, 2))
    return bytes(found[-1]) if found else b""


def _is_string(node: Node) -> bool:
    return any(number == 6 and value == _STRING for number, _, value, _ in fields(node.attr("dtype")))


def _is_harmless_argument(node: Node) -> bool:
    """True for what cannot be a path: a table, a variable, a number."""
    return bool(_HANDLE.fullmatch(node.op)) or (node.op == "Const" and not _is_string(node))
