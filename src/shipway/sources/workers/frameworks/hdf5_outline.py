"""What an HDF5 file of Keras holds, read with h5py alone, before Keras sees it.

HDF5 can point outside of itself (external links, external storage, virtual datasets), load plug-ins to undo a
compression, and claim sizes that it has not. Keras writes none of that, so a file that does is refused. All of
it is looked at before a value is read.
"""

from __future__ import annotations

import importlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import wire

_OBJECTS = 100_000
_JSON_BYTES = 64 << 20
"""The configuration of a model with ten thousand layers takes about 20 MB."""
_NAMES = 10_000
_BOMB_BYTES = 64 << 20
_BOMB_RATIO = 20
"""Deflate gains a tenth on real weights, and up to 1032 to 1 on zeros."""
_FILTERS = {1: "gzip", 2: "shuffle", 3: "fletcher32"}
"""Those that HDF5 itself always holds: for another it would look for a plug-in to load."""
_NOT_KERAS = "Keras does not write such a file; do not trust it."
_SAVE_AGAIN = "Save the model again, or copy the file again."

Json = Any


def outline(path: Path | str) -> dict[str, Json]:
    """Kind (`model`, `weights` or `other`), versions, configuration, weights and layers with code of their own.

    The answer is JSON: `kind`, `keras_version`, `backend`, `model_config` (None without one),
    `layers` (weights by layer, for a file without a configuration), `lambda_layers`, `weights_bytes`,
    `has_optimizer`. Raises `wire.TaskError`: `source.damaged`, `environment.missing`.
    """
    path = Path(path)
    try:
        h5py = importlib.import_module("h5py")
    except ImportError as error:
        raise wire.TaskError(
            "environment.missing", "Reading an HDF5 file needs h5py.", packages=["h5py"]
        ) from error
    try:
        with h5py.File(path, "r") as file:
            datasets = dict(_datasets(h5py, file, path))
            return _outline(h5py, file, path, datasets)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, UnicodeError) as error:
        raise wire.TaskError(
            "source.damaged",
            f"{path} ({path.stat().st_size} bytes) is cut off or damaged: {wire.summarize(error)}.",
            hint=_SAVE_AGAIN,
        ) from error


def _outline(h5py: Any, file: Any, path: Path, datasets: Mapping[str, Any]) -> dict[str, Json]:  # noqa: ANN401
    text = _text(h5py, file, "model_config", path)
    config = None if text is None else _parse(text, path)
    root = "/model_weights/" if config is not None and "model_weights" in file else "/"
    weights = {
        name.removeprefix(root): dataset
        for name, dataset in datasets.items()
        if name.startswith(root) and not name.startswith("/optimizer")
    }
    holder = file[root]
    return {
        "kind": "model" if config is not None else "weights" if weights else "other",
        "keras_version": _text(h5py, file, "keras_version", path)
        or _text(h5py, holder, "keras_version", path),
        "backend": _text(h5py, file, "backend", path) or _text(h5py, holder, "backend", path),
        "model_config": config,
        "layers": [] if config is not None else _layers(weights),
        "lambda_layers": _lambda_layers(config),
        "weights_bytes": sum(_claimed(dataset) for dataset in weights.values()),
        "has_optimizer": any(name.startswith("/optimizer") for name in datasets),
    }


def _datasets(h5py: Any, file: Any, path: Path) -> Iterator[tuple[str, Any]]:  # noqa: ANN401
    """Path in the file → dataset, all of them checked. Links are looked at before they are followed."""
    size = path.stat().st_size
    total = count = 0
    seen = set()
    waiting = [("/", file)]
    while waiting:
        place, group = waiting.pop()
        for name in group:
            count += 1
            if count > _OBJECTS:
                raise _refusal(path, f"it holds more than {_OBJECTS} objects")
            inner = f"{place}{name}"
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise _refusal(path, f"{inner!r} is a link to {_target(link)}")
            item = group[name]
            address = h5py.h5o.get_info(item.id).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.Group):
                waiting.append((f"{inner}/", item))
            elif isinstance(item, h5py.Dataset):
                _check(h5py, path, inner, item, size)
                total += item.id.get_storage_size()
                if total > size:
                    raise _refusal(path, f"its datasets claim {total} bytes and the file has {size}")
                yield inner, item
            else:
                raise _refusal(path, f"{inner!r} is neither a group nor a dataset")


def _check(h5py: Any, path: Path, name: str, dataset: Any, size: int) -> None:  # noqa: ANN401
    """Raises for storage outside of the file, unknown compressions and sizes that are not there."""
    settings = dataset.id.get_create_plist()
    if settings.get_external_count() or dataset.is_virtual:
        raise _refusal(path, f"{name!r} keeps its values in another file")
    filters = [settings.get_filter(index)[0] for index in range(settings.get_nfilters())]
    if unknown := [number for number in filters if number not in _FILTERS]:
        raise _refusal(path, f"{name!r} is compressed by HDF5 filter {unknown[0]}")
    is_text = h5py.check_string_dtype(dataset.dtype) is not None
    if dataset.dtype.kind not in "biuf" and not is_text:  # references too look like text to numpy
        raise _refusal(path, f"{name!r} holds {dataset.dtype}, which is no weight")
    claimed, stored = _claimed(dataset), dataset.id.get_storage_size()
    if claimed > _BOMB_BYTES and claimed > _BOMB_RATIO * max(stored, 1):
        raise _refusal(path, f"{name!r} claims {claimed} bytes and has {stored}")
    if not filters and stored > size:
        raise _refusal(path, f"{name!r} claims {stored} bytes and the file has {size}")


def _claimed(dataset: Any) -> int:  # noqa: ANN401
    return int(math.prod(dataset.shape or ()) * dataset.dtype.itemsize)


def _target(link: Any) -> str:  # noqa: ANN401 - of h5py's classes
    if filename := getattr(link, "filename", ""):
        return f"another file ({filename})"
    return f"another place ({getattr(link, 'path', 'of an unknown kind')})"


def _refusal(path: Path, finding: str) -> wire.TaskError:
    return wire.TaskError("source.damaged", f"{path} is not used: {finding}.", hint=_NOT_KERAS)


def _text(h5py: Any, holder: Any, name: str, path: Path) -> str | None:  # noqa: ANN401
    """A text attribute of the root; its claimed size is checked before it is read."""
    if not h5py.h5a.exists(holder.id, name.encode()):
        return None
    attribute = h5py.h5a.open(holder.id, name.encode())
    if attribute.shape != () or attribute.get_storage_size() > _JSON_BYTES:
        raise _refusal(path, f"attribute {name!r} claims {attribute.get_storage_size()} bytes")
    if not isinstance(attribute.get_type(), h5py.h5t.TypeStringID):
        raise _refusal(path, f"attribute {name!r} is no text")
    value = holder.attrs[name]
    text = value.decode("utf-8") if isinstance(value, bytes) else str(value)
    if len(text) > _JSON_BYTES:
        raise _refusal(path, f"attribute {name!r} has {len(text)} characters")
    return text


def _parse(text: str, path: Path) -> dict[str, Json]:
    try:
        config = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise wire.TaskError(
            "source.damaged", f"{path}: model_config is not JSON: {error}.", hint=_SAVE_AGAIN
        ) from error
    if not isinstance(config, dict):
        raise wire.TaskError("source.damaged", f"{path}: model_config is no JSON object.", hint=_SAVE_AGAIN)
    return config


def _layers(weights: Mapping[str, Any]) -> list[dict[str, Json]]:
    """Weights with their shapes, by the layer's group: `dense/dense/kernel:0`, `layers/dense/vars/0`."""
    layers: dict[str, list[dict[str, Json]]] = {}
    for name, dataset in sorted(weights.items())[:_NAMES]:
        parts = name.split("/")
        layer = "/".join(parts[: parts.index("vars")]) if "vars" in parts else parts[0]
        layers.setdefault(layer, []).append(
            {"name": name, "shape": [int(size) for size in dataset.shape or ()], "dtype": str(dataset.dtype)}
        )
    return [{"name": layer, "weights": found} for layer, found in layers.items()]


def _lambda_layers(config: Json) -> list[str]:
    """Layers that hold Python code of their own, wherever they stand in the configuration."""
    found = []
    waiting = [config]
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if item.get("class_name") in ("Lambda", "__lambda__"):
                inner = item.get("config")
                name = inner.get("name") if isinstance(inner, dict) else None
                found.append(str(name or item["class_name"]))
            waiting.extend(reversed(list(item.values())))
        elif isinstance(item, list):
            waiting.extend(reversed(item))
    return found
