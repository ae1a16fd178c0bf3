"""Which texts in a `.pt2` file are what `torch.export` writes, since torch runs some of them as Python.

Shapes are expressions that `sympy.sympify` evaluates while the file is loaded, guards are Python that is
evaluated at every call, operators are dotted names that are looked up from `torch` on, and the trees of
arguments name modules to import. A file that puts another expression there runs code, so each has a grammar.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from shipway.sources.files.torch_script_file import REACHES_OUT

_TEXT_CHARS = 20_000
_SHAPE_CALLS = frozenset((
    "Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Pow", "Mod", "Max", "Min", "Abs", "Eq", "Ne",
    "Gt", "Ge", "Lt", "Le", "Equality", "Unequality", "And", "Or", "Not", "StrictGreaterThan",
    "GreaterThan", "StrictLessThan", "LessThan", "Relational", "FloorDiv", "ModularIndexing", "Where",
    "PythonMod", "CleanDiv", "CeilDiv", "CeilToInt", "FloorToInt", "RoundToInt", "RoundDecimal",
    "TruncToInt", "TruncToFloat", "ToFloat", "IntTrueDiv", "FloatTrueDiv", "PowByNatural", "FloatPow",
    "LShift", "RShift", "Identity", "IsNonOverlappingAndDenseIndicator", "Piecewise", "floor", "ceiling",
    "OpaqueUnaryFn_sqrt", "OpaqueUnaryFn_exp", "OpaqueUnaryFn_log", "OpaqueUnaryFn_log2",
    "BitwiseFn_bitwise_and", "BitwiseFn_bitwise_or", "BitwiseFn_bitwise_xor", "ExprCondPair", "Tuple",
))  # fmt: skip
_GUARD_CALLS = frozenset((
    "Eq", "Ne", "Gt", "Ge", "Lt", "Le", "Mod", "Max", "Min", "Abs", "FloorDiv", "PythonMod", "CleanDiv",
    "IntTrueDiv", "FloatTrueDiv", "ToFloat", "TruncToInt", "max", "min", "abs", "int", "float", "len",
    "isinstance", "cast_symbool_to_symint_guardless",
))  # fmt: skip
_GUARD_METHODS = frozenset((
    "size", "stride", "storage_offset", "numel", "dim", "is_contiguous", "item", "floor", "ceil", "sqrt",
    "trunc", "bit_length", "is_integer", "sym_float", "sym_int", "sym_max", "sym_min", "sym_not", "sym_ite",
))  # fmt: skip
_GUARD_ATTRIBUTES = _GUARD_METHODS | frozenset(("shape", "ndim", "dtype", "device", "math", "sym_sum"))
_NODES = (
    ast.Expression, ast.Constant, ast.Name, ast.Load, ast.UnaryOp, ast.unaryop, ast.BinOp, ast.operator,
    ast.BoolOp, ast.boolop, ast.Compare, ast.cmpop, ast.Call, ast.keyword, ast.Tuple, ast.List,
)  # fmt: skip
_NAME = re.compile(r"\w{1,200}\Z")
_OPERATORS = re.compile(
    r"(?:torch\.ops\.(?:aten|prims|prim|higher_order|quantized|quantized_decomposed|export|_quantized|rngprims)"
    r"\.\w+(?:\.\w+)?|torch\.sym_\w+|torch\._sym_sqrt|math\.\w+"
    r"|_operator\.(?!call|methodcaller|attrgetter|itemgetter)\w+)\Z"
)
_OPERATOR_SPACE = re.compile(r"torch\.ops\.(?!load_library|import_module)(\w+)\.\w+(?:\.\w+)?\Z")
_REACHING = frozenset((
    "torch.ops.aten.save", "torch.ops.aten.from_file", "torch.ops.aten.from_file.out",
))  # fmt: skip
_CONTAINERS = frozenset((
    "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict", "collections.deque",
    "collections.namedtuple", "collections.defaultdict", "torch.fx.immutable_collections.immutable_list",
    "torch.fx.immutable_collections.immutable_dict",
))  # fmt: skip


def is_shape_expression(text: str) -> bool:
    """True for sums and products of symbols and numbers, as sympy prints them."""
    return _is_plain(text, _SHAPE_CALLS, frozenset(), subscripts=False)


def is_guard(text: str) -> bool:
    """True for comparisons of the arguments' sizes."""
    return _is_plain(text, _GUARD_CALLS, _GUARD_ATTRIBUTES, subscripts=True)


def _is_plain(text: str, calls: frozenset[str], attributes: frozenset[str], *, subscripts: bool) -> bool:
    if len(text) > _TEXT_CHARS:
        return False
    try:
        tree = ast.parse(text, mode="eval")
        return all(_is_plain_node(node, calls, attributes, subscripts) for node in ast.walk(tree))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _is_plain_node(
    node: ast.AST, calls: frozenset[str], attributes: frozenset[str], subscripts: bool
) -> bool:
    if isinstance(node, ast.Name):
        return "__" not in node.id
    if isinstance(node, ast.Attribute):
        return node.attr in attributes
    if isinstance(node, ast.Subscript):
        return subscripts
    if isinstance(node, ast.Call):
        function = node.func
        if isinstance(function, ast.Attribute):
            return function.attr in attributes
        return isinstance(function, ast.Name) and function.id in calls
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and not subscripts:
        return _NAME.match(node.value) is not None
    return isinstance(node, _NODES)


def find_unsafe_texts(document: Mapping[str, Any]) -> Iterator[str]:
    """Each text that torch would run, or look up, and that it does not write itself, in words."""
    for text in document.get("guards_code") or []:
        if not (isinstance(text, str) and is_guard(text)):
            yield f"the guard {_short(text)} is evaluated as Python at every call"
    for node in _objects(document):
        for key, value in node.items():
            if key == "expr_str" and not (isinstance(value, str) and is_shape_expression(value)):
                yield f"the shape {_short(value)} is evaluated as Python when the file is loaded"
            elif key in ("target", "as_operator") and isinstance(value, str):
                yield from _judge_operator(value, "inputs" in node or key == "as_operator")
            elif key in ("in_spec", "out_spec") and isinstance(value, str):
                yield from _judge_tree(value)


def foreign_operators(document: Mapping[str, Any]) -> tuple[str, ...]:
    """Operators of other libraries (`torchvision::nms`), which must be imported before the file is loaded."""
    spaces = (
        _OPERATOR_SPACE.match(node["target"])
        for node in _objects(document)
        if isinstance(node.get("target"), str) and "inputs" in node and not _OPERATORS.match(node["target"])
    )
    return tuple(sorted({found[0].removeprefix("torch.ops.") for found in spaces if found}))


def _judge_operator(name: str, is_operator: bool) -> Iterator[str]:
    if not is_operator:
        return
    space = _OPERATOR_SPACE.match(name)
    if ".".join(name.split(".")[:4]) in _REACHING or (space and space[1] in REACHES_OUT):
        yield f"the operator {name} reaches out of the process"
    elif "__" in name or (not _OPERATORS.match(name) and not _OPERATOR_SPACE.match(name)):
        yield f"{_short(name)} is called, which is no operator"


def _judge_tree(text: str) -> Iterator[str]:
    """A tree of arguments, as `torch.utils._pytree.treespec_dumps` writes it: JSON in which JSON stands."""
    try:
        tree = json.loads(text)
    except (ValueError, RecursionError):
        yield f"the tree of arguments {_short(text)} is not JSON"
        return
    for node in _objects({"tree": tree}):
        kind, context = node.get("type"), node.get("context")
        if kind is not None and kind not in _CONTAINERS:
            yield f"the arguments are held by {_short(kind)}, a class of another library"
        if isinstance(context, str):
            yield from _judge_context(context)
        elif context is not None:
            yield from _judge_context(json.dumps(context))


def _judge_context(text: str) -> Iterator[str]:
    try:
        context = json.loads(text)
    except (ValueError, RecursionError):
        return
    for node in _objects({"context": context}):
        if "__enum__" in node:
            yield f"the module of {_short(node.get('fqn'))} is imported (an enum as a key)"
        if node.get("default_factory_module", "builtins") != "builtins":
            yield f"the module {_short(node.get('default_factory_module'))} is imported (a defaultdict)"


def _objects(root: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every JSON object in it; without recursion, since a hostile one is deep."""
    waiting: list[Any] = [root]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


def _short(text: object) -> str:
    return repr(text if isinstance(text, str) and len(text) <= 80 else str(text)[:80] + "…")
