"""Labelled data in each format goes the whole line, and gives the figures that the same rows give as `.npz`."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.reference
import pandas
import pytest
import skops.io
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_digits, load_wine
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, RidgeClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from shipway.cli.app import run as run_here


@pytest.fixture
def shipway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys):
    """Runs a command in the test's folder and gives its document, when it ends well."""
    monkeypatch.setattr("shipway.actions.check._SPEED_SECONDS", 0.15)
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> dict[str, Any]:
        code = run_here([*arguments, "--json"])
        out, err = capsys.readouterr()
        assert code == 0, err
        return json.loads(out)

    return command


def figures(document: dict[str, Any]) -> dict[str, Any]:
    """What the rows and their labels decide: figures with intervals, sections, and how the rows split."""
    parts = document["data"]["parts"]
    return {
        "metrics": document["metrics"],
        "evaluation": document["evaluation"],
        "parts": {name: part["rows"] for name, part in parts.items()},
    }


def graph(path: Path, nodes: list, inputs: list, outputs: list, weights: dict[str, np.ndarray]) -> Path:
    made = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


@pytest.fixture
def wine(tmp_path: Path) -> tuple[np.ndarray, np.ndarray]:
    """`wine.onnx`, of 13 numbers a row, and rows that it was not trained on, also as `wine.npz`."""
    rows, labels = load_wine(return_X_y=True)
    rows = rows.astype(np.float32)
    kept = np.arange(len(rows)) % 2 == 0
    scaler = StandardScaler().fit(rows[~kept])
    fitted = LogisticRegression().fit(scaler.transform(rows[~kept]), labels[~kept])
    nodes = [
        helper.make_node("Sub", ["x", "mean"], ["centered"]),
        helper.make_node("Div", ["centered", "scale"], ["scaled"]),
        helper.make_node("Gemm", ["scaled", "w", "b"], ["z"]),
        helper.make_node("Softmax", ["z"], ["y"], axis=-1),
    ]
    weights = {"mean": scaler.mean_, "scale": scaler.scale_, "w": fitted.coef_.T, "b": fitted.intercept_}
    graph(tmp_path / "wine.onnx", nodes, [("x", ["batch", 13])], [("y", ["batch", 3])], weights)
    np.savez(tmp_path / "wine.npz", x=rows[kept], y=labels[kept])
    return rows[kept], labels[kept]


def frame(rows: np.ndarray, labels: np.ndarray) -> pandas.DataFrame:
    names = [name.replace("/", " of ") for name in load_wine().feature_names]
    return pandas.DataFrame(rows, columns=names).assign(label=labels)


def test_a_table_whose_columns_are_the_one_input(wine, shipway, tmp_path: Path) -> None:
    frame(*wine).to_csv(tmp_path / "wine.csv", index=False, quoting=csv.QUOTE_MINIMAL)
    deployed = shipway("deploy", "wine.onnx", "--data", "wine.csv", "--port", "0", "--once")
    assert deployed["result"] == "PASS"
    assert deployed["metrics"]["accuracy"]["value"] > 0.9
    for data in ("wine.csv", "wine.npz"):
        found = shipway("evaluate", "wine.bundle", "--data", data, "--report", f"{data}.html")
        assert figures(found) == figures(deployed)
    assert "alcohol: " in (tmp_path / "wine.csv.html").read_text(encoding="utf-8")


def test_parquet_with_names_of_classes_and_a_column_to_slice_by(wine, shipway, tmp_path: Path) -> None:
    rows, labels = wine
    names = np.array(["Barolo", "Grignolino", "Barbera"])
    table = frame(rows, labels).assign(kind=names[labels]).drop(columns="label")
    table.to_parquet(tmp_path / "wine.parquet")
    np.savez(tmp_path / "wine.npz", x=rows, kind=names[labels], alcohol=rows[:, 0])
    shipway("export", "wine.onnx", "--out", "wine.bundle", "--data", "wine.npz")
    asked = ("--label", "kind", "--classes", ",".join(names), "--slice", "alcohol > 13")
    found = shipway("evaluate", "wine.bundle", "--data", "wine.parquet", *asked)
    assert found["evaluation"]["classes"] == list(names)
    assert found["evaluation"]["slices"][0]["rows"] == int((rows[:, 0] > 13).sum())
    assert found["metrics"]["accuracy"]["value"] > 0.9
    assert figures(found) == figures(shipway("evaluate", "wine.bundle", "--data", "wine.npz", *asked))


BATCHES = """
from pathlib import Path
import numpy
def batches():
    stored = numpy.load(Path(__file__).with_name("wine.npz"))
    for start in range(0, len(stored["x"]), 20):
        yield stored["x"][start : start + 20], stored["y"][start : start + 20]
"""


@pytest.mark.usefixtures("wine")
def test_batches_of_the_users_own_function(shipway, tmp_path: Path) -> None:
    (tmp_path / "rows.py").write_text(BATCHES, encoding="utf-8")
    deployed = shipway("deploy", "wine.onnx", "--data", "rows.py:batches", "--port", "0", "--once")
    assert deployed["result"] == "PASS"
    assert figures(deployed) == figures(shipway("evaluate", "wine.bundle", "--data", "wine.npz"))


def convolution(tmp_path: Path, rows: np.ndarray, labels: np.ndarray) -> None:
    """`cnn.onnx`: filters of edges, `[batch, 3, 8, 8]` in 0..1, and a linear layer fitted on what they see."""
    kernels = np.random.default_rng(0).normal(size=(6, 3, 3, 3)).astype(np.float32)
    nodes = [
        helper.make_node("Conv", ["image", "kernels"], ["seen"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["seen"], ["edges"]),
        helper.make_node("AveragePool", ["edges"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
    ]
    image = [("image", ["batch", 3, 8, 8])]
    path = graph(tmp_path / "cnn.onnx", nodes, image, [("features", ["batch", 96])], {"kernels": kernels})
    features = onnx.reference.ReferenceEvaluator(str(path)).run(None, {"image": rows})[0]
    fitted = RidgeClassifier().fit(features, labels)
    nodes += [
        helper.make_node("Gemm", ["features", "w", "b"], ["z"]),
        helper.make_node("Softmax", ["z"], ["y"], axis=-1),
    ]
    weights = {"kernels": kernels, "w": 5 * fitted.coef_.T, "b": 5 * fitted.intercept_}
    graph(path, nodes, image, [("y", ["batch", 10])], weights)


def test_a_folder_of_images_by_class(shipway, tmp_path: Path) -> None:
    digits = load_digits()
    gray = (digits.images * (255 / 16)).round().astype(np.uint8)[:900, ..., None]
    colors = (gray * np.array([1.0, 0.6, 0.2])).round().astype(np.uint8)
    labels = digits.target[:900]
    as_trained = np.moveaxis(colors, -1, 1).astype(np.float32) / np.float32(255)
    convolution(tmp_path, as_trained[:700], labels[:700])
    kept = sorted(range(700, 900), key=lambda row: (labels[row], row))  # as the folder lists them
    for row in kept:
        (tmp_path / "images" / str(labels[row])).mkdir(parents=True, exist_ok=True)
        Image.fromarray(colors[row]).save(tmp_path / "images" / str(labels[row]) / f"{row}.png")
    np.savez(tmp_path / "rows.npz", x=as_trained[kept], y=labels[kept])
    deployed = shipway("deploy", "cnn.onnx", "--data", "images", "--pixels", "0..1", "--port", "0", "--once")
    assert deployed["result"] == "PASS"
    assert deployed["metrics"]["accuracy"]["value"] > 0.8
    assert figures(deployed) == figures(shipway("evaluate", "cnn.bundle", "--data", "rows.npz"))


def customers(rows: int, seed: int) -> tuple[pandas.DataFrame, np.ndarray]:
    random = np.random.default_rng(seed)
    found = pandas.DataFrame(
        {
            "color": random.choice(["red", "green", "sea, blue"], rows),
            "age": random.normal(40, 12, rows).astype(np.float32),
            "income": random.lognormal(10, 0.4, rows).astype(np.float32),
        }
    )
    score = (found["color"] == "red") * 3 + (found["age"] - 40) / 10 - 1
    return found, (score + random.normal(0, 0.4, rows) > 0).to_numpy().astype(int)


@pytest.mark.framework
def test_columns_of_texts_and_numbers_are_inputs_by_name(shipway, tmp_path: Path) -> None:
    found, labels = customers(300, 0)
    model = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["color"]), (StandardScaler(), ["age", "income"])
        ),
        LogisticRegression(),
    ).fit(found, labels)
    skops.io.dump(model, tmp_path / "customers.skops")
    kept, kept_labels = customers(120, 1)
    kept.assign(unused=1, label=kept_labels)[["label", "age", "unused", "color", "income"]].to_csv(
        tmp_path / "d.csv", index=False
    )
    columns = {name: kept[[name]].to_numpy().astype(str if name == "color" else np.float32) for name in kept}
    np.savez(tmp_path / "d.npz", y=kept_labels, **columns)
    shipway("export", "customers.skops", "--data", "d.csv", "--out", "c.bundle")
    by_table = shipway("evaluate", "c.bundle", "--data", "d.csv", "--slice", "color", "--report", "r.html")
    assert by_table["metrics"]["accuracy"]["value"] == (model.predict(kept) == kept_labels).mean()
    assert [one["rows"] for one in by_table["evaluation"]["slices"]] == [
        int((kept["color"] == color).sum()) for color in ("green", "red", "sea, blue")
    ]
    assert "age: " in (tmp_path / "r.html").read_text(encoding="utf-8")
    by_arrays = shipway("evaluate", "c.bundle", "--data", "d.npz")
    by_table["evaluation"]["slices"] = by_arrays["evaluation"]["slices"]
    assert figures(by_table) == figures(by_arrays)


REVIEWS = [
    ("a fine and gentle film", "liked"),
    ("gentle, warm and clever", "liked"),
    ("clever fun, a joy", "liked"),
    ("what a joy to watch", "liked"),
    ("dull and far too long", "not liked"),
    ("too long, too loud", "not liked"),
    ("loud, dull, a waste", "not liked"),
    ("Äußerst schön, a FÊTE", "liked"),
]


@pytest.mark.framework
def test_lines_of_texts_with_the_names_of_their_classes(shipway, tmp_path: Path) -> None:
    texts, labels = zip(*REVIEWS, strict=True)
    model = make_pipeline(TfidfVectorizer(), LogisticRegression()).fit(texts, labels)
    skops.io.dump(model, tmp_path / "reviews.skops")
    kept = [*texts, "a clever waste", "schön, long", "gentle", "loud"]
    kept_labels = [*labels, "not liked", "liked", "liked", "not liked"]
    lines = [
        json.dumps({"text": text, "label": label}) for text, label in zip(kept, kept_labels, strict=True)
    ]
    (tmp_path / "d.jsonl").write_text("\n".join(lines), encoding="utf-8")
    np.savez(tmp_path / "d.npz", text=np.array(kept)[:, None], y=np.array(kept_labels))
    deployed = shipway(
        *("deploy", "reviews.skops", "--data", "d.jsonl", "--port", "0", "--once", "--out", "out"),
        *("--accept", "inconclusive"),  # 12 rows are too few for some verdicts
    )
    assert deployed["evaluation"]["classes"] == ["liked", "not liked"]
    found = shipway("evaluate", "out/reviews.bundle", "--data", "d.jsonl", "--report", "r.html")
    assert found["metrics"]["accuracy"]["value"] == (model.predict(kept) == kept_labels).mean()
    assert "a clever waste" in (tmp_path / "r.html").read_text(encoding="utf-8")
    assert figures(found) == figures(shipway("evaluate", "out/reviews.bundle", "--data", "d.npz"))
