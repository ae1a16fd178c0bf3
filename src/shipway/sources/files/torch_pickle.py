"""What `torch.save` wrote, by its pickle: weights alone, weights among other things, or the user's own classes.

Old files (torch below 1.6) are five pickles in a row; newer ones are a zip archive with one in `data.pkl`.
"""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO, Final

from shipway.errors import SourceDamagedError
from shipway.sources.files.pickle_scan import Call, Global, Items, dangerous, scan
from shipway.sources.files.weights import Weight
from shipway.sources.files.zip_archive import MAGIC

MAGIC_NUMBER: Final = 0x1950A86A20F9469CFC6C
"""The first of the five pickles (`torch.serialization.MAGIC_NUMBER`)."""
OLD_MAGIC: Final = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
"""The same, as torch writes it."""
_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, RuntimeError, EOFError, ValueError, OSError)
_OLD_PICKLES = 5
_PICKLE_BYTES = 64 << 20
_STORAGES: Final = {
    "Float": "F32", "Double": "F64", "Half": "F16", "BFloat16": "BF16", "Long": "I64", "Int": "I32",
    "Short": "I16", "Char": "I8", "Byte": "U8", "Bool": "BOOL", "ComplexFloat": "C64", "ComplexDouble": "C128",
}  # fmt: skip
_DTYPES: Final = {"uint16": "U16", "uint32": "U32", "uint64": "U64", "float8_e4m3fn": "F8_E4M3",
                  "float8_e5m2": "F8_E5M2", "float8_e8m0fnu": "F8_E8M0"}  # fmt: skip
_HARMLESS: Final = frozenset((
    "collections.OrderedDict", "collections.Counter", "_codecs.encode", "torch.Size", "torch.device",
    "torch.Tensor", "torch.nn.parameter.Parameter", "torch.serialization._get_layout",
    "torch.storage.UntypedStorage", "torch.storage.TypedStorage", "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3", "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_qtensor", "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_sparse_tensor", "torch._tensor._rebuild_from_type_v2", "builtins.set",
    "builtins.complex", "builtins.bytearray", "__builtin__.set", "__builtin__.complex",
    "__builtin__.bytearray",
))  # fmt: skip
"""Of the list that `torch.load(weights_only=True)` takes: they build tensors and plain containers."""
_HARMLESS_NAME = re.compile(
    r"^torch\.(?:\w+Storage|u?int\d+|float\d+|float8_\w+|bfloat16|bool|half|double|long"
    r"|complex\d+|q(?:u?int\d+|uint\dx\d|scheme)|per_(?:tensor|channel)_\w+|strided|sparse_\w+)\Z"
)


class SavedKind(StrEnum):
    """What a file of `torch.save` holds."""

    STATE_DICT = "state_dict"
    """Tensors by name, and nothing else."""
    CHECKPOINT = "checkpoint"
    """Plain values, some of them tensors."""
    MODULE = "module"
    """Objects of classes: reading them imports and runs code."""


@dataclass(frozen=True)
class Saved:
    """`foreign` are the names that `weights_only=True` refuses; `state_dicts` where in a checkpoint they are."""

    kind: SavedKind
    weights: tuple[Weight, ...]
    foreign: tuple[str, ...]
    state_dicts: tuple[str, ...] = ()


def is_harmless(name: str) -> bool:
    """True for what builds tensors and plain containers, as `torch.load(weights_only=True)` has it."""
    return name in _HARMLESS or _HARMLESS_NAME.match(name) is not None


def read_saved(stream: BinaryIO, *, where: str) -> Saved:
    """Outlines the pickle, or the old form's five, at the place of a stream in memory or mapped.

    Raises `SourceDamagedError`, `SourceUnsupportedError`.
    """
    scans = [scan(stream, where=where)]
    if scans[0].value == MAGIC_NUMBER:
        scans += [scan(stream, where=where) for _ in range(_OLD_PICKLES - 1)]
    names = frozenset[str]().union(*(found.globals for found in scans))
    foreign = dangerous(names, is_harmless)
    value = scans[3 if len(scans) > 1 else 0].value
    weights = tuple(_weights_of(value))
    if foreign:
        return Saved(SavedKind.MODULE, weights, foreign)
    if weights and len(weights) == len(list(_pairs(value))):
        return Saved(SavedKind.STATE_DICT, weights, ())
    inner = tuple(key for key, item in _pairs(value) if isinstance(key, str) and any(_weights_of(item)))
    return Saved(SavedKind.CHECKPOINT, weights, (), inner)


def foreign_names(data: bytes, *, where: str) -> tuple[str, ...]:
    """What `torch.load(weights_only=False)` or `pickle.load` of these bytes would import beyond tensors.

    Raises `SourceDamagedError`, `SourceUnsupportedError`.
    """
    if tarfile.is_tarfile(io.BytesIO(data)):
        return ("a tar archive of pickles, as torch below 0.1.10 wrote it",)
    if data[:4] == MAGIC:
        return _foreign_names_in_zip(io.BytesIO(data), where=where)
    return read_saved(io.BytesIO(data), where=where).foreign


def _foreign_names_in_zip(file: BinaryIO, *, where: str) -> tuple[str, ...]:
    """Every pickle in it counts, and nothing may stand around the archive: readers differ in what they find."""
    found: set[str] = set()
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            if archive.comment or not members or min(member.header_offset for member in members) != 0:
                found.add("an archive in an archive")
            for member in members:
                name = member.filename.casefold()
                if "/code/" in name or name.endswith("constants.pkl"):
                    found.add("TorchScript code")
                elif name.endswith(".pkl"):
                    found.update(_foreign_names_in_member(archive, member, where))
    except (
        zipfile.BadZipFile,
        zlib.error,
        NotImplementedError,
        RuntimeError,
        EOFError,
        ValueError,
        OSError,
    ) as error:
        raise SourceDamagedError(f"{where} is a zip archive that is damaged: {error}.") from error
    return tuple(sorted(found))


def _foreign_names_in_member(
    archive: zipfile.ZipFile, member: zipfile.ZipInfo, where: str
) -> tuple[str, ...]:
    if member.file_size > _PICKLE_BYTES:
        raise SourceDamagedError(f"{where}: {member.filename} claims {member.file_size} bytes.")
    with archive.open(member) as file:
        content = io.BytesIO(file.read(_PICKLE_BYTES + 1))
    return dangerous(scan(content, where=where).globals, is_harmless)


def _pairs(value: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - a pickle holds anything
    if isinstance(value, Items) and value.kind == "dict":
        yield from value.pairs()
    elif _calls(value, "collections.OrderedDict"):
        yield from zip(value.added[::2], value.added[1::2], strict=False)


def _calls(value: Any, *names: str) -> bool:  # noqa: ANN401
    return isinstance(value, Call) and isinstance(value.function, Global) and value.function.name in names


def _weights_of(value: Any) -> Iterator[Weight]:  # noqa: ANN401
    for name, tensor in _pairs(value):
        if isinstance(name, str) and (weight := _weight(name, tensor)) is not None:
            yield weight


def _weight(name: str, tensor: Any) -> Weight | None:  # noqa: ANN401
    if _calls(tensor, "torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"):
        tensor = next(iter(_arguments(tensor)), None)
    arguments = _arguments(tensor)
    if not _calls(tensor, "torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor_v3"):
        return None
    if len(arguments) < 3 or not isinstance(arguments[2], Items):
        return None
    shape = arguments[2].values
    if not all(type(size) is int and 0 <= size < 1 << 63 for size in shape) or len(shape) > 64:
        return None
    return Weight(name, _dtype(arguments), tuple(shape))


def _arguments(value: Any) -> list[Any]:  # noqa: ANN401
    return value.arguments.values if isinstance(value, Call) and isinstance(value.arguments, Items) else []


def _dtype(arguments: list[Any]) -> str:
    last = arguments[-1]
    if isinstance(last, Global):
        return _DTYPES.get(last.name.removeprefix("torch."), last.name)
    kind = next(iter(_arguments(arguments[0])[1:2]), None)
    if not isinstance(kind, Global):
        return "?"
    name = kind.name.rpartition(".")[2].removesuffix("Storage")
    return _STORAGES.get(name, name)
