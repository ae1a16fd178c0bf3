"""scikit-learn → ONNX by skl2onnx, in float32, and for models that float32 fails (large values) in float64.

Both keep float32 at the interface. The second one casts right behind the inputs and before the outputs.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ..edge import Edge, Opened
from ..frameworks.boosted_steps import register
from ..frameworks.onnx_casts import keep_last_column, narrow_outputs, shape_outputs, widen_inputs
from ..frameworks.onnx_interface import OPSET, finish
from ..frameworks.sklearn_model import Model, last_step, parts_of
from ..frameworks.sklearn_repairs import (
    apply_links,
    convertible,
    impute_in_double,
    round_before_trees,
    text_options,
)
from ..frameworks.tree_attributes import repaired
from ..loaded import names_of, signature_of
from ..wire import TaskError, blame

_ML_OPSET = 3
"""Trees with float64 thresholds came with this version of the operators."""


def write(opened: Opened, out: Path, task: Mapping[str, Any], *, in_double: bool) -> None:
    """Converts the estimator, then gives the graph the model's names and shapes."""
    del task
    model: Model = opened.model
    skl2onnx = importlib.import_module("skl2onnx")
    estimator = convertible(model.estimator)
    _require_plain_words(estimator)
    register(parts_of(estimator))
    try:
        with repaired(floor_thresholds=not in_double):
            proto = skl2onnx.convert_sklearn(
                estimator,
                initial_types=list(_types(model, in_double=in_double)),
                options=_options(model, estimator),
                target_opset={"": OPSET, "ai.onnx.ml": _ML_OPSET},
            )
    except (NameError, RuntimeError) as error:  # its own two errors for a missing converter are RuntimeErrors
        raise _explain(model, error) from error
    _drop_unused_inputs(proto.graph, len(model.input_specs))
    del proto.graph.output[len(model.output_specs) :]  # a hard vote answers its label alone
    if in_double:
        impute_in_double(proto.graph)
        widen_inputs(proto.graph)
        round_before_trees(proto.graph, estimator)
        narrow_outputs(proto.graph)
    apply_links(proto.graph, last_step(estimator))
    _use_signed_scores(proto.graph, model)
    shape_outputs(proto.graph, model.output_specs)
    finish(proto, signature_of(model), out)


def _require_plain_words(estimator: Any) -> None:  # noqa: ANN401 - an estimator
    """Of two words beside a stop word scikit-learn makes a pair; skl2onnx leaves the stop word between them."""
    for part in parts_of(estimator):
        words = getattr(part, "stop_words", None)
        if words is not None and part.analyzer == "word" and part.ngram_range[1] > 1:
            said = repr(words) if isinstance(words, str) else "[…]"
            raise TaskError(
                "export.no-way",
                f"{type(part).__name__}(stop_words={said}, ngram_range={part.ngram_range}): skl2onnx joins words "
                "before stop words are dropped: fit it without the one or the other.",
            )


def _types(model: Model, *, in_double: bool) -> Iterator[tuple[str, Any]]:
    """Of every column, used or not: a `ColumnTransformer` may count them."""
    types = importlib.import_module("skl2onnx.common.data_types")
    classes = {
        "string": types.StringTensorType,
        "int64": types.Int64TensorType,
        "int32": types.Int32TensorType,
        "bool": types.BooleanTensorType,
        "float32": types.DoubleTensorType if in_double else types.FloatTensorType,
        "float64": types.DoubleTensorType,
    }
    table = model.table
    columns = [(column.name, column.dtype, 1) for column in table.columns]
    if table.one_input:
        columns = [(table.one_input, table.columns[0].dtype, len(table.columns))]
    for name, dtype, width in columns:
        if dtype not in classes:
            raise TaskError("export.no-way", f"skl2onnx has no inputs of {dtype} ({name}).")
        yield name, classes[dtype]([None, width])


def _options(model: Model, estimator: Any) -> dict[int, dict[str, Any]]:  # noqa: ANN401 - as above
    """Arrays of probabilities, not lists of dicts; words as scikit-learn has them, in a locale that is there."""
    wanted: dict[int, dict[str, Any]] = {}
    for part in parts_of(estimator):
        if "locale" in _allowed_options(part):
            wanted[id(part)] = text_options(part)
    last = last_step(estimator)
    allowed = _allowed_options(last)
    answers = {"zipmap": False} if "zipmap" in allowed else {}
    if "scores" in names_of(model.output_specs) and "raw_scores" in allowed:
        answers["raw_scores"] = True
    if answers:
        wanted[id(last)] = {**wanted.get(id(last), {}), **answers}
    return wanted


def _allowed_options(part: Any) -> Mapping[str, Any]:  # noqa: ANN401 - an estimator
    operators = importlib.import_module("skl2onnx._supported_operators")
    registration = importlib.import_module("skl2onnx.common._registration")
    name = operators.sklearn_operator_name_map.get(type(part))
    return (registration.get_converter(name).get_allowed_options() or {}) if name else {}


def _drop_unused_inputs(graph: Any, wanted: int) -> None:  # noqa: ANN401 - a GraphProto
    """skl2onnx keeps inputs that nothing reads (columns that the model drops)."""
    read = {name for node in graph.node for name in node.input}
    for value in [value for value in graph.input if value.name not in read]:
        if len(graph.input) > wanted:
            graph.input.remove(value)


def _use_signed_scores(graph: Any, model: Model) -> None:  # noqa: ANN401 - as above
    """Of two classes skl2onnx gives -s and s, and declares now the one, now the other shape."""
    for index, spec in enumerate(model.output_specs):
        if spec["name"] == "scores" and spec["shape"][1:] == [1]:
            keep_last_column(graph, index)


def _explain(model: Model, error: Exception) -> TaskError:
    """Names the steps that no converter knows."""
    operators = importlib.import_module("skl2onnx._supported_operators")
    unknown = [
        type(part).__name__
        for part in parts_of(model.estimator)
        if type(part) not in operators.sklearn_operator_name_map and not hasattr(part, "steps")
    ]
    if unknown:
        return TaskError(
            "export.no-way",
            f"skl2onnx has no converter for {', '.join(dict.fromkeys(unknown))}: replace that step by another, "
            "or apply it before the model.",
        )
    functions = [part.func for part in parts_of(model.estimator) if getattr(part, "func", None) is not None]
    if functions:
        names = dict.fromkeys(getattr(function, "__name__", repr(function)) for function in functions)
        return TaskError(
            "export.no-way",
            f"FunctionTransformer calls Python ({', '.join(names)}), which ONNX cannot: apply it before the "
            "model, or put another transformer in its place.",
        )
    with blame("export.no-way", "skl2onnx failed"):
        raise error
    raise error


def _edge(name: str, rank: int, *, in_double: bool) -> Edge:
    return Edge(
        name=name,
        start="sklearn",
        end="onnx",
        file=__file__,
        write=partial(write, in_double=in_double),
        result="model.onnx",
        rank=rank,
        requires={"skl2onnx": "skl2onnx>=1.18,<2", "onnx": "onnx"},
        extra="sklearn",
    )


EDGES = (
    _edge("sklearn/skl2onnx", 10, in_double=False),
    _edge("sklearn/skl2onnx-double", 20, in_double=True),
)
