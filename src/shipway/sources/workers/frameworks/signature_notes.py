"""The names and the order that a SavedModel cannot keep, in a file of its folder.

A signature's tensors have no order, an input's name must be a Python identifier, and a free axis has no name.
`assets.extra/` is the place that the SavedModel format gives to other tools; TensorFlow copies and ignores it.
The parent reads the file too: standard library only.
"""

from __future__ import annotations

import json
import keyword
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

FILE: Final = "assets.extra/shipway.json"

_LIMIT_BYTES = 4 << 20
_PLAIN = re.compile(r"[A-Za-z]\w*", re.ASCII)
_TAKEN = frozenset({"self"})
"""TensorFlow 2.21 fails on an argument of this name, and on one with a leading underscore."""

Specs = Sequence[Mapping[str, Any]]
Notes = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""`"inputs"` and `"outputs"` → the signature's own key → `{"name", "shape"}`, in the model's order."""


def input_keys(names: Sequence[str]) -> list[str]:
    """What TensorFlow can call these inputs: each name itself where it is a plain identifier."""
    return [
        name
        if _PLAIN.fullmatch(name) and not keyword.iskeyword(name) and name not in _TAKEN
        else f"input_{number:03}_of_{len(names)}"
        for number, name in enumerate(names)
    ]


def write(folder: Path, signature: Mapping[str, Specs], keys: Sequence[str]) -> None:
    """Notes the signature of the SavedModel in `folder`, whose inputs TensorFlow calls `keys`."""
    inputs = {key: _note(spec) for key, spec in zip(keys, signature["inputs"], strict=True)}
    outputs = {spec["name"]: _note(spec) for spec in signature["outputs"]}
    file = folder / FILE
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"inputs": inputs, "outputs": outputs}, indent=1), encoding="utf-8")


def read(folder: Path) -> Notes | None:
    """The notes; None without any, or for a file of another form: they say nothing that must be known."""
    file = folder / FILE
    try:
        if file.stat().st_size > _LIMIT_BYTES:
            return None
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    is_ours = isinstance(found, dict) and all(
        isinstance(found.get(side), dict) and all(_is_note(note) for note in found[side].values())
        for side in ("inputs", "outputs")
    )
    return found if is_ours else None


def _note(spec: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": spec["name"], "shape": list(spec["shape"])}


def _is_note(note: Any) -> bool:  # noqa: ANN401 - JSON from a file that may be hostile
    return (
        isinstance(note, dict)
        and isinstance(note.get("name"), str)
        and 0 < len(note["name"]) <= 1000
        and isinstance(note.get("shape"), list)
        and all(isinstance(size, (int, str)) for size in note["shape"])
    )
