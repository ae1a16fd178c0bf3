"""A request that works when it is pasted: one golden sample, as a `curl` line."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from shipway.bundle.evidence import Json
from shipway.bundle.golden import Golden
from shipway.bundle.store import Bundle
from shipway.os_errors import os_errors_as_ours
from shipway.types import Array, DType

_LONGEST_LINE = 4096
"""Characters; a longer body goes to a file, which a terminal's paste buffer need not carry."""


def example_request(bundle: Bundle, url: str) -> dict[str, Json] | None:
    """`{"curl": line, "file": path or None}`; None where the bundle has no golden samples to take it from.

    A large body is written beside the bundle as `NAME.request.json`. Raises `DiskFullError`,
    `PermissionDeniedError`.
    """
    golden = bundle.golden()
    if golden is None:
        return None
    chosen = _chosen_inputs(golden, bundle.manifest.signature.rows_per_request)
    inputs = [_tensor(name, array) for name, array in chosen.items()]
    body = json.dumps({"inputs": inputs}, separators=(",", ":"))
    address = f"{url}/v2/models/{quote(bundle.manifest.name, safe='')}/infer"
    file: Path | None = None
    given = shlex.quote(body)
    if len(body) > _LONGEST_LINE:
        file = bundle.path.resolve().with_name(f"{bundle.manifest.name}.request.json")
        with os_errors_as_ours("write the example request", file):
            file.write_text(body, encoding="utf-8")
        given = shlex.quote(f"@{file}")
    line = f"curl -s {shlex.quote(address)} -H 'Content-Type: application/json' -d {given}"
    return {"curl": line, "file": None if file is None else str(file)}


def _chosen_inputs(golden: Golden, rows: int) -> dict[str, Array]:
    """The first samples that the model answers with numbers: an answer in JSON cannot hold NaN or infinity."""
    plain = [sample for sample in golden.plain_samples().tolist() if _is_finite(golden, sample)]
    found = np.array(plain or range(golden.count))
    if not golden.has_rows:
        return golden.request(int(found[0]))
    chosen = np.resize(found, rows)
    return {name: array[chosen] for name, array in golden.inputs.items()}


def _is_finite(golden: Golden, sample: int) -> bool:
    """Whether JSON can hold the inputs: a model may take NaN for what is missing."""
    floats = [array[sample] for array in golden.inputs.values() if array.dtype.kind == "f"]
    return all(bool(np.isfinite(values).all()) for values in floats)


def _tensor(name: str, array: Array) -> dict[str, Any]:
    return {
        "name": name,
        "shape": list(array.shape),
        "datatype": str(DType.of(array.dtype)),
        "data": [_plain(value) for value in array.ravel()],
    }


def _plain(value: Any) -> Json:  # noqa: ANN401 - any numpy scalar
    """The shortest JSON spelling that reads back as the same value."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.floating):
        return float(np.format_float_scientific(value, unique=True, trim="0"))
    return value.item() if isinstance(value, np.generic) else value
