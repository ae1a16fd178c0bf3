"""LiteRT's GELU spelled out in ONNX's operators, against the formula itself."""

import numpy as np
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper
from scipy.special import erf

from shipway.sources.workers.frameworks.litert_gelu import replace_gelu

X = np.linspace(-8, 8, 1001, dtype=np.float32)


def exact(x):
    return x / 2 * (1 + erf(x / np.sqrt(2)))


def approximate(x):
    return x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


@pytest.mark.parametrize(("flag", "formula"), [(0, exact), (1, approximate), (None, exact)])
def test_it_is_the_formula(flag, formula):
    attributes = {} if flag is None else {"approximate": flag}
    nodes = [
        helper.make_node("TFL_GELU", ["x"], ["hidden"], **attributes),
        helper.make_node("TFL_GELU", ["hidden"], ["y"], **attributes),
    ]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy"]
    graph = helper.make_graph(nodes, "g", ends[:1], ends[1:])
    replace_gelu(graph)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    (found,) = ort.InferenceSession(model.SerializeToString()).run(None, {"x": X})
    wide = X.astype(np.float64)
    np.testing.assert_allclose(found, formula(formula(wide)), rtol=1e-5, atol=1e-6)
