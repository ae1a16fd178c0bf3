"""Attention of a query that may look at nothing, for torch's exporter to ONNX.

PyTorch answers such a row with zeros (`_safe_softmax`). onnxscript 0.7 answers NaN where the mask is of floats,
as `nn.MultiheadAttention` makes it, and the mean of all values where it is of booleans.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

_NAME = "aten_scaled_dot_product_attention"


def translations(torch: Any) -> dict[Any, Any]:  # noqa: ANN401 - torch is imported late
    """For `torch.onnx.export(custom_translation_table=...)`; empty where onnxscript has no such function."""
    try:
        nn = importlib.import_module("onnxscript.function_libs.torch_lib.ops.nn")
        op = importlib.import_module("onnxscript.onnx_opset").opset18
    except ImportError:
        return {}
    found = getattr(nn, _NAME, None)
    plain = getattr(found, "func", found)
    if plain is None:
        return {}
    return {torch.ops.aten.scaled_dot_product_attention.default: _safe(plain, op)}


def _safe(plain: Any, op: Any) -> Any:  # noqa: ANN401 - onnxscript's functions
    """The same translation, with zeros for the rows of which the mask leaves nothing."""
    ir = importlib.import_module("onnxscript.ir")

    @functools.wraps(plain)  # the exporter reads names and types of the arguments from it
    def attention(
        query: Any,  # noqa: ANN401 - values of the graph
        key: Any,  # noqa: ANN401
        value: Any,  # noqa: ANN401
        attn_mask: Any = None,  # noqa: ANN401
        *others: Any,  # noqa: ANN401 - numbers and booleans
        **named: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        if attn_mask is None:
            return plain(query, key, value, None, *others, **named)
        zero = op.Constant(value=ir.tensor(0.0, dtype=query.dtype))
        nothing = op.Constant(value=ir.tensor(float("-inf"), dtype=query.dtype))
        if attn_mask.dtype == ir.DataType.BOOL:
            allowed = attn_mask
            attn_mask = op.Where(attn_mask, zero, nothing)
            attn_mask.dtype, attn_mask.shape = query.dtype, allowed.shape
        most = op.ReduceMax(attn_mask, op.Constant(value_ints=[-1]), keepdims=1)
        answer = plain(query, key, value, attn_mask, *others, **named)
        return op.Where(op.Equal(most, nothing), zero, answer)

    return attention
