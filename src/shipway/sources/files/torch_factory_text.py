"""What a `module.py:factory` says of itself, read as text: nothing of it runs in this process."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.os_errors import os_errors_as_ours

_TEXT_BYTES: Final = 16 << 20
_Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class FactoryText:
    """`argument_names` are those of `forward` where the text shows the class; else empty."""

    line: int
    """0 where the name is imported or made in another way."""
    gives_examples: bool
    """True where it returns a pair, as `(module, example_inputs)` is."""
    argument_names: tuple[str, ...]


def read_factory(file: Path, name: str) -> FactoryText:
    """Raises `SourceDamagedError` (no Python), `SourceUnsupportedError` (no such name), and for rights."""
    tree = _parse(file)
    defined = {
        node.name: node
        for node in tree.body
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef))
    }
    found = defined.get(name)
    if found is None:
        _require_name(file, name, tree, list(defined))
        return FactoryText(0, gives_examples=False, argument_names=())
    if isinstance(found, ast.ClassDef):
        return FactoryText(found.lineno, gives_examples=False, argument_names=_forward_of(found))
    functions = {node.name: node for node in defined.values() if not isinstance(node, ast.ClassDef)}
    made = next((defined[c] for c in map(_called, _returned(found)) if c in defined), None)
    return FactoryText(
        found.lineno,
        gives_examples=_gives_pair(found, functions),
        argument_names=_forward_of(made) if isinstance(made, ast.ClassDef) else (),
    )


def _gives_pair(function: _Function, functions: Mapping[str, _Function]) -> bool:
    """Whether it, or a function of the same file whose answer it passes on, returns a pair."""
    if _tells_pair(function):
        return True
    assigned = {
        target.id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    others = {name: other for name, other in functions.items() if other is not function}
    for value in _returned(function):
        meant = assigned.get(value.id) if isinstance(value, ast.Name) else value
        if isinstance(meant, ast.Tuple):
            return True
        if not isinstance(meant, ast.Call) or not isinstance(meant.func, ast.Name):
            continue
        called = others.get(meant.func.id)
        if called is not None and _gives_pair(called, others):
            return True
    return False


def _returned(function: _Function) -> list[ast.expr]:
    """What the function itself returns, without what functions inside of it do."""
    found: list[ast.expr] = []
    inside: list[ast.AST] = list(function.body)
    while inside:
        node = inside.pop()
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)):
            continue
        if isinstance(node, ast.Return) and node.value is not None:
            found.append(node.value)
        inside.extend(ast.iter_child_nodes(node))
    return found


def _parse(file: Path) -> ast.Module:
    with os_errors_as_ours("read the model", file), file.open("rb") as stream:
        text = stream.read(_TEXT_BYTES)
    try:
        return ast.parse(text, filename=str(file))
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        place = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        raise SourceDamagedError(
            f"{file}{place} is not Python: {getattr(error, 'msg', error)}.",
            hint=f"Run it by itself to see the whole error: python {file.name}",
        ) from error


def _require_name(file: Path, name: str, tree: ast.Module, defined: list[str]) -> None:
    """A name that the file neither defines, assigns nor imports is a mistake."""
    names = {alias.asname or alias.name for node in ast.walk(tree) for alias in getattr(node, "names", ()) if
             isinstance(alias, ast.alias)}  # fmt: skip
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    nested = {node.name for node in ast.walk(tree) if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
    if name in names | nested or "*" in names:
        return
    near = difflib.get_close_matches(name, defined, n=1)
    meant = f"Did you mean {file.name}:{near[0]}? " if near else ""
    raise SourceUnsupportedError(
        f"{file} has no {name!r}.",
        hint=f"{meant}It has: {', '.join(defined[:8]) or 'no function or class'}.",
    )


def _called(value: ast.expr | None) -> str:
    """`Net` of `return Net(...)`, `return Net(...), example` and `return Net(...).eval()`."""
    while isinstance(value, (ast.Tuple, ast.Call, ast.Attribute)):
        if isinstance(value, ast.Tuple):
            value = value.elts[0] if value.elts else None
        elif isinstance(value, ast.Call):
            value = value.func
        else:
            value = value.value
    return value.id if isinstance(value, ast.Name) else ""


def _tells_pair(function: _Function) -> bool:
    written = ast.unparse(function.returns).lower() if function.returns is not None else ""
    return written.startswith(("tuple[", "typing.tuple["))


def _forward_of(found: ast.ClassDef) -> tuple[str, ...]:
    for node in found.body:
        if isinstance(node, ast.FunctionDef) and node.name == "forward":
            arguments = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
            return tuple(arguments[1:])
    return ()
