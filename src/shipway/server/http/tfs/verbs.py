"""What each verb reads and writes for one model, and which models have no answer to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from shipway.errors import TensorMismatchError
from shipway.server.http.tfs.examples import read_examples
from shipway.server.http.tfs.reply import PredictWriter, encode_value
from shipway.server.http.tfs.request import PredictReader
from shipway.server.models.card import ModelCard
from shipway.types import Array, Signature, TensorSpec

Write = Callable[[Mapping[str, Array]], bytes]
VERBS = ("predict", "classify", "regress")


class Verb(Protocol):
    """How a model is asked."""

    def read(self, body: bytes) -> tuple[dict[str, Array], Write]:
        """Arrays by name, and what writes the answer's body. Raises `RequestError`."""
        ...


class Predict:
    """`:predict`: any model."""

    def __init__(self, card: ModelCard) -> None:
        self._reader = PredictReader(card.signature)
        self._writer = PredictWriter(card.signature)

    def read(self, body: bytes) -> tuple[dict[str, Array], Write]:
        """See `Verb.read`."""
        call = self._reader.read(body)
        if not call.is_row_form:
            return call.inputs, self._writer.write_columns
        self._writer.check_rows()
        return call.inputs, self._writer.write_rows


class Classify:
    """`:classify`: label and score of every class, a list for each example."""

    def __init__(self, card: ModelCard) -> None:
        self._signature = card.signature
        self._scores = _scores_of(card)
        spec = card.signature.output(self._scores)
        count = spec.shape[1] if isinstance(spec.shape[1], int) else 0
        # "" is what TensorFlow Serving answers for a class without a label.
        self._labels = list(card.labels) if card.labels else [""] * count

    def read(self, body: bytes) -> tuple[dict[str, Array], Write]:
        """See `Verb.read`."""
        return read_examples(body, self._signature, "classify"), self._write

    def _write(self, outputs: Mapping[str, Array]) -> bytes:
        results = [
            [list(pair) for pair in zip(self._labels, row, strict=True)]
            for row in outputs[self._scores].tolist()
        ]
        return b'{"results":%b}' % encode_value(results)


class Regress:
    """`:regress`: one number for each example."""

    def __init__(self, card: ModelCard) -> None:
        self._signature = card.signature
        self._value = _value_of(card)

    def read(self, body: bytes) -> tuple[dict[str, Array], Write]:
        """See `Verb.read`."""
        return read_examples(body, self._signature, "regress"), self._write

    def _write(self, outputs: Mapping[str, Array]) -> bytes:
        return b'{"results":%b}' % encode_value(outputs[self._value].ravel().tolist())


def make_verb(name: str, card: ModelCard) -> Verb:
    """Raises `TensorMismatchError` where the model has no answer to it."""
    kinds: dict[str, Callable[[ModelCard], Verb]] = {
        "predict": Predict,
        "classify": Classify,
        "regress": Regress,
    }
    return kinds[name](card)


def _scores_of(card: ModelCard) -> str:
    """The output with a score for every class."""
    labels = card.labels
    fits = [spec for spec in _rows_of(card.signature) if spec.dtype.is_float and _is_scores(spec, labels)]
    if card.task != "classification" or len(fits) != 1:
        expected = f"{len(labels)} scores a row" if labels else "a fixed number of scores a row"
        found = ", ".join(f"{spec.name} {spec}" for spec in card.signature.outputs)
        raise _not_offered(card, "classify", f"a classifier with one output of {expected}", found)
    return fits[0].name


def _is_scores(spec: TensorSpec, labels: tuple[str, ...] | None) -> bool:
    if len(spec.shape) != 2 or not isinstance(spec.shape[1], int):
        return False
    return spec.shape[1] == len(labels) if labels else spec.shape[1] > 1


def _value_of(card: ModelCard) -> str:
    """The one output, a number a row."""
    outputs = card.signature.outputs
    fits = [
        spec
        for spec in _rows_of(card.signature)
        if (spec.dtype.is_float or spec.dtype.is_integer) and spec.shape[1:] in ((), (1,))
    ]
    if len(outputs) != 1 or len(fits) != 1:
        found = ", ".join(f"{spec.name} {spec}" for spec in outputs)
        raise _not_offered(card, "regress", "a model whose one output is a number a row", found)
    return fits[0].name


def _rows_of(signature: Signature) -> tuple[TensorSpec, ...]:
    return signature.outputs if signature.batch_axis is not None else ()


def _not_offered(card: ModelCard, verb: str, expected: str, found: str) -> TensorMismatchError:
    return TensorMismatchError(
        f":{verb} needs {expected}, rows free along their first axis; {card.name} is for "
        f"{card.task or 'no task that it names'} and has {found}.",
        hint=f"Use :predict; GET /v1/models/{card.name}/metadata shows what it takes.",
    )
