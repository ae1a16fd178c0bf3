"""The body of `:classify` and `:regress`: examples, each a set of features, to arrays by name.

A feature is a value or a flat list of values, as in a `tf.Example`; its elements fill the input's row in
row-major order. Where TensorFlow's parser ignores a feature that the model has not, it is refused here.
"""

from __future__ import annotations

from math import prod

from shipway.errors import MalformedRequestError, TensorMismatchError
from shipway.server.http.tfs.request import SIGNATURE, check_signature
from shipway.server.http.tfs.values import Json, parse_object, to_array
from shipway.types import Array, Signature, TensorSpec


def read_examples(body: bytes, signature: Signature, verb: str) -> dict[str, Array]:
    """One row an example. Raises `MalformedRequestError`, `TensorMismatchError`."""
    found = parse_object(body)
    check_signature(found.get("signature_name", SIGNATURE), verb)
    context, examples = found.get("context", {}), found.get("examples")
    if not isinstance(context, dict):
        raise MalformedRequestError('"context" must be an object of features.')
    if not isinstance(examples, list) or not examples:
        raise MalformedRequestError('"examples" must be a list with at least one example.')
    names = {spec.name for spec in signature.inputs}
    rows = [_features(example, context, names, index) for index, example in enumerate(examples)]
    return {spec.name: _stack(spec, rows) for spec in signature.inputs}


def _features(example: Json, context: dict[str, Json], names: set[str], index: int) -> dict[str, Json]:
    where = f"examples[{index}]"
    if not isinstance(example, dict):
        raise MalformedRequestError(f"{where} must be an object of features.")
    if example.keys() & context.keys():
        twice = ", ".join(sorted(example.keys() & context.keys()))
        raise MalformedRequestError(f"{where}: {twice} stands in the context already.")
    features = {**context, **example}
    if features.keys() != names:
        raise TensorMismatchError(
            f"{where}: expected the features {', '.join(map(repr, sorted(names)))}; "
            f"found {', '.join(map(repr, features)) or 'none'}.",
            hint="A feature is an input of the model, its values in a flat list.",
        )
    return features


def _stack(spec: TensorSpec, rows: list[dict[str, Json]]) -> Array:
    values = [row[spec.name] if isinstance(row[spec.name], list) else [row[spec.name]] for row in rows]
    array = to_array(values, spec, f"examples[*].{spec.name}")
    tail = [dim for dim in spec.shape[1:] if isinstance(dim, int)]
    if array.ndim != 2:
        raise TensorMismatchError(f"Feature {spec.name}: a feature is a value or a flat list of values.")
    if len(tail) == len(spec.shape) - 1:
        if array.shape[1] != prod(tail):
            raise TensorMismatchError(
                f"Feature {spec.name}: {prod(tail)} values fill a row of {spec}, found {array.shape[1]}."
            )
        return array.reshape((len(rows), *tail))
    if len(spec.shape) != 2:
        raise TensorMismatchError(
            f"Feature {spec.name}: a flat list does not tell the sizes of {spec}.",
            hint="Use :predict, whose lists are nested.",
        )
    return array
