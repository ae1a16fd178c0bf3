"""Reads a TensorFlow SavedModel folder, of TensorFlow 1 or 2, as the hostile thing that it may be.

No framework: signatures, versions, operators and what would act on the outside come from `saved_model.pb`.
The field numbers are those of meta_graph.proto, saved_model.proto and saved_object_graph.proto.
"""

from __future__ import annotations

import mmap
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Final

from shipway.errors import SourceDamagedError, SourceUnsupportedError, UsageError
from shipway.os_errors import os_errors_as_ours
from shipway.sources.files.protobuf_fields import BYTES, VARINT, WireError, fields, merged, messages, text
from shipway.sources.files.saved_model_graph import Danger, Graph
from shipway.sources.files.saved_model_objects import SavedObjects
from shipway.sources.files.saved_model_signatures import SavedSignature, read_signatures

GRAPH_FILE: Final = "saved_model.pb"
DEFAULT_SIGNATURE: Final = "serving_default"

_GRAPH_BYTES = 1 << 30
"""Half of what protobuf itself allows; weights stand in another file."""
_FILES = 10_000
_GRAPHS = 100
_OTHER_FORMS = ("saved_model.pbtxt", "saved_model.cpb")
_SHARD = re.compile(r"variables\.data-(\d{5})-of-(\d{5})")
_START_COLLECTIONS = ("saved_model_main_op", "legacy_init_op", "init_op", "table_initializer")
_ASSET_COLLECTION = b"saved_model_assets"
_VARIABLES = frozenset({"VarHandleOp", "VariableV2", "Variable"})
_SAVE_AGAIN = (
    "Save the model again (model.export(FOLDER), tf.saved_model.save), or copy the whole folder again."
)


@dataclass(frozen=True)
class SavedModelOutline:
    """What stands in the folder, without its weights."""

    tags: tuple[str, ...]
    tensorflow_version: str
    signatures: Mapping[str, SavedSignature]
    op_counts: Mapping[str, int]
    """Operators in the graph and in all its functions."""
    assets: tuple[str, ...]
    graph_bytes: int
    variables_bytes: int
    dangerous: tuple[Danger, ...]
    has_objects: bool
    """False for a model of TensorFlow 1, which has a graph and no objects."""

    def dangers(self, signature: str) -> tuple[Danger, ...]:
        """What runs when the model is loaded and asked through this signature."""
        return tuple(one for one in self.dangerous if one.when in ("", signature))


def looks_like_saved_model(path: Path) -> bool:
    """True for a folder with a SavedModel's graph in one of its three forms. Never raises."""
    try:
        return any((path / name).is_file() for name in (GRAPH_FILE, *_OTHER_FORMS))
    except (OSError, ValueError):
        return False


def choose_signature(outline: SavedModelOutline, name: str | None = None) -> SavedSignature:
    """The named signature; without a name `serving_default`, or the only one.

    Raises `UsageError` for none or several to choose from, `SourceUnsupportedError` for one with tensors that
    nothing here can carry.
    """
    known = outline.signatures
    chosen = name or (DEFAULT_SIGNATURE if DEFAULT_SIGNATURE in known else "")
    if not chosen and len(known) == 1:
        chosen = next(iter(known))
    if not known:
        raise SourceUnsupportedError(
            "The SavedModel has no signature, so nothing tells its inputs and outputs.",
            hint="Save it again with signatures: tf.saved_model.save(model, FOLDER, signatures=model.serve).",
        )
    if chosen not in known:
        said = (
            f"has no signature {name!r}"
            if name
            else f"has {len(known)} signatures and no {DEFAULT_SIGNATURE}"
        )
        raise UsageError(
            f"The SavedModel {said}; there are: {', '.join(sorted(known))}.",
            hint="Choose one with --signature NAME.",
        )
    signature = known[chosen]
    if signature.unsupported or not signature.inputs or not signature.outputs:
        why = "; ".join(signature.unsupported) or "it has no input or no output"
        others = [one.name for one in known.values() if one.name != chosen and not one.unsupported]
        raise SourceUnsupportedError(
            f"Signature {chosen!r} cannot be served: {why}.",
            hint=f"Choose another with --signature: {', '.join(others)}." if others else "",
        )
    return signature


def read_saved_model(folder: Path) -> SavedModelOutline:
    """Reads the graph of the model in `folder`.

    Raises `SourceDamagedError`, `SourceUnsupportedError` (another form, no graph for serving),
    `PermissionDeniedError`.
    """
    with os_errors_as_ours("read the model", folder):
        sizes = _file_sizes(folder)
        _check_form(folder, sizes)
        try:
            with (folder / GRAPH_FILE).open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            return _read(folder, memoryview(data), sizes)
        except (WireError, ValueError) as error:
            raise SourceDamagedError(
                f"{folder / GRAPH_FILE} ({sizes[GRAPH_FILE]} bytes) is cut off, damaged or over a limit: "
                f"{error}.",
                hint=_SAVE_AGAIN,
            ) from error


def _file_sizes(folder: Path) -> dict[str, int]:
    """Relative POSIX path → size of every file. Raises `SourceDamagedError` for links and other things."""
    sizes: dict[str, int] = {}
    waiting = [folder]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                name = Path(entry.path).relative_to(folder).as_posix()
                if entry.is_symlink() or not (entry.is_file() or entry.is_dir()):
                    raise SourceDamagedError(
                        f"{folder} holds a link or a device where a SavedModel has files: {name!r}.",
                        hint="Copy the folder with its links resolved: cp -rL FOLDER COPY.",
                    )
                if entry.is_dir():
                    waiting.append(Path(entry.path))
                else:
                    sizes[name] = entry.stat().st_size
                if len(sizes) + len(waiting) > _FILES:
                    raise SourceDamagedError(f"{folder} holds more than {_FILES} files.", hint=_SAVE_AGAIN)
    return sizes


def _check_form(folder: Path, sizes: Mapping[str, int]) -> None:
    others = [name for name in _OTHER_FORMS if name in sizes]
    if others:  # with both, TensorFlow could load the one that was not looked at
        raise SourceUnsupportedError(
            f"{folder} holds its graph as {others[0]}; only {GRAPH_FILE} is read.",
            hint="Load it with tf.saved_model.load and save it again with tf.saved_model.save.",
        )
    size = sizes.get(GRAPH_FILE, 0)
    if size == 0:
        raise SourceDamagedError(f"{folder} has no {GRAPH_FILE}, or an empty one.", hint=_SAVE_AGAIN)
    if size > _GRAPH_BYTES:
        raise SourceUnsupportedError(
            f"{folder / GRAPH_FILE} has {size} bytes; at most {_GRAPH_BYTES} are read.",
            hint="Save the weights as variables, not as constants in the graph.",
        )


def _read(folder: Path, data: memoryview, sizes: Mapping[str, int]) -> SavedModelOutline:
    tags, meta_graph = _serving_graph(folder, data)
    graph = Graph.read(merged(meta_graph, 2))
    objects = merged(meta_graph, 7)
    signatures = dict(read_signatures(meta_graph))
    assets = _assets(folder, meta_graph, sizes)
    _check_variables(folder, graph.op_counts, sizes)
    dangers = _dangers(graph, meta_graph, signatures, SavedObjects.read(objects), frozenset(assets))
    return SavedModelOutline(
        tags=tags,
        tensorflow_version="".join(text(part) for part in messages(merged(meta_graph, 1), 5)),
        signatures={name: one for name, one in sorted(signatures.items()) if not name.startswith("__")},
        op_counts=dict(graph.op_counts.most_common()),
        assets=tuple(sorted(set(assets.values()))),
        graph_bytes=sizes[GRAPH_FILE],
        variables_bytes=sum(size for name, size in sizes.items() if name.startswith("variables/")),
        dangerous=tuple(dict.fromkeys(dangers)),
        has_objects=bool(objects),
    )


def _serving_graph(folder: Path, data: memoryview) -> tuple[tuple[str, ...], memoryview]:
    """The graph tagged `serve`, or the only one. Raises `SourceUnsupportedError`, `SourceDamagedError`."""
    graphs: dict[tuple[str, ...], memoryview] = {}
    for number, kind, value, part in fields(data):
        if number == 1 and kind == VARINT and value > 1:
            raise SourceUnsupportedError(
                f"{folder} is of SavedModel schema {value}; TensorFlow writes schema 1."
            )
        if number != 2 or kind != BYTES:
            continue
        tags = tuple(sorted({text(tag) for tag in messages(merged(part, 1), 4)}))
        if tags in graphs:
            raise SourceDamagedError(
                f"{folder} holds two graphs tagged {tags}, so what is loaded depends on the reader."
            )
        if len(graphs) > _GRAPHS:
            raise SourceDamagedError(f"{folder} holds more than {_GRAPHS} graphs.")
        graphs[tags] = part
    if not graphs:
        raise SourceDamagedError(f"{folder / GRAPH_FILE} holds no graph.", hint=_SAVE_AGAIN)
    serving = [tags for tags in graphs if "serve" in tags]
    chosen = ("serve",) if ("serve",) in graphs else (serving or list(graphs))[0]
    if ("serve",) not in graphs and len(serving or graphs) > 1:
        raise SourceUnsupportedError(
            f"{folder} holds graphs tagged {', '.join(map(str, graphs))}, and none for serving alone.",
            hint="Save the model again with the tag 'serve'.",
        )
    return chosen, graphs[chosen]


def _assets(folder: Path, meta_graph: memoryview, sizes: Mapping[str, int]) -> dict[str, str]:
    """The graph's constant that the loader replaces by the asset's path → the asset's file."""
    assets: dict[str, str] = {}
    parts = list(islice(messages(meta_graph, 6), _FILES)) or _assets_of_version_1(meta_graph)
    for part in parts:
        name = "".join(text(value) for value in messages(part, 2))
        place = PurePosixPath(name.replace("\\", "/"))
        if not name or place.is_absolute() or ".." in place.parts or ":" in name:
            raise SourceDamagedError(
                f"{folder} names an asset outside of its folder: {name!r}.",
                hint="TensorFlow does not write such a name; do not trust this model.",
            )
        if f"assets/{place}" not in sizes:
            raise SourceDamagedError(f"{folder} lacks the file assets/{name}.", hint=_SAVE_AGAIN)
        tensor = "".join(text(value) for value in messages(merged(part, 1), 1))
        assets[tensor.partition(":")[0]] = name
    return assets


def _assets_of_version_1(meta_graph: memoryview) -> list[memoryview]:
    """TensorFlow 1 kept each `AssetFileDef` as an `Any` in a collection."""
    found = (
        merged(value, 2)
        for entry in messages(meta_graph, 4)
        if merged(entry, 1) == _ASSET_COLLECTION
        for value in messages(merged(merged(entry, 2), 5), 1)
    )
    return list(islice(found, _FILES))


def _check_variables(folder: Path, ops: Counter[str], sizes: Mapping[str, int]) -> None:
    if not _VARIABLES & ops.keys():
        return
    shards = [match for name in sizes if (match := _SHARD.fullmatch(name.removeprefix("variables/")))]
    wanted = {int(match[2]) for match in shards}
    if "variables/variables.index" not in sizes or len(wanted) != 1 or len(shards) != wanted.pop():
        raise SourceDamagedError(
            f"{folder} has variables, and its folder variables/ lacks files of theirs "
            "(variables.index, variables.data-00000-of-00001).",
            hint=_SAVE_AGAIN,
        )


def _dangers(
    graph: Graph,
    meta_graph: memoryview,
    signatures: Mapping[str, SavedSignature],
    objects: SavedObjects,
    assets: frozenset[str],
) -> Iterator[Danger]:
    for name, signature in signatures.items():
        tensors = [tensor for key, tensor in signature.tensors.items() if key.startswith("outputs/")]
        when = "" if name.startswith("__") else name
        yield from graph.dangers(when, tensors, objects.signatures.get(name, ()), assets=assets)
    yield from graph.dangers("", _start_nodes(meta_graph), objects.at_start, assets=assets)
    for function in objects.at_start:
        constants = [one for one in objects.constants.get(function, ()) if graph.is_string_constant(one)]
        if constants and graph.fills_table_from_file(function):
            yield Danger("Const", constants[0], "reads files that are not the model's own", "")
    saver = merged(meta_graph, 3)
    restore = [text(part) for part in messages(saver, 3)]
    yield from graph.dangers("", restore, objects.at_restore, assets=assets, restores=True)


def _start_nodes(meta_graph: memoryview) -> list[str]:
    """What TensorFlow 1's loader runs: the collections that name an operator to start with."""
    return [
        text(node)
        for entry in messages(meta_graph, 4)
        if str(merged(entry, 1), "utf-8", "replace") in _START_COLLECTIONS
        for node in messages(merged(merged(entry, 2), 1), 1)
    ]
