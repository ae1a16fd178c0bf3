"""The `.pt2` file of `torch.export.save`, read without torch: what goes in and out, and what it would run.

The layout (torch 2.7 and later, torch/export/pt2_archive): `models/NAME.json` with the graph,
`data/weights/NAME_weights_config.json`, raw weights beside it, and pickles for what is not raw. Before that
(2.1 to 2.6) it was `serialized_exported_program.json` and pickles. torch reads these pickles without
`weights_only`.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.torch_export_text import find_unsafe_texts, foreign_operators
from shipway.sources.files.torch_pickle import foreign_names
from shipway.sources.files.weights import Weight
from shipway.sources.files.zip_archive import MAGIC, ArchiveKind, read_json, read_member
from shipway.types import Dim, DType, TensorSpec

EXPORT_KIND: Final = ArchiveKind(
    name=".pt2 file",
    writer="torch.export",
    save_again="Save the program again with torch.export.save(program, 'model.pt2'), or copy the file again.",
)
_OLD_PROGRAM: Final = "serialized_exported_program.json"
_JSON_BYTES = 64 << 20
_PICKLE_BYTES = 64 << 20
_DTYPES: Final = {
    1: "U8", 2: "I8", 3: "I16", 4: "I32", 5: "I64", 6: "F16", 7: "F32", 8: "F64", 9: "C32", 10: "C64",
    11: "C128", 12: "BOOL", 13: "BF16", 28: "U16", 29: "F8_E4M3", 30: "F8_E5M2", 31: "F8_E4M3FNUZ",
    32: "F8_E5M2FNUZ", 33: "F8_E8M0", 34: "U32", 35: "U64",
}  # fmt: skip
"""torch/_export/serde/schema.py `ScalarType`; the names are those of safetensors."""
_REQUESTS: Final = {
    "U8": DType.UINT8, "I8": DType.INT8, "I16": DType.INT16, "I32": DType.INT32, "I64": DType.INT64,
    "F16": DType.FP16, "F32": DType.FP32, "F64": DType.FP64, "BOOL": DType.BOOL, "U16": DType.UINT16,
    "U32": DType.UINT32, "U64": DType.UINT64,
}  # fmt: skip
_TEXT = re.compile(
    r"(?:^|/)(?:models/[^/]+\.json|data/(?:weights|constants)/[^/]+_config\.json|extra/.*"
    r"|archive_format|archive_version|byteorder|version|\.data/\w+|serialized_exported_program\.json"
    r"|\.format_version|\.storage_alignment)\Z"
)
_SYMBOL = re.compile(r"^(?:Symbol\('(\w+)'(?:, \w+=True)*\)|([a-zA-Z_]\w*))\Z")


@dataclass(frozen=True)
class ExportOutline:
    """A program. `ranges` are the free dimensions' lowest and highest sizes (None: any).

    `others` are inputs and outputs that are no tensors, `unsafe` what runs, or is imported, from the file's own
    words when torch loads or runs it.
    """

    torch_version: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    ranges: Mapping[str, tuple[int, int | None]]
    weights: tuple[Weight, ...]
    others: tuple[str, ...]
    foreign_operators: tuple[str, ...]
    unsafe: tuple[str, ...]


def is_program(members: tuple[str, ...]) -> bool:
    """True where the archive holds a graph of `torch.export`."""
    return _OLD_PROGRAM in members or any(_program_name(member) for member in members)


def native_members(members: tuple[str, ...]) -> tuple[str, ...]:
    """Compiled code in the archive (AOTInductor): to load it is to run it."""
    endings = (".so", ".dll", ".dylib", ".pyd", ".o", ".cubin", ".ptx", ".hsaco")
    return tuple(
        name for name in members if name.casefold().endswith(endings) or "/aotinductor/" in name.casefold()
    )


def _program_name(member: str) -> str:
    found = re.match(r"^(?:[^/]+/)?models/([^/]+)\.json\Z", member)
    return found[1] if found else ""


def read_program(path: Path, archive: zipfile.ZipFile) -> ExportOutline:
    """Outlines the one program. Raises `SourceDamagedError`, `SourceUnsupportedError`."""
    members = tuple(archive.namelist())
    programs = [name for name in members if _program_name(name) or name == _OLD_PROGRAM]
    if len(programs) != 1:
        raise SourceUnsupportedError(
            f"{path} holds {len(programs)} programs: {', '.join(programs[:4])}.",
            hint="Save one program in each file: torch.export.save(program, 'model.pt2').",
        )
    document = read_json(path, archive, programs[0], EXPORT_KIND, limit_bytes=_JSON_BYTES)
    try:
        unsafe = sorted({*find_unsafe_texts(document), *_unsafe_pickles(path, archive)})
        return _Program(path, document).outline(_read_weights(path, archive), tuple(unsafe))
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise SourceDamagedError(
            f"{path}: {programs[0]} is no program of torch.export ({type(error).__name__}: {str(error)[:200]}).",
            hint=EXPORT_KIND.save_again,
        ) from error


class _Program:
    """The graph's JSON, asked for its user's inputs and outputs."""

    def __init__(self, path: Path, document: Mapping[str, Any]) -> None:
        self._path = path
        self._document = document
        module = document["graph_module"]
        self._signature = module["signature"]
        self._values = module["graph"]["tensor_values"]
        self._calls = module.get("module_call_graph") or []
        self._symbols: dict[str, str] = {}
        self._others: list[str] = []

    def outline(self, weights: tuple[Weight, ...], unsafe: tuple[str, ...]) -> ExportOutline:
        inputs = tuple(self._inputs())
        return ExportOutline(
            torch_version=str(self._document.get("torch_version", "")),
            inputs=inputs,
            outputs=tuple(self._outputs()),
            ranges=self._ranges(),
            weights=weights,
            others=tuple(self._others),
            foreign_operators=foreign_operators(self._document),
            unsafe=unsafe,
        )

    def _inputs(self) -> Iterator[TensorSpec]:
        arguments = [
            spec["user_input"]["arg"] for spec in self._signature["input_specs"] if "user_input" in spec
        ]
        for argument in arguments:
            name = _tensor_name(argument)
            if name is None:
                self._others.append(f"input {_describe(argument)}")
            else:
                yield self._spec(name, name, is_input=True)

    def _outputs(self) -> Iterator[TensorSpec]:
        arguments = [
            spec["user_output"]["arg"] for spec in self._signature["output_specs"] if "user_output" in spec
        ]
        keys = self._output_keys(len(arguments))
        for argument, key in zip(arguments, keys, strict=True):
            name = _tensor_name(argument)
            if name is None:
                self._others.append(f"output {_describe(argument)}")
            else:
                yield self._spec(key or name, name, is_input=False)

    def _output_keys(self, count: int) -> list[str]:
        """The keys of a model that answers a dict, else nothing: then the graph's own names stand."""
        tree = json.loads(self._calls[0]["signature"]["out_spec"])[1] if self._calls else {}
        if tree.get("type") in ("builtins.dict", "collections.OrderedDict"):
            keys = json.loads(tree["context"])
            if isinstance(keys, list) and len(keys) == count and all(isinstance(key, str) for key in keys):
                return keys
        return [""] * count

    def _spec(self, name: str, value: str, *, is_input: bool) -> TensorSpec:
        meta = self._values[value]
        dtype = _DTYPES.get(meta["dtype"], str(meta["dtype"]))
        if dtype not in _REQUESTS:
            raise SourceUnsupportedError(
                f"{self._path}: {name} is {dtype}, which no request can carry.",
                hint="Take or give float32 at the model's edges, and cast inside.",
            )
        shape = tuple(self._dim(name, axis, size, is_input) for axis, size in enumerate(meta["sizes"]))
        return TensorSpec(name, _REQUESTS[dtype], shape)

    def _dim(self, name: str, axis: int, size: Mapping[str, Any], is_input: bool) -> Dim:
        if type(size.get("as_int")) is int:
            return int(size["as_int"])
        text = str(size["as_expr"]["expr_str"])
        found = _SYMBOL.match(text)
        symbol = (found[1] or found[2]) if found else text
        free = (
            "batch" if axis == 0 and is_input and "batch" not in self._symbols.values() else f"{name}_{axis}"
        )
        return self._symbols.setdefault(symbol, free)

    def _ranges(self) -> dict[str, tuple[int, int | None]]:
        found: dict[str, tuple[int, int | None]] = {}
        for symbol, limits in (self._document.get("range_constraints") or {}).items():
            match = _SYMBOL.match(symbol)
            name = self._symbols.get((match[1] or match[2]) if match else symbol)
            low, high = limits.get("min_val"), limits.get("max_val")
            if name is not None and (high is None or type(high) is int):
                found[name] = (low if type(low) is int else 0, high)
        return found


def _tensor_name(argument: Mapping[str, Any]) -> str | None:
    found = argument.get("as_tensor", argument)
    name = found.get("name") if isinstance(found, dict) else None
    return name if isinstance(name, str) else None


def _describe(argument: Mapping[str, Any]) -> str:
    kind, value = next(iter(argument.items()), ("nothing", None))
    return f"{kind.removeprefix('as_')} {str(value)[:60]}"


def _read_weights(path: Path, archive: zipfile.ZipFile) -> tuple[Weight, ...]:
    """From the table beside the raw weights; older files keep them in a pickle, and have none."""
    found: list[Weight] = []
    for name in archive.namelist():
        if not name.endswith("_weights_config.json"):
            continue
        table = read_json(path, archive, name, EXPORT_KIND, limit_bytes=_JSON_BYTES)
        for weight, entry in table["config"].items():
            meta = entry["tensor_meta"]
            shape = tuple(int(size["as_int"]) for size in meta["sizes"])
            found.append(Weight(weight, _DTYPES.get(meta["dtype"], "?"), shape))
    return tuple(found)


def _unsafe_pickles(path: Path, archive: zipfile.ZipFile) -> Iterator[str]:
    """What the members import that torch unpickles: whatever is neither text nor raw by the tables."""
    raw = _raw_members(path, archive)
    for name in archive.namelist():
        if name in raw or _TEXT.search(name):
            continue
        if name.rpartition("/")[2].startswith("custom_obj"):
            yield f"{name} is an object of a native class"
            continue
        content = read_member(path, archive, name, EXPORT_KIND, limit_bytes=_PICKLE_BYTES)
        if not content.startswith((MAGIC, b"\x80")):
            yield f"{name} is a member that torch.export does not write"
            continue
        for found in foreign_names(content, where=f"{path}: {name}"):
            yield f"{name} would import {found}"


def _raw_members(path: Path, archive: zipfile.ZipFile) -> set[str]:
    """The members that every table calls raw: torch reads them as numbers."""
    raw: set[str] = set()
    pickled: set[str] = set()
    for name, entry in _payloads(path, archive):
        (pickled if entry.get("use_pickle") else raw).add(name)
    return raw - pickled


def _payloads(path: Path, archive: zipfile.ZipFile) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for table in archive.namelist():
        if table.endswith(("_weights_config.json", "_constants_config.json")):
            found = read_json(path, archive, table, EXPORT_KIND, limit_bytes=_JSON_BYTES)
            for entry in found["config"].values():
                yield f"{table.rpartition('/')[0]}/{entry['path_name']}", entry
