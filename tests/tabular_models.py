"""Trains the small models on tables of the tests: `python tabular_models.py FOLDER`, as the fixture does.

Every model is trained on data that ships in scikit-learn or on a small generated frame. `NAME.skops`, `.json`,
`.ubj`, `.txt` or `.joblib` has the model, `NAME.npz` rows that it was not trained on and, for some, `labels`.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas
import skops.io
import xgboost
from sklearn import (
    cluster,
    compose,
    datasets,
    decomposition,
    ensemble,
    feature_extraction,
    impute,
    kernel_approximation,
    linear_model,
    mixture,
    multioutput,
    naive_bayes,
    neural_network,
    pipeline,
    preprocessing,
    svm,
)

COLORS = ("red", "green", "blue")
REVIEWS = (
    ("a fine and gentle film", 1),
    ("gentle, warm and clever", 1),
    ("clever fun, a joy", 1),
    ("what a joy to watch", 1),
    ("dull and far too long", 0),
    ("too long, too loud", 0),
    ("loud, dull, a waste", 0),
    ("Äußerst schön, a FÊTE", 1),
    ("une fête très ÉLÉGANTE", 1),
    ("déjà VU, très long", 0),
    ("a waste of an evening", 0),
)


def scaled(model: Any) -> pipeline.Pipeline:
    return pipeline.make_pipeline(preprocessing.StandardScaler(), model)


def vote(voting: str) -> Any:
    members = [("linear", scaled(linear_model.LogisticRegression())), ("bayes", naive_bayes.GaussianNB())]
    return ensemble.VotingClassifier(members, voting=voting)


def split(load: Any) -> tuple[Any, Any, Any, Any]:
    """Every fourth row is kept from training."""
    rows, labels = load(return_X_y=True)
    kept = np.arange(len(rows)) % 4 == 0
    return rows[~kept], labels[~kept], rows[kept].astype(np.float32), labels[kept]


def plain_models() -> dict[str, tuple[Any, Any]]:
    """Name → estimator, data set."""
    cancer, wine, diabetes = datasets.load_breast_cancer, datasets.load_wine, datasets.load_diabetes
    return {
        "logistic": (scaled(linear_model.LogisticRegression()), cancer),
        "forest": (ensemble.RandomForestClassifier(20, random_state=0), wine),
        "boosting": (ensemble.GradientBoostingClassifier(n_estimators=20, random_state=0), wine),
        "hist": (ensemble.HistGradientBoostingClassifier(max_iter=20, random_state=0), cancer),
        "hist-regression": (ensemble.HistGradientBoostingRegressor(max_iter=20, random_state=0), diabetes),
        "hist-counts": (ensemble.HistGradientBoostingRegressor(max_iter=20, loss="poisson"), diabetes),
        "vote": (vote("soft"), wine),
        "hard-vote": (vote("hard"), wine),
        "naive-bayes": (naive_bayes.GaussianNB(), wine),
        "mixture": (scaled(mixture.GaussianMixture(3, covariance_type="diag", random_state=0)), wine),
        "ada": (ensemble.AdaBoostClassifier(n_estimators=10, random_state=0), wine),
        "svc": (scaled(svm.SVC(random_state=0)), wine),
        "svc-binary": (scaled(svm.SVC(random_state=0)), cancer),
        "linear-svc": (scaled(svm.LinearSVC(random_state=0)), cancer),
        "mlp": (scaled(neural_network.MLPClassifier((16,), max_iter=60, random_state=0)), wine),
        "ridge": (scaled(linear_model.Ridge()), diabetes),
        "forest-regression": (ensemble.RandomForestRegressor(20, random_state=0), diabetes),
        "kmeans": (scaled(cluster.KMeans(3, n_init=1, random_state=0)), wine),
        "pca": (scaled(decomposition.PCA(4, random_state=0)), wine),
        "outliers": (ensemble.IsolationForest(n_estimators=10, random_state=0), wine),
    }


def build_plain(folder: Path) -> None:
    for name, (model, load) in plain_models().items():
        rows, labels, kept, kept_labels = split(load)
        model.fit(rows, labels)
        skops.io.dump(model, folder / f"{name}.skops")
        np.savez(folder / f"{name}.npz", x=kept, labels=kept_labels)
    rows, labels, kept, _ = split(datasets.load_diabetes)
    several = np.stack([labels, labels[::-1], labels * 2], axis=1)
    model = multioutput.MultiOutputRegressor(linear_model.Ridge()).fit(rows, several)
    skops.io.dump(model, folder / "several.skops")
    np.savez(folder / "several.npz", x=kept)
    rows, labels, kept, _ = split(datasets.load_wine)
    named = ensemble.ExtraTreesClassifier(10, random_state=0).fit(rows, np.array(COLORS)[labels])
    skops.io.dump(named, folder / "string-labels.skops")
    np.savez(folder / "string-labels.npz", x=kept)


def frame(rows: int, seed: int) -> tuple[pandas.DataFrame, np.ndarray]:
    """Strings, whole numbers and fractions, and whether the customer came back."""
    random = np.random.default_rng(seed)
    found = pandas.DataFrame(
        {
            "color": random.choice(COLORS, rows),
            "city of birth": random.choice(["Oslo", "Łódź", "São Paulo"], rows),
            "visits": random.integers(0, 5, rows),
            "age": random.normal(40, 12, rows),
            "unused": random.normal(0, 1, rows),
            "income": random.lognormal(10, 0.4, rows),
        }
    )
    score = (found["color"] == "red") * 1.5 + found["visits"] * 0.4 + (found["age"] - 40) / 20 - 1
    return found, (score + random.normal(0, 0.4, rows) > 0).to_numpy().astype(int)


def build_mixed(folder: Path) -> None:
    found, labels = frame(300, 0)
    strings = pipeline.make_pipeline(
        impute.SimpleImputer(strategy="most_frequent"), preprocessing.OneHotEncoder(handle_unknown="ignore")
    )
    model = pipeline.make_pipeline(
        compose.ColumnTransformer(
            [
                ("strings", strings, ["color", "city of birth"]),
                ("counts", preprocessing.OneHotEncoder(handle_unknown="ignore"), ["visits"]),
                ("numbers", preprocessing.StandardScaler(), ["age", "income"]),
            ]
        ),
        linear_model.LogisticRegression(),
    ).fit(found, labels)
    skops.io.dump(model, folder / "mixed.skops")
    joblib.dump(model, folder / "mixed.joblib")
    found_by_place = pipeline.make_pipeline(
        compose.ColumnTransformer(
            [
                ("strings", preprocessing.OneHotEncoder(), [0]),
                ("numbers", preprocessing.StandardScaler(), [2]),
            ]
        ),
        linear_model.LogisticRegression(),
    ).fit(found[["color", "visits", "age"]].to_numpy(), labels)
    skops.io.dump(found_by_place, folder / "by-place.skops")
    kept, kept_labels = frame(60, 1)
    columns = {
        name: kept[[name]].to_numpy().astype(str if name in ("color", "city of birth") else np.float32)
        for name in ("color", "city of birth", "age", "income")
    }
    np.savez(folder / "by-place.npz", x0=columns["color"], x2=columns["age"])
    visits = kept[["visits"]].to_numpy().astype(np.int64)
    np.savez(folder / "mixed.npz", labels=kept_labels, visits=visits, **columns)


def build_text(folder: Path) -> None:
    texts, labels = zip(*REVIEWS, strict=True)
    model = pipeline.make_pipeline(
        feature_extraction.text.TfidfVectorizer(), linear_model.LogisticRegression()
    ).fit(texts, labels)
    skops.io.dump(model, folder / "text.skops")
    kept = np.array([*texts, "a clever waste", "ÄUSSERST SCHÖN, long", "DÉJÀ vu élégante"])[:, None]
    np.savez(folder / "text.npz", text=kept)


def build_faulty(folder: Path) -> None:
    rows, labels, _, _ = split(datasets.load_wine)
    skops.io.dump(linear_model.LogisticRegression(), folder / "unfitted.skops")
    skops.io.dump(cluster.DBSCAN().fit(rows), folder / "cannot-predict.skops")
    features = pipeline.make_pipeline(kernel_approximation.RBFSampler(), linear_model.LogisticRegression())
    skops.io.dump(features.fit(rows, labels), folder / "features.skops")


def xgboost_models() -> Mapping[str, tuple[Any, Any]]:
    few: Mapping[str, Any] = {"n_estimators": 20, "max_depth": 3, "n_jobs": 1}
    cancer, wine, diabetes = datasets.load_breast_cancer, datasets.load_wine, datasets.load_diabetes
    return {
        "binary": (xgboost.XGBClassifier(**few), cancer),
        "multi": (xgboost.XGBClassifier(**few), wine),
        "softmax": (xgboost.XGBClassifier(**few, objective="multi:softmax"), wine),
        "regression": (xgboost.XGBRegressor(**few), diabetes),
        "poisson": (xgboost.XGBRegressor(**few, objective="count:poisson"), diabetes),
        "base-score": (xgboost.XGBClassifier(**few, base_score=0.2), cancer),
        "shares": (xgboost.XGBRegressor(**few, objective="reg:logistic"), cancer),
        "dart": (xgboost.XGBRegressor(**few, booster="dart", rate_drop=0.3), diabetes),
        "linear": (xgboost.XGBRegressor(n_estimators=20, booster="gblinear"), diabetes),
    }


def build_xgboost(folder: Path) -> None:
    for name, (model, load) in xgboost_models().items():
        rows, labels, kept, kept_labels = split(load)
        model.fit(rows, labels).save_model(folder / f"xgb-{name}.json")
        np.savez(
            folder / f"xgb-{name}.npz", x=kept if name == "multi" else with_missing(kept), labels=kept_labels
        )
    rows, labels, kept, kept_labels = split(datasets.load_breast_cancer)
    early = xgboost.XGBClassifier(n_estimators=200, early_stopping_rounds=3, n_jobs=1)
    early.fit(rows, labels, eval_set=[(kept, kept_labels)], verbose=False).save_model(
        folder / "xgb-early.ubj"
    )
    np.savez(folder / "xgb-early.npz", x=kept, labels=kept_labels)
    np.savez(folder / "xgb-early-expected.npz", probabilities=early.predict_proba(kept))
    found, answers = categories(300)
    several = xgboost.XGBRegressor(n_estimators=10, n_jobs=1, multi_strategy="one_output_per_tree")
    several.fit(rows, np.stack([labels, 1 - labels], axis=1)).save_model(folder / "xgb-several.json")
    np.savez(folder / "xgb-several.npz", x=kept)
    chosen = xgboost.XGBClassifier(n_estimators=10, enable_categorical=True, max_cat_to_onehot=1, n_jobs=1)
    chosen.fit(found, answers).save_model(folder / "xgb-categories.json")
    np.savez(folder / "xgb-categories.npz", x=codes(found))


def lightgbm_models() -> Mapping[str, tuple[Any, Any]]:
    few: Mapping[str, Any] = {"n_estimators": 20, "num_leaves": 8, "n_jobs": 1, "verbosity": -1}
    cancer, wine, diabetes = datasets.load_breast_cancer, datasets.load_wine, datasets.load_diabetes
    sampled: Mapping[str, Any] = {"bagging_freq": 1, "bagging_fraction": 0.7}
    return {
        "binary": (lightgbm.LGBMClassifier(**few), cancer),
        "multi": (lightgbm.LGBMClassifier(**few), wine),
        "regression": (lightgbm.LGBMRegressor(**few), diabetes),
        "poisson": (lightgbm.LGBMRegressor(**few, objective="poisson"), diabetes),
        "forest": (lightgbm.LGBMRegressor(**few, boosting_type="rf", **sampled), diabetes),
        "dart": (lightgbm.LGBMClassifier(**few, boosting_type="dart"), cancer),
        "zeros": (lightgbm.LGBMRegressor(**few, zero_as_missing=True), diabetes),
    }


def build_lightgbm(folder: Path) -> None:
    for name, (model, load) in lightgbm_models().items():
        rows, labels, kept, kept_labels = split(load)
        model.fit(rows, labels).booster_.save_model(folder / f"lgbm-{name}.txt")
        np.savez(
            folder / f"lgbm-{name}.npz", x=kept if name == "multi" else with_missing(kept), labels=kept_labels
        )
    found, answers = categories(300)
    model = lightgbm.LGBMClassifier(n_estimators=10, min_child_samples=5, n_jobs=1, verbosity=-1)
    model.fit(found, answers).booster_.save_model(folder / "lgbm-categories.txt")
    np.savez(folder / "lgbm-categories.npz", x=codes(found))


def categories(rows: int) -> tuple[pandas.DataFrame, np.ndarray]:
    found, _ = frame(rows, 2)
    found = found[["color", "age"]].astype({"color": "category"})
    return found, (found["color"].cat.codes == 1).to_numpy().astype(int)


def codes(found: pandas.DataFrame) -> np.ndarray:
    return np.stack([found["color"].cat.codes, found["age"]], axis=1).astype(np.float32)


def with_missing(rows: np.ndarray) -> np.ndarray:
    """Some values that nobody measured, which boosted trees take."""
    gaps = rows.copy()
    gaps[::5, ::3] = np.nan
    return gaps


if __name__ == "__main__":
    into = Path(sys.argv[1])
    warnings.simplefilter("ignore")
    for build in (build_plain, build_mixed, build_text, build_faulty, build_xgboost, build_lightgbm):
        build(into)
