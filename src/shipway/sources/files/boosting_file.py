"""What stands at the head of a boosted forest: objective, features, classes, trees; no library is needed.

XGBoost writes JSON (`.json`) or Universal Binary JSON (`.ubj`), LightGBM text (`.txt`).
"""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.os_errors import os_errors_as_ours
from shipway.sources.files.ubjson import UbjsonReader

_JSON_BYTES = 256 << 20
_HEADER_BYTES = 32 << 20
_LINES = 200
_COUNT = 10_000_000
_SAVE_AGAIN: Final = {
    "xgboost": "Save it again with booster.save_model('model.ubj'), or copy the file again.",
    "lightgbm": "Save it again with booster.save_model('model.txt'), or copy the file again.",
}


@dataclass(frozen=True)
class BoostingOutline:
    """`classes` is 1 for regression, ranking and one probability; `feature_names` may be empty (XGBoost)."""

    library: str
    version: str
    booster: str
    objective: str
    features: int
    feature_names: tuple[str, ...]
    feature_types: tuple[str, ...]
    classes: int
    trees: int
    has_categories: bool


def looks_like_xgboost(path: Path) -> bool:
    """True for a JSON or UBJSON object with XGBoost's first keys, also when it was cut off. Never raises."""
    head = _head(path)
    if head[:1] != b"{":
        return False
    return b'"learner"' in head or head[:32].startswith(b"{L\x00\x00\x00\x00\x00\x00\x00\x07learner")


def looks_like_lightgbm(path: Path) -> bool:
    """True for LightGBM's text, also when it was cut off. Never raises."""
    return _head(path)[:64].replace(b"\r\n", b"\n").startswith(b"tree\nversion=")


def read_boosting(path: Path) -> BoostingOutline:
    """Raises `SourceDamagedError`, `SourceUnsupportedError` (too large as JSON), `PermissionDeniedError`."""
    with os_errors_as_ours("read the model", path), path.open("rb") as file:
        library = "lightgbm" if looks_like_lightgbm(path) else "xgboost"
        if path.stat().st_size == 0:
            _refuse(path, library, "it is empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            try:
                return _lightgbm(data) if library == "lightgbm" else _xgboost(path, data)
            except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
                _refuse(path, library, f"{type(error).__name__}: {str(error)[:200]}")


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4096)
    except OSError:
        return b""


def _refuse(path: Path, library: str, finding: str) -> NoReturn:
    raise SourceDamagedError(
        f"{path} is a model of {library} that is damaged: {finding}.", hint=_SAVE_AGAIN[library]
    )


def _xgboost(path: Path, data: mmap.mmap) -> BoostingOutline:
    if data[1:2] == b"L":
        document = UbjsonReader(data).read()
    elif len(data) > _JSON_BYTES:
        raise SourceUnsupportedError(
            f"{path} has {len(data)} bytes of JSON; at most {_JSON_BYTES} are read.",
            hint="Save the model in the binary form: booster.save_model('model.ubj').",
        )
    else:
        document = json.loads(data[:])
    learner = document["learner"]
    parameters = learner["learner_model_param"]
    names, types = (_texts(learner.get(key)) for key in ("feature_names", "feature_types"))
    features = _number(parameters["num_feature"])
    if names and len(names) != features:
        raise ValueError(f"it has {features} features and {len(names)} names")
    booster = learner["gradient_booster"]
    return BoostingOutline(
        library="xgboost",
        version=".".join(str(part) for part in _list(document.get("version"))[:3]),
        booster=str(booster["name"])[:100],
        objective=str(learner["objective"]["name"])[:100],
        features=features,
        feature_names=names,
        feature_types=types,
        classes=max(1, _number(parameters.get("num_class", "0"))),
        trees=_count_trees(booster),
        has_categories="c" in types,
    )


def _count_trees(booster: Mapping[str, Any]) -> int:
    """A dart booster holds a gbtree; a linear one holds no tree."""
    model = (booster.get("gbtree") or booster).get("model") or {}
    trees = _list(model.get("trees"))
    claimed = model.get("gbtree_model_param", {}).get("num_trees", "0")
    if len(trees) != _number(claimed):
        raise ValueError(f"it claims {claimed} trees and holds {len(trees)}")
    return len(trees)


def _list(value: Any) -> list[Any]:  # noqa: ANN401 - any JSON
    return value if isinstance(value, list) else []


def _texts(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - any JSON
    found = _list(value)
    if not all(isinstance(item, str) for item in found):
        raise ValueError("a feature's name is no text")
    return tuple(found)


def _number(text: Any) -> int:  # noqa: ANN401 - any JSON
    if not isinstance(text, str) or not text.isascii() or not text.isdigit() or len(text) > 9:
        raise ValueError(f"{str(text)[:40]!r} is no count")
    if int(text) > _COUNT:
        raise ValueError(f"{text} is more than {_COUNT}")
    return int(text)


def _lightgbm(data: mmap.mmap) -> BoostingOutline:
    lines = _header_lines(data)
    fields = dict(line.split("=", 1) for line in lines[1:] if "=" in line)
    features = _number(fields["max_feature_idx"]) + 1
    names = tuple(fields["feature_names"].split(" "))
    infos = fields["feature_infos"].split(" ")
    if len(names) != features or len(infos) != features:
        raise ValueError(f"it has {features} features, {len(names)} names and {len(infos)} ranges")
    sizes = [_number(size) for size in fields.get("tree_sizes", "").split()]
    _check_end(data, sizes)
    # A range stands in brackets, the values of a category are joined by colons, "none" is a constant column.
    types = tuple("float" if info[:1] == "[" or info == "none" else "c" for info in infos)
    return BoostingOutline(
        library="lightgbm",
        version=fields["version"][:20],
        booster="gbdt",
        objective=fields.get("objective", "").split(" ")[0][:100],
        features=features,
        feature_names=names,
        feature_types=types,
        classes=max(1, _number(fields["num_class"])),
        trees=len(sizes),
        has_categories="c" in types,
    )


def _header_lines(data: mmap.mmap) -> list[str]:
    """Up to the first empty line."""
    lines: list[str] = []
    while data.tell() < _HEADER_BYTES and len(lines) < _LINES:
        line = _line(data)
        if not line:
            return lines
        lines.append(line)
    raise ValueError("its header has no end")


def _line(data: mmap.mmap) -> str:
    begin = data.tell()
    end = data.find(b"\n", begin, begin + _HEADER_BYTES)
    if end < 0:
        raise ValueError("its header has no end")
    data.seek(end + 1)
    return data[begin:end].decode("utf-8").rstrip("\r")


def _check_end(data: mmap.mmap, sizes: list[int]) -> None:
    """`tree_sizes` are the trees' bytes, and a line says where they end: so a cut is found."""
    begin = data.tell()
    place = data.find(b"end of trees", begin)
    if place < 0 or place - begin < sum(sizes):
        raise ValueError(
            f"it is cut off: {len(sizes)} trees take {sum(sizes)} bytes, and their end is missing"
        )
