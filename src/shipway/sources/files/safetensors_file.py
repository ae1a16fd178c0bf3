"""The table of contents of a `.safetensors` file: names, types and shapes; no value is read.

The layout (huggingface/safetensors, README "Format"): 8 bytes, little-endian, the header's length; the header,
a JSON object; then the tensors' bytes, one behind the other without a gap.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn, TypeGuard

from shipway.errors import SourceDamagedError
from shipway.os_errors import os_errors_as_ours
from shipway.sources.files.weights import Weight

_HEADER_BYTES = 100_000_000
"""The library's own limit."""
_BITS: Final = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32,
    "I64": 64, "U64": 64, "F64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


@dataclass(frozen=True)
class SafetensorsOutline:
    """What the header says. `weights` are in the order of their bytes."""

    weights: tuple[Weight, ...]
    metadata: Mapping[str, str]
    size_bytes: int


def looks_like_safetensors(path: Path) -> bool:
    """True for a length that fits the file and a JSON object behind it; also when cut off. Never raises."""
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except OSError:
        return False
    length = int.from_bytes(head[:8], "little")
    return len(head) == 9 and head[8:] == b"{" and 2 <= length <= _HEADER_BYTES


def read_safetensors(path: Path) -> SafetensorsOutline:
    """Reads the header. Raises `SourceDamagedError`, `PermissionDeniedError`."""
    with os_errors_as_ours("read the model", path), path.open("rb") as file:
        size = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if length > min(_HEADER_BYTES, max(size - 8, 0)):
            _refuse(path, f"its header claims {length} bytes, and the file has {size}")
        text = file.read(length)
    try:
        header = json.loads(text.decode("utf-8"), object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        _refuse(path, f"its header is not JSON: {str(error)[:200]}")
    if not isinstance(header, dict):
        _refuse(path, "its header is no JSON object")
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        _refuse(path, "its metadata is not text by text")
    weights = _read_weights(path, header, size - 8 - length)
    return SafetensorsOutline(weights=weights, metadata=metadata, size_bytes=size - 8 - length)


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name stands in it twice")
    return found


def _read_weights(path: Path, header: Mapping[str, Any], room: int) -> tuple[Weight, ...]:
    found = sorted((_read_weight(path, name, entry) for name, entry in header.items()), key=lambda at: at[:2])
    place = 0
    for begin, end, weight in found:
        if begin != place:
            _refuse(path, f"the bytes of {weight.name!r} begin at {begin}, where {place} is next")
        place = end
    if place != room:
        _refuse(path, f"its tensors take {place} bytes, and {room} follow the header")
    return tuple(weight for _, _, weight in found)


def _read_weight(path: Path, name: str, entry: Any) -> tuple[int, int, Weight]:  # noqa: ANN401 - any JSON
    fields = entry if isinstance(entry, dict) else {}
    dtype, shape, offsets = fields.get("dtype"), fields.get("shape"), fields.get("data_offsets")
    if not (isinstance(dtype, str) and dtype in _BITS):
        _refuse(path, f"{name!r} has the unknown dtype {str(dtype)[:40]!r}")
    if not (_are_sizes(shape) and _are_sizes(offsets) and len(offsets) == 2):
        _refuse(path, f"{name!r} has no shape, or no place in the file")
    if offsets[1] - offsets[0] != (math.prod(shape) * _BITS[dtype] + 7) // 8:
        _refuse(path, f"{name!r} is {dtype}{shape[:8]} and takes {offsets[1] - offsets[0]} bytes")
    return offsets[0], offsets[1], Weight(name, dtype, tuple(shape))


def _are_sizes(value: Any) -> TypeGuard[list[int]]:  # noqa: ANN401 - any JSON
    """A short list of whole numbers: a product of thousands of sizes would take minutes."""
    return (
        isinstance(value, list)
        and len(value) <= 64
        and all(type(size) is int and 0 <= size < 1 << 63 for size in value)
    )


def _refuse(path: Path, finding: str) -> NoReturn:
    raise SourceDamagedError(
        f"{path} is a safetensors file that is damaged: {finding}.",
        hint="Save the weights again with safetensors.torch.save_file(), or copy the file again.",
    )
