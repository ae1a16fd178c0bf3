"""The schema of a skops file: a tree of JSON in which every node names the class that it would become.

Read without skops and without making any of these classes. skops itself refuses what it does not know, in the
child process; here it is named beforehand.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

_ARRAY_BYTES = 16 << 20
_STEPS = 20
"""A pipeline in a pipeline in a pipeline."""

ReadMember = Callable[[str, int], bytes]


def class_name(node: Any) -> str:  # noqa: ANN401 - a schema holds anything
    """`module.Class` of a node, empty for what is none."""
    if not isinstance(node, dict) or not isinstance(node.get("__class__"), str):
        return ""
    return f"{node.get('__module__')}.{node['__class__']}"[:300]


def walk_names(schema: Mapping[str, Any]) -> Iterator[str]:
    """The name of every class and function in the tree."""
    waiting: list[Any] = [schema]
    while waiting:
        node = waiting.pop()
        if isinstance(node, list):
            waiting.extend(node)
        elif isinstance(node, dict):
            waiting.extend(node.values())
            if name := class_name(node):
                yield name
            if isinstance(node.get("function"), str) and "module_path" in node:
                yield f"{node['module_path']}.{node['function']}"[:300]


class Model:
    """The root of the schema, asked for what its estimator learned from the data."""

    def __init__(self, schema: Mapping[str, Any], read: ReadMember) -> None:
        self._root = schema
        self._read = read

    @property
    def name(self) -> str:
        """`sklearn.pipeline.Pipeline`."""
        return class_name(self._root)

    @property
    def version(self) -> str:
        """The scikit-learn that trained it, empty where no step tells."""
        found = (_plain(step.get("_sklearn_version")) for step in (*self._steps(0), *self._steps(-1)))
        return next((value for value in found if isinstance(value, str)), "")

    @property
    def features(self) -> int | None:
        """How many columns go in."""
        found = (_plain(step.get("n_features_in_")) for step in self._steps(0))
        return next((value for value in found if type(value) is int and value >= 0), None)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The columns' names, where it was trained on a table."""
        found = (self._array(step.get("feature_names_in_")) for step in self._steps(0))
        return tuple(str(name) for name in next((names for names in found if names is not None), []))

    @property
    def classes(self) -> tuple[str | int | float | bool, ...]:
        """The labels that it answers, in the order of its probabilities; none for a regressor."""
        found = (self._array(step.get("classes_")) for step in self._steps(-1))
        return tuple(next((labels for labels in found if labels is not None), []))

    def _steps(self, which: int) -> Iterator[Mapping[str, Any]]:
        """The attributes of the root, then those of its first (0) or last (-1) step, and on inwards."""
        node: Any = self._root
        for _ in range(_STEPS):
            attributes = _attributes(node)
            yield attributes
            steps = _items(attributes.get("steps"))
            if steps and len(step := _items(steps[which])) > 1:
                node = step[1]
            elif "best_estimator_" in attributes:
                node = attributes["best_estimator_"]
            else:
                return

    def _array(self, node: Any) -> list[Any] | None:  # noqa: ANN401
        if not isinstance(node, dict) or class_name(node) != "numpy.ndarray":
            return None
        if node.get("type") == "json":
            values = [_plain(item) for item in _items(node)]
            return values if all(isinstance(value, (str, int, float, bool)) for value in values) else None
        if not isinstance(node.get("file"), str):
            return None
        array = np.load(io.BytesIO(self._read(node["file"], _ARRAY_BYTES)), allow_pickle=False)
        return array.tolist() if isinstance(array, np.ndarray) and array.ndim == 1 else None


def read_schema(text: bytes) -> Mapping[str, Any]:
    """Raises `ValueError` for what is no JSON object."""
    try:
        schema = json.loads(text)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(schema, dict) or not class_name(schema):
        raise ValueError("it names no class")
    return schema


def is_skops(archive_members: tuple[str, ...]) -> bool:
    """True where the archive has a schema, and arrays or nothing beside it."""
    return "schema.json" in archive_members and not any("/" in name for name in archive_members)


def _attributes(node: Any) -> Mapping[str, Any]:  # noqa: ANN401
    content = node.get("content") if isinstance(node, dict) else None
    inner = content.get("content") if isinstance(content, dict) else None
    return inner if isinstance(inner, dict) else {}


def _items(node: Any) -> list[Any]:  # noqa: ANN401
    content = node.get("content") if isinstance(node, dict) else None
    return content if isinstance(content, list) else []


def _plain(node: Any) -> Any:  # noqa: ANN401
    if not isinstance(node, dict) or node.get("__loader__") != "JsonNode":
        return None
    content = node.get("content")
    try:
        return json.loads(content) if isinstance(content, str) and len(content) < 100_000 else None
    except (ValueError, RecursionError):
        return None
