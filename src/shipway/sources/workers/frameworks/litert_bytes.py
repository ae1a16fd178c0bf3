"""Looks into a `.tflite` file that a converter just made, and gives it the model's names and order."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..wire import TaskError

Specs = Sequence[Mapping[str, Any]]


def finish(
    data: bytes, key: str, signature: Mapping[str, Specs], keys: Mapping[str, Sequence[str]], out: Path
) -> None:
    """Checks operators and names, orders the tensors of the signature's graph, and writes `out`.

    `keys` are what the converter called the inputs and outputs, in the signature's order. Raises
    `TaskError("export.no-way")` for what only TensorFlow runs, for weights that were left behind, and for lost
    names.
    """
    schema = importlib.import_module("ai_edge_litert.schema_py_generated")
    file = bytearray(data)
    model = schema.Model.GetRootAs(file, 0)
    _refuse_operators(schema, model)
    found = _signature(model, key)
    graph = model.Subgraphs(found.SubgraphIndex())
    for side, vector in (("inputs", graph.InputsAsNumpy()), ("outputs", graph.OutputsAsNumpy())):
        tensors = _tensors(found, side)
        if set(keys[side]) != set(tensors):
            raise TaskError(
                "export.no-way",
                f"The converter named the {side} {', '.join(sorted(tensors))} "
                f"where {', '.join(keys[side])} was asked for.",
            )
        order = [tensors[name] for name in keys[side]]
        if sorted(order) == sorted(vector):  # else one tensor serves under two names
            vector[:] = order  # numpy's view into `file`
    names = {
        side: {old: spec["name"] for old, spec in zip(keys[side], signature[side], strict=True)}
        for side in keys
    }
    out.write_bytes(_renamed(schema, file, key, names))


def _renamed(schema: Any, file: bytearray, key: str, names: Mapping[str, Mapping[str, str]]) -> bytes:  # noqa: ANN401
    """The file with the signature's names changed; itself where none does. TensorFlow takes identifiers only."""
    if all(old == new for side in names.values() for old, new in side.items()):
        return bytes(file)
    flatbuffers = importlib.import_module("flatbuffers")
    model = schema.ModelT.InitFromPackedBuf(file, 0)
    for definition in model.signatureDefs:
        if definition.signatureKey.decode() == key:
            for side in names:
                for tensor in getattr(definition, side):
                    tensor.name = names[side][tensor.name.decode()]
    builder = flatbuffers.Builder(len(file))
    builder.Finish(model.Pack(builder), file_identifier=b"TFL3")
    return bytes(builder.Output())


def _tensors(signature: Any, side: str) -> dict[str, int]:  # noqa: ANN401 - the schema has no types
    """Name → number of the tensor."""
    item, count = (
        (signature.Inputs, signature.InputsLength())
        if side == "inputs"
        else (signature.Outputs, signature.OutputsLength())
    )
    return {item(n).Name().decode(): item(n).TensorIndex() for n in range(count)}


def _refuse_operators(schema: Any, model: Any) -> None:  # noqa: ANN401 - the schema has no types
    codes = [model.OperatorCodes(n) for n in range(model.OperatorCodesLength())]
    custom = sorted({code.CustomCode().decode() for code in codes if code.CustomCode()})
    if custom:
        raise TaskError(
            "export.no-way", f"The result needs operators that LiteRT's runtime has not: {', '.join(custom)}."
        )
    builtin = {code.BuiltinCode() for code in codes}
    if schema.BuiltinOperator.VAR_HANDLE in builtin and schema.BuiltinOperator.CALL_ONCE not in builtin:
        raise TaskError(
            "export.no-way",
            "The converter left the weights out: the SavedModel does not track the variables that it uses.",
        )


def _signature(model: Any, key: str) -> Any:  # noqa: ANN401 - as above
    for number in range(model.SignatureDefsLength()):
        if model.SignatureDefs(number).SignatureKey().decode() == key:
            return model.SignatureDefs(number)
    raise TaskError("export.no-way", f"The converter wrote no signature {key!r}.")
