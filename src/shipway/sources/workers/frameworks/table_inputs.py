"""What a fitted scikit-learn model takes: one array of numbers, or one input per column of a table.

scikit-learn stores names and counts of columns, not their dtypes; what a model's first steps learned tells those
(an encoder's categories are strings or whole numbers, a scaler's columns are numbers). Nothing is run here.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..loaded import Arrays
from ..wire import TaskError

_ENCODED = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
_TEXT = ("CountVectorizer", "TfidfVectorizer", "HashingVectorizer")
_HINT = "Say what goes in with --input, for example --input 'x=FP32[batch,13]'."


@dataclass(frozen=True)
class Column:
    """One column of a table. `example` is a value that the model knows."""

    name: str
    dtype: str
    example: Any
    is_used: bool = True


@dataclass(frozen=True)
class Table:
    """How named arrays become what the estimator takes, and which arrays they are."""

    columns: tuple[Column, ...]
    one_input: str = ""
    """The name of the one input that holds all columns; empty: one input `[batch, 1]` per column."""
    is_frame: bool = False
    """The estimator picks columns by their names."""
    is_text: bool = False
    """The estimator takes a list of strings."""

    @property
    def specs(self) -> list[dict[str, Any]]:
        """The model's inputs."""
        if self.one_input:
            shape = ["batch", len(self.columns)]
            return [{"name": self.one_input, "dtype": self.columns[0].dtype, "shape": shape}]
        used = [column for column in self.columns if column.is_used]
        return [{"name": column.name, "dtype": column.dtype, "shape": ["batch", 1]} for column in used]

    def examples(self, rows: int = 2) -> Arrays:
        """Arrays that the model can take."""
        if self.one_input:
            row = [column.example for column in self.columns]
            return {self.one_input: np.array([row] * rows, dtype=_numpy(self.columns[0].dtype))}
        return {
            column.name: np.array([[column.example]] * rows, dtype=_numpy(column.dtype))
            for column in self.columns
            if column.is_used
        }

    def assemble(self, arrays: Arrays) -> Any:  # noqa: ANN401 - an array or a frame
        """What the estimator's methods take; fractions as float64."""
        found = {name: _plain(array) for name, array in arrays.items()}
        if self.is_text:
            return next(iter(found.values()))[:, 0]
        if self.one_input:
            return found[self.one_input]
        rows = len(next(iter(found.values())))
        nothing = np.zeros((rows, 1))
        columns = {column.name: found.get(column.name, nothing) for column in self.columns}
        if self.is_frame:
            pandas = importlib.import_module("pandas")
            return pandas.DataFrame(
                {name: pandas.Series(array[:, 0], dtype=array.dtype) for name, array in columns.items()}
            )
        kinds = {array.dtype.kind for array in columns.values()}
        common: type = object if "O" in kinds else np.float64
        return np.concatenate([array.astype(common) for array in columns.values()], axis=1)


def table_of(model: Any, told: Sequence[Mapping[str, Any]]) -> Table:  # noqa: ANN401 - an estimator
    """The columns of a fitted model; `told` are the inputs as the user has them, if they do.

    Raises `source.unsupported` for a model that does not say how many columns it takes.
    """
    known = dict(_kinds(model))
    count = getattr(model, "n_features_in_", None)
    is_text = count is None and any(kind.is_text for kind in known.values())
    if count is None and not is_text:
        if not told:
            raise TaskError(
                "source.unsupported",
                f"{type(model).__name__} does not say how many columns it takes.",
                hint=_HINT,
            )
        count = sum(int(spec["shape"][-1]) for spec in told)
    names = list(getattr(model, "feature_names_in_", ()))
    is_frame = bool(names) and _picks_by_name(model)
    columns = tuple(
        _column(
            names[n] if names else "text" if is_text else f"x{n}",
            known.get(n),
            is_used=n in known or not known,
        )
        for n in range(count or 1)
    )
    alike = len({column.dtype for column in columns}) == 1
    one = "text" if is_text else "x" if alike and not is_frame else ""
    found = Table(columns, one_input=one, is_frame=is_frame, is_text=is_text)
    return _as_told(found, told) if told else found


@dataclass(frozen=True)
class _Kind:
    dtype: str = "float32"
    example: Any = 0.0
    is_text: bool = False


def _column(name: str, kind: _Kind | None, *, is_used: bool) -> Column:
    found = kind or _Kind()
    return Column(str(name), found.dtype, found.example, is_used=is_used)


def _kinds(estimator: Any) -> Iterator[tuple[int, _Kind]]:  # noqa: ANN401 - an estimator
    """(column, what it holds) of the columns that are used; a later one of the same column overrides."""
    name = type(estimator).__name__
    members = list(_members(estimator))
    if members:
        found: dict[int, _Kind] = {}
        for member, places in members:
            for column, kind in _kinds(member):
                place = column if places is None else places[column]
                if kind.dtype != "float32" or place not in found:
                    found[place] = kind
        yield from found.items()
    elif name in _TEXT:
        yield 0, _Kind("string", "", is_text=True)
    elif name in _ENCODED:
        yield from ((n, _kind_of(values)) for n, values in enumerate(estimator.categories_))
    elif name == "SimpleImputer" and estimator.statistics_.dtype.kind == "O":
        yield from ((n, _Kind("string", str(value))) for n, value in enumerate(estimator.statistics_))
    else:
        yield from ((n, _Kind()) for n in range(getattr(estimator, "n_features_in_", 0)))


def _members(estimator: Any) -> Iterator[tuple[Any, list[int] | None]]:  # noqa: ANN401 - as above
    """Estimators that get the columns as they come, with the places of those that they get (None: all)."""
    if hasattr(estimator, "steps"):
        first = next((step for _, step in estimator.steps if not isinstance(step, str)), None)
        if first is not None:
            yield first, None
    elif hasattr(estimator, "transformers_"):
        for name, transformer, _ in estimator.transformers_:
            places = list(estimator._transformer_to_input_indices.get(name, ()))
            if isinstance(transformer, str):
                if transformer != "drop":
                    yield _PassedOn(len(places)), places
            else:
                yield transformer, places
    elif hasattr(estimator, "transformer_list"):
        yield from ((member, None) for _, member in estimator.transformer_list if not isinstance(member, str))
    elif getattr(estimator, "_preprocessor", None) is not None:  # of gradient boosting on categories
        yield estimator._preprocessor, None
    elif hasattr(estimator, "named_estimators_"):
        yield from ((member, None) for member in estimator.named_estimators_.values() if member != "drop")


@dataclass(frozen=True)
class _PassedOn:
    """Stands for the columns that a `ColumnTransformer` passes on."""

    n_features_in_: int


def _kind_of(values: np.ndarray) -> _Kind:
    """What an encoder's categories are of."""
    texts = [value for value in values.tolist() if isinstance(value, str)]
    if texts:
        return _Kind("string", texts[0])
    if values.dtype.kind in "iub":
        return _Kind("int64", int(values[0]))
    return _Kind("float32", next((float(v) for v in values.tolist() if v is not None and v == v), 0.0))


def _picks_by_name(estimator: Any) -> bool:  # noqa: ANN401 - as above
    if hasattr(estimator, "transformers_"):
        return hasattr(estimator, "feature_names_in_")
    return any(_picks_by_name(member) for member, _ in _members(estimator))


def _as_told(found: Table, told: Sequence[Mapping[str, Any]]) -> Table:
    """The user's names and dtypes in place of the found ones. Raises `data.mismatch` where they do not fit."""
    width = sum(int(spec["shape"][-1]) if len(spec["shape"]) > 1 else 1 for spec in told)
    used = [column for column in found.columns if column.is_used]
    if width not in (len(found.columns), len(used)) or (len(told) > 1 and width != len(told)):
        raise TaskError(
            "data.mismatch",
            f"The model takes {len(used)} columns ({', '.join(c.name for c in used[:20])}); "
            f"--input names {width} in {len(told)} inputs.",
            hint="Give one input [batch, columns], or one [batch, 1] for each column.",
        )
    if len(told) == 1 and (found.one_input or width == 1):
        dtype = str(told[0]["dtype"])
        columns = tuple(Column(c.name, dtype, _example(c, dtype)) for c in found.columns)
        return Table(columns, str(told[0]["name"]), found.is_frame, found.is_text)
    by_name = {str(spec["name"]): str(spec["dtype"]) for spec in told}
    unknown = set(by_name) - {column.name for column in found.columns}
    if unknown and found.is_frame:
        raise TaskError(
            "data.mismatch",
            f"The model has no column {', '.join(sorted(unknown))}; it has "
            f"{', '.join(column.name for column in used)}.",
        )
    names = [
        column.name if found.is_frame else str(told[n]["name"]) for n, column in enumerate(found.columns)
    ]
    return Table(
        tuple(
            Column(name, dtype := by_name.get(name, column.dtype), _example(column, dtype), column.is_used)
            for name, column in zip(names, found.columns, strict=True)
        ),
        is_frame=found.is_frame,
    )


def _example(column: Column, dtype: str) -> Any:  # noqa: ANN401 - a string or a number
    return column.example if dtype == column.dtype else "" if dtype == "string" else 0


def _plain(array: np.ndarray) -> np.ndarray:
    """Strings as objects, fractions as float64."""
    if array.dtype.kind in "US":
        return array.astype(str).astype(object)
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _numpy(dtype: str) -> Any:  # noqa: ANN401 - a dtype
    return object if dtype == "string" else np.dtype(dtype)
