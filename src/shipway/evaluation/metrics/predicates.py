"""Slices by a column or a predicate, as the user writes them: `age`, `age >= 60 and site in (A, B)`.

A small parser of its own: nothing of the text is ever evaluated as code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from shipway.errors import UsageError
from shipway.types import Array

MOST_VALUES = 20
COMPARISONS: Mapping[str, np.ufunc] = {
    "==": np.equal,
    "!=": np.not_equal,
    "<=": np.less_equal,
    ">=": np.greater_equal,
    "<": np.less,
    ">": np.greater,
}
_TOKEN = re.compile(
    r"""\s*(?:(?P<quoted>"[^"]*"|'[^']*'|`[^`]*`)|(?P<operator>==|!=|<=|>=|<|>)|(?P<mark>[(),])"""
    r"""|(?P<word>[^\s()<>=!,"'`]+))"""
)
_FORMS = (
    "Forms: COLUMN, COLUMN == VALUE (also != < <= > >=), COLUMN in (A, B), joined by `and`; names with spaces "
    "in quotes."
)


@dataclass(frozen=True)
class Condition:
    """One comparison; without an operator all values of the column are meant."""

    column: str
    comparison: str = ""
    """`""`, one of `COMPARISONS`, or `"in"`."""
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Predicate:
    """A parsed text: conditions that must all hold."""

    text: str
    conditions: tuple[Condition, ...]

    def slices(self, columns: Mapping[str, Array]) -> dict[str, NDArray[np.bool_]]:
        """Masks `[rows]` by name, over columns `[rows]` of numbers, booleans or strings.

        One named as the text, or, for a lone column, one for each of its values (at most 20; numbers that take
        more in four parts at the quartiles). Missing values (NaN, None) are in no slice but that of `!=`.
        Raises `UsageError`.
        """
        if self.text in columns:
            return _by_value(self.text, columns[self.text])
        first = self.conditions[0]
        if not first.comparison:
            return _by_value(first.column, _column(first.column, columns))
        masks = [_holds(condition, _column(condition.column, columns)) for condition in self.conditions]
        return {self.text: np.asarray(np.logical_and.reduce(masks))}


def parse_predicate(text: str) -> Predicate:
    """Reads a predicate. Names and values with spaces are quoted (`"`, `'`, or a backtick).

    Raises `UsageError` naming the place that does not read.
    """
    tokens = _tokens(text)
    conditions = []
    at = 0
    while True:
        condition, at = _condition(text, tokens, at)
        conditions.append(condition)
        if at == len(tokens):
            break
        if tokens[at] != ("word", "and"):
            raise _unreadable(text, f"expected `and` or the end, found {tokens[at][1]!r}")
        at += 1
    if len(conditions) > 1 and not all(condition.comparison for condition in conditions):
        raise _unreadable(text, "a column without a comparison stands alone, not beside `and`")
    return Predicate(text.strip(), tuple(conditions))


def _tokens(text: str) -> list[tuple[str, str]]:
    found = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise _unreadable(text, f"{text[at:].strip()[:20]!r} does not read")
        value = match[match.lastgroup]
        found.append((match.lastgroup, value[1:-1] if match.lastgroup == "quoted" else value))
        at = match.end()
    return found


def _condition(text: str, tokens: list[tuple[str, str]], at: int) -> tuple[Condition, int]:
    """The condition that starts at a token, and the place after it."""
    column, at = _operand(text, tokens, at, "a column")
    if at == len(tokens) or tokens[at] == ("word", "and"):
        return Condition(column), at
    kind, sign = tokens[at]
    if (kind, sign) == ("word", "in"):
        values, at = _listed_values(text, tokens, at + 1)
        return Condition(column, "in", values), at
    if kind != "operator":
        raise _unreadable(text, f"expected a comparison after {column!r}, found {sign!r}")
    value, at = _operand(text, tokens, at + 1, f"a value after {sign}")
    return Condition(column, sign, (value,)), at


def _operand(text: str, tokens: list[tuple[str, str]], at: int, what: str) -> tuple[str, int]:
    if at >= len(tokens):
        raise _unreadable(text, f"expected {what}, found the end")
    kind, value = tokens[at]
    if kind not in ("word", "quoted") or (kind, value) == ("word", "and"):
        raise _unreadable(text, f"expected {what}, found {value!r}")
    return value, at + 1


def _listed_values(text: str, tokens: list[tuple[str, str]], at: int) -> tuple[tuple[str, ...], int]:
    if at >= len(tokens) or tokens[at] != ("mark", "("):
        raise _unreadable(text, "expected `(` after `in`")
    values = []
    while True:
        value, at = _operand(text, tokens, at + 1, "a value in the list")
        values.append(value)
        if at < len(tokens) and tokens[at] == ("mark", ","):
            continue
        if at < len(tokens) and tokens[at] == ("mark", ")"):
            return tuple(values), at + 1
        raise _unreadable(text, "the list after `in` is not closed")


def _unreadable(text: str, why: str) -> UsageError:
    return UsageError(f"The slice {text.strip()!r} does not read: {why}.", hint=_FORMS)


def _column(name: str, columns: Mapping[str, Array]) -> Array:
    if name in columns:
        return columns[name]
    shown = ", ".join(map(repr, list(columns)[:20])) or "none"
    raise UsageError(
        f"The data has no column {name!r} to slice by.", hint=f"Its columns are {shown}. {_FORMS}"
    )


def _holds(condition: Condition, values: Array) -> NDArray[np.bool_]:
    known, values = _known(values)
    if condition.comparison == "in":
        wanted = [_value(text, values, condition) for text in condition.values]
        return np.asarray(known & np.logical_or.reduce([values == one for one in wanted]))
    value = _value(condition.values[0], values, condition)
    found = np.asarray(COMPARISONS[condition.comparison](values, value), dtype=np.bool_)
    return found | ~known if condition.comparison == "!=" else found & known


def _known(values: Array) -> tuple[NDArray[np.bool_], Array]:
    """Which values are there, and all of them as numbers, booleans or strings."""
    if values.dtype.kind == "f":
        return ~np.isnan(values), values
    if values.dtype.kind in "biu":
        return np.ones(len(values), dtype=np.bool_), values
    listed = values.tolist()
    known = np.array([value is not None and value == value for value in listed], dtype=np.bool_)
    kept = [value for value, is_known in zip(listed, known.tolist(), strict=True) if is_known]
    if kept and all(isinstance(value, (int, float)) for value in kept):
        return known, np.array(
            [float(value) if is_known else 0.0 for value, is_known in zip(listed, known, strict=True)]
        )
    texts = [value.decode(errors="replace") if isinstance(value, bytes) else str(value) for value in listed]
    return known, np.array(texts, dtype=np.str_)


def _value(text: str, values: Array, condition: Condition) -> object:
    """The text as the column's type."""
    if values.dtype.kind == "U":
        if condition.comparison in ("<", "<=", ">", ">="):
            raise UsageError(
                f"Column {condition.column!r} holds text, which {condition.comparison} does not order.",
                hint="Use ==, != or in.",
            )
        return text
    if values.dtype.kind == "b" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        kind = "true or false" if values.dtype.kind == "b" else "numbers"
        raise UsageError(
            f"Column {condition.column!r} holds {kind}; {text!r} is none.",
            hint=f"Compare it with one, such as {condition.column} == {'true' if kind != 'numbers' else 1}.",
        ) from None


def _by_value(name: str, column: Array) -> dict[str, NDArray[np.bool_]]:
    known, values = _known(column)
    distinct = np.unique(values[known])
    if distinct.size <= MOST_VALUES:
        return {f"{name} == {_shown(value)}": known & (values == value) for value in distinct}
    if values.dtype.kind == "U":
        raise UsageError(
            f"Column {name!r} has {distinct.size} different texts; a slice for each is made up to {MOST_VALUES}.",
            hint=f"Name some: {name} in ({distinct[0]}, {distinct[1]}).",
        )
    return _by_quartile(name, known, values)


def _by_quartile(name: str, known: NDArray[np.bool_], values: Array) -> dict[str, NDArray[np.bool_]]:
    """Parts of about equally many rows; equal quartiles are one."""
    cuts = np.unique(np.quantile(values[known].astype(np.float64), [0.25, 0.5, 0.75], method="inverted_cdf"))
    part = np.searchsorted(cuts, values, side="left")
    shown = [f"{cut:g}" for cut in cuts.tolist()]
    names = [
        f"{name} <= {shown[0]}",
        *(f"{low} < {name} <= {high}" for low, high in pairwise(shown)),
        f"{name} > {shown[-1]}",
    ]
    return {label: known & (part == index) for index, label in enumerate(names)}


def _shown(value: object) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "true" if value else "false"
    return f"{value:g}" if isinstance(value, (float, np.floating)) else str(value)
