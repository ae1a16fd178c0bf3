"""Bundles of one small model of each kind: every datatype, two inputs, a scalar, text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import TensorProto

from served import bundles, models

VALUES = {
    "bool": (TensorProto.BOOL, np.array([[True, False]])),
    "uint8": (TensorProto.UINT8, np.array([[0, 255]], np.uint8)),
    "uint16": (TensorProto.UINT16, np.array([[0, 65535]], np.uint16)),
    "uint32": (TensorProto.UINT32, np.array([[0, 2**32 - 1]], np.uint32)),
    "uint64": (TensorProto.UINT64, np.array([[0, 2**64 - 1]], np.uint64)),
    "int8": (TensorProto.INT8, np.array([[-128, 127]], np.int8)),
    "int16": (TensorProto.INT16, np.array([[-(2**15), 2**15 - 1]], np.int16)),
    "int32": (TensorProto.INT32, np.array([[-(2**31), 2**31 - 1]], np.int32)),
    "int64": (TensorProto.INT64, np.array([[-(2**63), 2**63 - 1]])),
    "fp16": (TensorProto.FLOAT16, np.array([[0.5, -2]], np.float16)),
    "fp32": (TensorProto.FLOAT, np.array([[0.5, -2]], np.float32)),
    "fp64": (TensorProto.DOUBLE, np.array([[1e-300, 2]])),
    "text": (TensorProto.STRING, np.array([["a", "ü€"]], dtype=object)),
}
"""Name of an identity model of shape (batch, 2) → its type, and values that reach that type's ends."""


KEY = "key-of-the-zoo-0123456789"


def with_repository(keys: Path) -> dict[str, str]:
    """The environment of a server that may load and unload, for who has `KEY`; its file is written to `keys`."""
    keys.write_text(f'[[keys]]\nname = "all"\nkey = "{KEY}"\nscopes = ["admin"]\n', encoding="utf-8")
    keys.chmod(0o600)
    return {"SHIPWAY_SERVER_API_KEYS": str(keys), "SHIPWAY_SERVER_REPOSITORY_API": "true"}


def write(folder: Path, *names: str) -> list[Path]:
    """Bundles of the named models; of all of them where none is named."""
    folder.mkdir(exist_ok=True)
    return [_write(folder, name) for name in names or (*VALUES, "mlp", "pair", "scalar", "fixed")]


def _write(folder: Path, name: str) -> Path:
    if name in VALUES:
        kind, values = VALUES[name]
        made, inputs = models.identity(kind), {"x": values}
    elif name == "pair":
        made, inputs = models.two_inputs(), {"a": bundles.rows(4, 3), "b": bundles.rows(4, 3, seed=8)}
    elif name == "scalar":
        made = models.with_scalars()
        inputs = {"x": bundles.rows(2, 3, 4), "temperature": np.ones(2, np.float32)}
        return bundles.write_bundle(folder, made, _golden_of_requests(made, inputs), name=name).path
    elif name == "fixed":
        made, inputs = models.mlp(batch=2), {"x": bundles.rows(2, 4)}
    else:
        made, inputs = models.mlp(), {"x": bundles.rows(8, 4)}
    return bundles.write_bundle(folder, made, bundles.golden_of(made, inputs), name=name).path


def _golden_of_requests(made, inputs):
    """A model without rows: golden samples are whole requests, one after the other."""
    answers = [
        bundles.reference(made, {name: array[index, ...] for name, array in inputs.items()})
        for index in range(len(next(iter(inputs.values()))))
    ]
    outputs = {name: np.stack([answer[name] for answer in answers]) for name in answers[0]}
    return replace(bundles.golden_of(made, inputs, outputs=outputs), has_rows=False)
