"""Loads a fitted scikit-learn model: skops files, and pickles (joblib's too) where the user trusts them."""

from __future__ import annotations

import importlib
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from ..frameworks.sklearn_model import Model, all_parts
from ..frameworks.skops_types import is_harmless
from ..frameworks.table_inputs import Table, table_of
from ..loading import require, versions_of
from ..wire import TaskError, blame, progress, summarize

_PICKLE = (
    "The file is a pickle (joblib writes them too), which runs any code that it holds when it is read; "
    "it would have to be trusted."
)
_SAVE_SKOPS = (
    "Save it with skops.io.dump(model, 'model.skops'), or say --trust where you know who made the file."
)


def load(path: Path, settings: Mapping[str, Any]) -> Model:
    """`settings`: `trust`, and `inputs` where the user told them.

    Raises `source.unsupported`, `source.damaged`, `environment.missing`.
    """
    trust = bool(settings.get("trust"))
    is_skops = zipfile.is_zipfile(path)
    if not is_skops and not trust:
        raise TaskError("source.unsupported", _PICKLE, hint=_SAVE_SKOPS)
    reader = {"skops": "skops>=0.11,<1"} if is_skops else {"joblib": "joblib"}
    require({"sklearn": "scikit-learn>=1.5,<2", **reader})
    progress("loading the model")
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        model = _read_skops(path, trust=trust) if is_skops else _read_pickle(path)
    _say_versions(found)
    model = getattr(model, "best_estimator_", model)  # a search is what it found
    _require_fitted(model)
    _require_sound_trees(model)
    table = table_of(model, settings.get("inputs") or ())
    if table.is_frame:
        require({"pandas": "pandas>=2.2,<4"})
    return _answering(model, table)


def _read_skops(path: Path, *, trust: bool) -> Any:  # noqa: ANN401 - an estimator
    skops = importlib.import_module("skops.io")
    with blame("source.damaged", "skops cannot read the file"):
        unknown = skops.get_untrusted_types(file=path)
    foreign = [name for name in unknown if not is_harmless(name)]
    if foreign and not trust:
        raise TaskError(
            "source.unsupported",
            f"The file holds types that would have to be trusted: {', '.join(foreign)}.",
            hint="Build the model of scikit-learn's own parts, or say --trust where you know who made the file.",
        )
    if foreign:
        progress(f"trusting {', '.join(foreign)}")
    with _loading():
        return skops.load(path, trusted=unknown)


def _read_pickle(path: Path) -> Any:  # noqa: ANN401 - an estimator
    progress("trusting the file: reading a pickle runs the code in it")
    with _loading():
        return importlib.import_module("joblib").load(path)


@contextmanager
def _loading() -> Iterator[None]:
    """Tells a missing module and another version of scikit-learn from a damaged file."""
    version = versions_of(("scikit-learn",)).get("scikit-learn", "")
    try:
        with blame("source.damaged", f"scikit-learn {version} cannot load the file"):
            yield
    except TaskError as error:
        cause = error.__cause__
        if isinstance(cause, ModuleNotFoundError):
            raise TaskError(
                "environment.missing",
                f"The model needs the module {cause.name}, which the child's Python does not have.",
                packages=(str(cause.name).split(".")[0],),
            ) from cause
        if isinstance(cause, (AttributeError, ImportError)):
            raise TaskError(
                "source.unsupported",
                f"scikit-learn {version} does not have what the file names: {summarize(cause)}",
                hint="Use the environment that it was saved in: --python PATH.",
            ) from cause
        raise


def _say_versions(found: list[warnings.WarningMessage]) -> None:
    """scikit-learn promises nothing for a model that another version saved, so it is said, once."""
    for warning in found:
        saved = getattr(warning.message, "original_sklearn_version", None)
        if saved is not None:
            here = versions_of(("scikit-learn",)).get("scikit-learn", "")
            progress(
                f"the model was saved by scikit-learn {saved} and is read by {here}, which may answer otherwise; "
                "--python PATH uses the environment that it was saved in"
            )
            return


def _require_fitted(model: Any) -> None:  # noqa: ANN401 - an estimator
    validation = importlib.import_module("sklearn.utils.validation")
    if not hasattr(model, "fit"):
        raise TaskError(
            "source.unsupported",
            f"The file holds a {type(model).__name__}; expected a fitted scikit-learn estimator.",
            hint="Save the estimator itself.",
        )
    try:
        validation.check_is_fitted(model)
    except importlib.import_module("sklearn.exceptions").NotFittedError as error:
        raise TaskError(
            "source.unsupported",
            f"The model ({type(model).__name__}) was never fitted.",
            hint="Call its fit method before saving it.",
        ) from error


def _require_sound_trees(model: Any) -> None:  # noqa: ANN401 - as above
    """Raises `source.damaged` for a tree with a node outside of it: scikit-learn walks trees without checks."""
    for part in all_parts(model):
        tree = getattr(part, "tree_", None)
        if tree is not None:
            nodes = (tree.children_left, tree.children_right, tree.feature)
            _check_tree(*nodes, features=int(tree.n_features), is_leaf=tree.children_left == -1)
        for predictor in np.ravel(getattr(part, "_predictors", ())).tolist():
            node = predictor.nodes
            is_leaf = node["is_leaf"].astype(bool)
            features = int(part._n_features if hasattr(part, "_n_features") else part.n_features_in_)
            _check_tree(node["left"], node["right"], node["feature_idx"], features=features, is_leaf=is_leaf)


def _check_tree(
    left: np.ndarray, right: np.ndarray, feature: np.ndarray, *, features: int, is_leaf: np.ndarray
) -> None:
    """A child comes after its parent in every tree that scikit-learn grows, so a walk ends."""
    inner = ~is_leaf
    places = np.arange(len(left))[inner]
    sound = len(left) > 0 and all(
        bool((side[inner].astype(np.int64) > places).all() and (side[inner] < len(left)).all())
        for side in (left, right)
    )
    if not sound or not bool(((feature[inner] >= 0) & (feature[inner] < features)).all()):
        raise TaskError(
            "source.damaged",
            "A decision tree in the file points outside of itself.",
            hint="scikit-learn grows no such tree; do not trust this file.",
        )


def _answering(model: Any, table: Table) -> Model:  # noqa: ANN401 - an estimator
    found = Model(model, table)
    with blame(
        "source.unsupported",
        "scikit-learn cannot run the model on a row like those that it was trained on",
        hint="Say what goes in with --input where the dtypes are others than the model's parts tell.",
    ):
        found.output_specs  # noqa: B018 - asked once here, so that a model that cannot answer says so at once
    return found
