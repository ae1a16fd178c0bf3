"""Keeps the levels: a file imports lower levels and its own folder; never a sibling, never in a circle.

Imports inside functions count like those at the top, because that is where circles hide. Imports under
`if TYPE_CHECKING:` count for the levels and not for the circles.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

SRC = Path(__file__).parents[2] / "src"
PACKAGE = SRC / "shipway"

LEVELS = {
    "errors": 0,
    "os_errors": 0,
    "types": 0,
    "needs": 0,
    "registry": 0,
    "bundle": 1,
    "graph": 1,
    "sources": 2,
    "steps": 2,
    "runtimes": 2,
    "evaluation": 3,
    "passes": 3,
    "planning": 4,
    "targets": 4,
    "conformance": 5,
    "server": 5,
    "actions": 6,
    "cli": 7,
    "__main__": 8,
}
FRAMEWORKS = {
    "keras",
    "tensorflow",
    "tf2onnx",
    "torch",
    "onnxscript",
    "jax",
    "xgboost",
    "lightgbm",
    "skl2onnx",
}
SERVER_MAY_NOT = {
    "graph",
    "sources",
    "steps",
    "evaluation",
    "passes",
    "planning",
    "targets",
    "actions",
    "cli",
}
HEAVY = {"onnx", "onnxruntime", "sklearn", "scipy", "typer", "rich", "pandas", "pyarrow", "PIL", *FRAMEWORKS}


@dataclass(frozen=True)
class Import:
    """One name that a file imports, and the line it stands on."""

    target: str
    line: int
    for_types_only: bool


def files() -> list[Path]:
    return sorted(path for path in PACKAGE.rglob("*.py") if "__pycache__" not in path.parts)


def module_of(path: Path) -> str:
    parts = list(path.relative_to(SRC).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def room_of(module: str) -> str:
    """`shipway.server.http.parser` → `server`; the package itself → the empty string."""
    return [*module.split("."), ""][1]


MODULES = {module_of(path) for path in files()}


def imports_of(path: Path) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    type_lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            for child in node.body:
                type_lines.update(range(child.lineno, (child.end_lineno or child.lineno) + 1))
    module = module_of(path)
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, node.lineno in type_lines)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(full if full in MODULES else base, node.lineno, node.lineno in type_lines)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            names = [argument.value for argument in node.args[:1] if isinstance(argument, ast.Constant)]
            yield from (Import(str(name), node.lineno, for_types_only=False) for name in names)


def own_imports(path: Path) -> Iterator[Import]:
    return (found for found in imports_of(path) if found.target.split(".")[0] == "shipway")


def where(path: Path, line: int) -> str:
    return f"{path.relative_to(SRC)}:{line}"


def test_every_room_has_a_level() -> None:
    rooms = {room_of(module) for module in MODULES} - {""}
    assert rooms <= LEVELS.keys()


def test_files_import_lower_levels_and_their_own_folder_only() -> None:
    wrong = []
    for path in files():
        room = room_of(module_of(path))
        if not room:  # the package itself resolves its public names on first use; see test_public_names.py
            continue
        for found in own_imports(path):
            target = room_of(found.target)
            # "" is `from shipway import __version__`
            lower = not target or LEVELS[target] < LEVELS[room] or LEVELS[target] == 0 == LEVELS[room]
            if target != room and not lower:
                wrong.append(f"{where(path, found.line)} imports {found.target}")
    assert wrong == []


def test_no_module_is_part_of_an_import_circle() -> None:
    edges = {
        module_of(path): {
            found.target
            for found in own_imports(path)
            if not found.for_types_only and found.target in MODULES
        }
        - {"shipway"}
        for path in files()
    }
    done: set[str] = set()

    def walk(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, f"circle: {' → '.join((*trail[trail.index(module) :], module))}"
        if module not in done:
            for target in sorted(edges[module] - {module}):
                walk(target, (*trail, module))
            done.add(module)

    for module in sorted(edges):
        walk(module, ())


@pytest.mark.parametrize(("room", "forbidden"), [("bundle", {"graph"}), ("server", SERVER_MAY_NOT)])
def test_rooms_that_a_serving_image_holds_stay_apart(room: str, forbidden: set[str]) -> None:
    wrong = [
        f"{where(path, found.line)} imports {found.target}"
        for path in files()
        if room_of(module_of(path)) == room
        for found in own_imports(path)
        if room_of(found.target) in forbidden
    ]
    assert wrong == []


def test_frameworks_are_imported_below_sources_workers_only() -> None:
    wrong = [
        f"{where(path, found.line)} imports {found.target}"
        for path in files()
        if "workers" not in path.parts
        for found in imports_of(path)
        if found.target.split(".")[0] in FRAMEWORKS
    ]
    assert wrong == []


def test_workers_import_nothing_of_shipway_because_they_run_in_the_users_environment() -> None:
    workers = PACKAGE / "sources" / "workers"
    wrong = [
        f"{where(path, found.line)} imports {found.target}"
        for path in sorted(workers.rglob("*.py"))
        for found in own_imports(path)
        if not found.target.startswith("shipway.sources.workers")
    ]
    assert wrong == []


def test_onnxruntime_is_imported_where_its_telemetry_was_turned_off_before() -> None:
    """One door in our own processes, and one in the child, whose environment `sources/child.py` sets."""
    places = {
        path.relative_to(PACKAGE).as_posix()
        for path in files()
        for found in imports_of(path)
        if found.target.split(".")[0] == "onnxruntime" and not found.for_types_only
    }
    assert places == {"runtimes/onnx_runtime.py", "sources/workers/loaders/onnx.py"}
    door = (PACKAGE / "runtimes" / "onnx_runtime.py").read_text(encoding="utf-8")
    assert re.search(
        r'^    os\.environ\["ORT_DISABLE_TELEMETRY"\] = "1"\n.*?^ +import onnxruntime$', door, re.M | re.S
    )
    child = (PACKAGE / "sources" / "child.py").read_text(encoding="utf-8")
    assert '"ORT_DISABLE_TELEMETRY": "1"' in child


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(' '.join(sorted({{name.split('.')[0] for name in sys.modules}})))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    return set(done.stdout.split())


def test_import_shipway_loads_no_framework_and_no_runtime() -> None:
    assert loaded_by("import shipway") & (HEAVY | {"numpy", "msgspec", "uvloop"}) == set()


def test_the_command_line_starts_without_what_its_commands_need() -> None:
    assert loaded_by("import shipway.cli.app") & (HEAVY - {"typer", "rich"}) == set()


def test_serving_rooms_load_no_more_than_a_serving_image_holds() -> None:
    rooms = [module for module in sorted(MODULES) if room_of(module) in {"bundle", "runtimes", "server"}]
    assert loaded_by("\n".join(f"import {module}" for module in rooms)) & (HEAVY - {"onnxruntime"}) == set()
