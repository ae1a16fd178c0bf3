"""JSON schemas of a signature's tensors: names, datatypes, sizes and the range of their elements."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from shipway.server.http.json_numbers import LARGEST_FP16, OVER_FP32
from shipway.types import DType, TensorSpec

Schema = dict[str, Any]


def element_schema(dtype: DType) -> Schema:
    """One element of a tensor."""
    if dtype is DType.BYTES:
        return {"type": "string"}
    if dtype is DType.BOOL:
        return {"type": "boolean"}
    if dtype.is_integer:
        bounds = np.iinfo(dtype.numpy)
        return {"type": "integer", "minimum": int(bounds.min), "maximum": int(bounds.max)}
    if dtype is DType.FP16:
        return {"type": "number", "minimum": -LARGEST_FP16, "maximum": LARGEST_FP16}
    if dtype is DType.FP32:
        return {"type": "number", "exclusiveMinimum": -OVER_FP32, "exclusiveMaximum": OVER_FP32}
    return {"type": "number"}


def tensor_schema(spec: TensorSpec, *, is_input: bool) -> Schema:
    """A tensor of the Open Inference Protocol. Elements: as many as the sizes in `shape` multiplied."""
    sizes = [
        {"const": dim} if isinstance(dim, int) else {"type": "integer", "minimum": 0} for dim in spec.shape
    ]
    shape: Schema = {"type": "array", "minItems": len(sizes), "maxItems": len(sizes)}
    if sizes and is_input:
        shape["prefixItems"] = sizes
    elif sizes:  # an answer's sizes are described loosely: not every tool reads `prefixItems` there
        shape["items"] = {"type": "integer", "minimum": 0}
    data: Schema = {
        "type": "array",
        "items": element_schema(spec.dtype),
        "description": "Row-major; as many as the sizes in shape multiplied.",
    }
    if all(isinstance(dim, int) for dim in spec.shape):
        data["minItems"] = data["maxItems"] = prod(dim for dim in spec.shape if isinstance(dim, int))
    return {
        "type": "object",
        "title": f"{spec.name}: {spec}",
        "required": ["name", "shape", "datatype", "data"] if is_input else ["name", "shape", "datatype"],
        "properties": {
            "name": {"const": spec.name},
            "shape": shape,
            "datatype": {"const": str(spec.dtype)},
            "data": data,
        },
    }


def nested_schema(spec: TensorSpec, *, first_axis: int = 0) -> Schema:
    """A tensor as nested lists, from an axis on."""
    schema = element_schema(spec.dtype)
    if spec.dtype.is_float:
        schema["description"] = "The tokens NaN, Infinity and -Infinity are taken too."
    for dim in reversed(spec.shape[first_axis:]):
        schema = {"type": "array", "items": schema}
        if isinstance(dim, int):
            schema["minItems"] = schema["maxItems"] = dim
        elif schema["items"]["type"] == "array":
            schema["minItems"] = 1  # an empty list would not tell how deep it is
    return schema
