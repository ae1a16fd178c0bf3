"""The body of `:predict` to arrays by name: row form (`instances`) or column form (`inputs`).

As TensorFlow Serving's `api_rest.md` describes it. Two differences, both to refuse what it would take in silence:
members of an `inputs` object that are no input, and a signature that does not exist for the asked verb.
"""

from __future__ import annotations

from dataclasses import dataclass

from shipway.errors import MalformedRequestError, TensorMismatchError
from shipway.server.http.tfs.plain import PlainPredictReader
from shipway.server.http.tfs.values import Json, is_base64, parse_object, to_array
from shipway.types import Array, Signature

SIGNATURE = "serving_default"


@dataclass(slots=True)
class PredictCall:
    """What was asked."""

    inputs: dict[str, Array]
    is_row_form: bool


class PredictReader:
    """Reads bodies for one signature."""

    def __init__(self, signature: Signature) -> None:
        self._specs = {spec.name: spec for spec in signature.inputs}
        self._plain = PlainPredictReader(signature)

    def read(self, body: bytes) -> PredictCall:
        """Raises `MalformedRequestError`, `TensorMismatchError`."""
        plain = self._plain.read(body)
        if plain is not None:
            inputs, is_row_form, signature_name = plain
            if signature_name is not None:
                check_signature(signature_name, "predict")
            return PredictCall(inputs, is_row_form)
        found = parse_object(body)
        check_signature(found.get("signature_name", SIGNATURE), "predict")
        if ("instances" in found) == ("inputs" in found):
            what = "both" if "inputs" in found else "neither"
            raise MalformedRequestError(
                f'The request must have either "instances" (rows) or "inputs" (columns); found {what}.'
            )
        if "inputs" in found:
            return PredictCall(self._read_columns(found["inputs"]), is_row_form=False)
        return PredictCall(self._read_rows(found["instances"]), is_row_form=True)

    def _read_columns(self, value: Json) -> dict[str, Array]:
        if isinstance(value, dict) and not is_base64(value):
            self._check_names(value, "inputs")
            return {name: to_array(value[name], spec, f"inputs.{name}") for name, spec in self._specs.items()}
        name = self._only("inputs", "an object")
        return {name: to_array(value, self._specs[name], "inputs")}

    def _read_rows(self, rows: Json) -> dict[str, Array]:
        if not isinstance(rows, list) or not rows:
            raise MalformedRequestError('"instances" must be a list with at least one instance.')
        if not isinstance(rows[0], dict) or is_base64(rows[0]):
            name = self._only("instances", "a list of objects")
            return {name: to_array(rows, self._specs[name], "instances")}
        for index, row in enumerate(rows):
            if not isinstance(row, dict) or is_base64(row):
                raise MalformedRequestError(f"instances[{index}]: expected an object, as the first one is.")
            self._check_names(row, f"instances[{index}]")
        return {
            name: to_array([row[name] for row in rows], spec, f"instances[*].{name}")
            for name, spec in self._specs.items()
        }

    def _only(self, where: str, expected: str) -> str:
        if len(self._specs) != 1:
            raise TensorMismatchError(
                f'"{where}" must be {expected} with the inputs {", ".join(map(repr, self._specs))}: '
                "only a model with one input takes plain values."
            )
        return next(iter(self._specs))

    def _check_names(self, found: dict[str, Json], where: str) -> None:
        if found.keys() != self._specs.keys():
            raise TensorMismatchError(
                f"{where}: expected the inputs {', '.join(map(repr, self._specs))}; "
                f"found {', '.join(map(repr, found)) or 'none'}."
            )


def check_signature(name: Json, verb: str) -> None:
    """A bundle has one signature: `serving_default`, or the method's own name. Raises `MalformedRequestError`."""
    if name not in ("", SIGNATURE, f"tensorflow/serving/{verb}"):
        raise MalformedRequestError(
            f'No signature {name!r:.80} here; the one there is has the name "{SIGNATURE}".',
            hint="Leave signature_name out.",
        )
