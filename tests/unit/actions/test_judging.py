"""What is asked of an evaluation: slices, tasks, names of classes, rows that are left out, parts of the split."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.metrics import f1_score, mean_absolute_error, r2_score

import shipway
from digit_models import colored_digits
from served.models import FLOAT
from served.models import model as onnx_model
from shipway.actions.judging import Judging
from shipway.actions.outcome import Outcome
from shipway.errors import DataEmptyError, DataMismatchError, LabelError, UsageError
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.dataset import in_memory
from shipway.evaluation.data.split import PARTS, part_of

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/reference/result.schema.json").read_text())
SITES = np.array(["Oslo", "Lima"])[np.arange(100) % 2]
AGES = np.arange(100) % 70 + 10.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judging")


@pytest.fixture(scope="module")
def bundle(model: Path, folder: Path) -> Path:
    shipway.export(model, folder / "digits.bundle")
    return folder / "digits.bundle"


@pytest.fixture(scope="module")
def digits() -> dict[str, np.ndarray]:
    x, y = colored_digits(slice(900, 1000))
    return {"x": x, "y": y}


def exported(folder: Path, name: str, made: onnx.ModelProto) -> Path:
    onnx.save(made, folder / f"{name}.onnx")
    shipway.export(folder / f"{name}.onnx", folder / f"{name}.bundle")
    return folder / f"{name}.bundle"


def scoring(weight: np.ndarray, *last: onnx.NodeProto, **outputs: Any) -> onnx.ModelProto:
    """z = x W, then `last`; `outputs` are its outputs' element types and shapes."""
    return onnx_model(
        [helper.make_node("MatMul", ["x", "W"], ["z"]), *last],
        [("x", FLOAT, ["batch", len(weight)])],
        [(name, *told) for name, told in outputs.items()],
        weights=[("W", weight.astype(np.float32))],
    )


@pytest.fixture(scope="module")
def regression(folder: Path) -> Path:
    made = scoring(
        np.array([[2.0], [-1.0]]), helper.make_node("Identity", ["z"], ["y"]), y=(FLOAT, ["batch", 1])
    )
    return exported(folder, "regression", made)


@pytest.fixture(scope="module")
def multilabel(folder: Path) -> Path:
    made = scoring(4 * np.eye(3), helper.make_node("Sigmoid", ["z"], ["y"]), y=(FLOAT, ["batch", 3]))
    return exported(folder, "multilabel", made)


@pytest.fixture(scope="module")
def naming(folder: Path) -> Path:
    """A text beside the scores, as scikit-learn's classifiers answer."""
    names = helper.make_tensor("names", TensorProto.STRING, [3], [b"ape", b"bee", b"cat"])
    made = scoring(
        4 * np.eye(3),
        helper.make_node("Softmax", ["z"], ["scores"], axis=-1),
        helper.make_node("ArgMax", ["z"], ["best"], axis=-1, keepdims=0),
        helper.make_node("Constant", [], ["table"], value=names),
        helper.make_node("Gather", ["table", "best"], ["label"]),
        label=(TensorProto.STRING, ["batch"]),
        scores=(FLOAT, ["batch", 3]),
    )
    return exported(folder, "naming", made)


def checked(outcome: Outcome) -> Outcome:
    """As it is, when it is a sound document."""
    jsonschema.validate(json.loads(json.dumps(outcome.to_json(), allow_nan=False)), SCHEMA)
    return outcome


def judge(bundle: Path, path: Path, *, reading: Reading | None = None, **asked: Any) -> Outcome:
    return checked(shipway.evaluate(bundle, path, reading=reading, judging=Judging(**asked)))


def saved(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def slices_of(outcome: Outcome) -> dict[str, dict[str, Any]]:
    return {found["name"]: found for found in outcome.details["evaluation"]["slices"]}


def test_slices_by_a_column_and_by_a_predicate(bundle: Path, digits, tmp_path: Path) -> None:
    wrong = np.where(SITES == "Lima", (digits["y"] + 1) % 10, digits["y"])
    path = saved(tmp_path / "d.npz", x=digits["x"], y=wrong, site=SITES, age=AGES)
    asked = ("site", "age >= 60 and site in (Oslo, Rome)")
    outcome = judge(bundle, path, slices=asked)
    found = slices_of(outcome)
    assert list(found) == ["site == Lima", "site == Oslo", asked[1]]
    assert [one["rows"] for one in found.values()] == [50, 50, int(((AGES >= 60) & (SITES == "Oslo")).sum())]
    lima, oslo = found["site == Lima"], found["site == Oslo"]
    assert lima["value"] < 0.2 < 0.8 < oslo["value"]
    assert lima["rest"] == oslo["value"]
    assert lima["differs"]
    assert lima["p_value"] <= lima["p_holm"] < 1e-6
    whole = shipway.evaluate(bundle, path)
    assert whole.metrics == outcome.metrics
    assert whole.details["evaluation"].get("slices", []) == []


def test_a_column_that_is_not_there_is_told_with_those_that_are(bundle: Path, digits, tmp_path: Path) -> None:
    path = saved(tmp_path / "d.npz", **digits, site=SITES)
    with pytest.raises(UsageError, match="no column 'region'") as caught:
        judge(bundle, path, slices=["region == north"])
    assert "site" in caught.value.hint
    with pytest.raises(UsageError, match="no column 'x' of one value a row"):
        judge(bundle, path, slices=["x"])
    with pytest.raises(UsageError, match="does not read"):
        judge(bundle, tmp_path / "none.npz", slices=["site =="])  # before the data is looked for


def test_a_slice_that_holds_no_row_is_undefined_and_said_so(bundle: Path, digits, tmp_path: Path) -> None:
    path = saved(tmp_path / "d.npz", **digits, age=AGES)
    empty = slices_of(judge(bundle, path, slices=["age > 200"]))["age > 200"]
    assert (empty["rows"], empty["value"], empty["differs"]) == (0, None, False)


def test_a_regression_end_to_end(regression: Path, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 2)).astype(np.float32)
    truth = (2 * x[:, 0] - x[:, 1] + random.normal(0, 0.1, 300)).astype(np.float32)
    outcome = judge(
        regression, saved(tmp_path / "d.npz", x=x, y=truth, big=x[:, 0] > 1), slices=["big == true"]
    )
    predicted = x @ np.array([2, -1], np.float32)
    assert outcome.metrics["mae"].value == pytest.approx(mean_absolute_error(truth, predicted), rel=1e-5)
    assert outcome.metrics["r2"].value == pytest.approx(r2_score(truth, predicted), rel=1e-5)
    assert outcome.verdicts == ()
    assert outcome.result == "DONE"
    assert outcome.details["evaluation"]["task"] == "regression"
    worst = outcome.details["evaluation"]["worst"]
    assert worst[0]["row"] == int(np.abs(truth - predicted).argmax())
    found = slices_of(outcome)["big == true"]
    assert found["rows"] == int((x[:, 0] > 1).sum())
    assert found["metric"] == "mae"


def test_several_labels_a_row_end_to_end(multilabel: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(200, 3)).astype(np.float32)
    truth = (x > 0).astype(np.int64)
    truth[:20, 0] ^= 1
    path = saved(tmp_path / "d.npz", x=x, y=truth)
    outcome = judge(multilabel, path, class_names=("ape", "bee", "cat"))
    found = outcome.details["evaluation"]
    assert (found["task"], found["classes"]) == ("multilabel", ["ape", "bee", "cat"])
    assert outcome.metrics["exact_match"].value == 0.9
    expected = f1_score(truth, x > 0, average=None)
    assert [outcome.metrics[f"f1[{name}]"].value for name in found["classes"]] == pytest.approx(expected)
    assert found["confusion_matrix"][1][0][1] == found["confusion_matrix"][1][1][0] == 0
    assert judge(multilabel, path, task="multilabel").metrics["exact_match"].value == 0.9


NAMES = np.array(["ape", "bee", "cat"])


def test_classes_are_named_by_the_user(multilabel: Path, tmp_path: Path) -> None:
    """Labels are then these names, in whatever order they come."""
    random = np.random.default_rng(1)
    x = random.normal(size=(90, 3)).astype(np.float32)
    path = saved(tmp_path / "d.npz", x=x, y=NAMES[x.argmax(axis=1)])
    with pytest.raises(LabelError) as caught:
        judge(multilabel, path, task="classification")
    assert "--classes" in caught.value.hint
    outcome = judge(multilabel, path, task="classification", class_names=tuple(NAMES))
    assert outcome.metrics["accuracy"].value == 1.0
    assert outcome.details["evaluation"]["classes"] == list(NAMES)
    with pytest.raises(LabelError, match="cat"):
        judge(multilabel, path, task="classification", class_names=("ape", "bee", "dog"))


@pytest.mark.parametrize("rows", [90, 4])
def test_classes_are_named_by_the_models_own_texts(naming: Path, tmp_path: Path, rows: int) -> None:
    x = np.random.default_rng(1).normal(size=(rows, 3)).astype(np.float32)
    x[:3] = 3 * np.eye(3)[[2, 0, 1]]
    outcome = judge(naming, saved(tmp_path / "d.npz", x=x, y=NAMES[x.argmax(axis=1)]))
    assert outcome.metrics["accuracy"].value == 1.0
    found = outcome.details["evaluation"]
    assert (found["task"], found["classes"]) == ("classification", list(NAMES))
    assert outcome.metrics["f1[cat]"].value == 1.0


def test_labels_that_are_no_class_are_refused_or_left_out(bundle: Path, digits, tmp_path: Path) -> None:
    labels = digits["y"].astype(np.float64)
    labels[[3, 50]] = -1
    labels[7] = 255
    labels[9] = np.nan
    path = saved(tmp_path / "d.npz", x=digits["x"], y=labels)
    with pytest.raises(LabelError):
        judge(bundle, path)
    outcome = judge(bundle, path, reading=Reading(drop_bad=True))
    data = outcome.details["data"]
    assert data["rows"] == outcome.details["evaluation"]["rows"] == 96
    assert data["dropped"]["rows"] == 4
    assert [example["row"] for example in data["dropped"]["examples"]] == [3, 7, 9, 50]
    good = np.setdiff1d(np.arange(100), [3, 7, 9, 50])
    alone = judge(bundle, saved(tmp_path / "good.npz", x=digits["x"][good], y=digits["y"][good]))
    assert outcome.metrics == alone.metrics
    # Rows are told as the file counts them.
    numbers = {int(place): int(row) for place, row in enumerate(good)}
    expected = [numbers[entry["row"]] for entry in alone.details["evaluation"]["worst"]]
    assert [entry["row"] for entry in outcome.details["evaluation"]["worst"]] == expected


def test_names_that_are_no_class_are_refused_or_left_out(multilabel: Path, tmp_path: Path) -> None:
    x = np.random.default_rng(1).normal(size=(90, 3)).astype(np.float32)
    labels = NAMES[x.argmax(axis=1)].astype("U5")
    labels[[4, 80]] = "zebra"
    rows = "\n".join(",".join(map(str, [*row, label])) for row, label in zip(x, labels, strict=True))
    table = tmp_path / "d.csv"
    table.write_text(f"a,b,c,label\n{rows}\n", encoding="utf-8")
    for path in (saved(tmp_path / "d.npz", x=x, y=labels), table):
        with pytest.raises(LabelError, match="no class: 'zebra'"):
            judge(multilabel, path, task="classification", class_names=tuple(NAMES))
        outcome = judge(
            multilabel,
            path,
            task="classification",
            class_names=tuple(NAMES),
            reading=Reading(drop_bad=True),
        )
        assert outcome.metrics["accuracy"].value == 1.0
        assert [example["row"] for example in outcome.details["data"]["dropped"]["examples"]] == [4, 80]


def test_labels_that_a_probability_cannot_answer_are_left_out(folder: Path, tmp_path: Path) -> None:
    made = scoring(
        np.array([[4.0], [0.0]]), helper.make_node("Sigmoid", ["z"], ["p"]), p=(FLOAT, ["batch", 1])
    )
    binary = exported(folder, "binary", made)
    x = np.random.default_rng(1).normal(size=(50, 2)).astype(np.float32)
    labels = (x[:, 0] > 0).astype(int)
    labels[[7, 9]] = [2, -1]
    path = saved(tmp_path / "d.npz", x=x, y=labels)
    outcome = judge(binary, path, reading=Reading(drop_bad=True))
    assert (outcome.metrics["accuracy"].value, outcome.details["data"]["dropped"]["rows"]) == (1.0, 2)


def test_bad_rows_and_bad_labels_are_counted_together(bundle: Path, digits, tmp_path: Path) -> None:
    x, labels = digits["x"].copy(), digits["y"].copy()
    x[2, 0, 0, 0] = np.nan
    labels[[2, 5]] = 99
    outcome = judge(bundle, saved(tmp_path / "d.npz", x=x, y=labels), reading=Reading(drop_bad=True))
    data = outcome.details["data"]
    assert (data["rows"], data["dropped"]["rows"]) == (98, 2)
    assert {example["row"] for example in data["dropped"]["examples"]} == {2, 5}


def test_where_no_label_is_usable_there_is_nothing_to_judge(bundle: Path, digits, tmp_path: Path) -> None:
    path = saved(tmp_path / "d.npz", x=digits["x"], y=np.full(100, 77))
    with pytest.raises(DataEmptyError, match="No row"):
        judge(bundle, path, reading=Reading(drop_bad=True))


def test_one_part_of_the_split_is_judged(bundle: Path, digits, tmp_path: Path) -> None:
    path = saved(tmp_path / "d.npz", **digits)
    parts = part_of(in_memory({"image": digits["x"]}, path=path).hashes)
    seen = 0
    for number, part in enumerate(PARTS):
        outcome = judge(bundle, path, reading=Reading(part=part))
        data, mine = outcome.details["data"], np.flatnonzero(parts == number)
        assert (data["part"], data["rows"]) == (part, len(mine))
        assert data["parts"][part]["rows"] == len(mine)
        rows = {entry["row"] for entry in outcome.details["evaluation"]["worst"]}
        assert rows <= set(mine.tolist())
        alone = judge(bundle, saved(tmp_path / "part.npz", x=digits["x"][mine], y=digits["y"][mine]))
        assert outcome.metrics == alone.metrics
        seen += len(mine)
    assert seen == 100
    with pytest.raises(UsageError, match="no part 'train'") as caught:
        judge(bundle, path, reading=Reading(part="train"))
    assert "calibration, tuning, gate" in caught.value.hint
    one = saved(tmp_path / "one.npz", x=digits["x"][:1], y=digits["y"][:1])
    other = PARTS[(int(parts[0]) + 1) % 3]
    with pytest.raises(DataEmptyError, match=f"part '{other}'"):
        judge(bundle, one, reading=Reading(part=other))


METRICS = """
import numpy
def share_of_zeros(labels, outputs):
    return float((labels == 0).mean())
def accuracy(labels, outputs):
    return {"accuracy": 1.0}
"""


def test_a_metric_of_the_users_own(bundle: Path, digits, tmp_path: Path) -> None:
    (tmp_path / "own_metrics.py").write_text(METRICS, encoding="utf-8")
    path = saved(tmp_path / "d.npz", **digits)
    found = judge(bundle, path, metrics=[f"{tmp_path / 'own_metrics.py'}:share_of_zeros"]).metrics
    assert found["share_of_zeros"].value == (digits["y"] == 0).mean()
    assert found["share_of_zeros"].low <= found["share_of_zeros"].value <= found["share_of_zeros"].high
    with pytest.raises(UsageError, match="returns accuracy, which Shipway computes itself"):
        judge(bundle, path, metrics=[f"{tmp_path / 'own_metrics.py'}:accuracy"])


def test_one_head_of_several_is_judged(folder: Path, tmp_path: Path) -> None:
    made = scoring(
        4 * np.eye(3),
        helper.make_node("Softmax", ["z"], ["main"], axis=-1),
        helper.make_node("Neg", ["z"], ["minus"]),
        helper.make_node("Softmax", ["minus"], ["contrary"], axis=-1),
        main=(FLOAT, ["batch", 3]),
        contrary=(FLOAT, ["batch", 3]),
    )
    heads = exported(folder, "heads", made)
    x = np.random.default_rng(1).normal(size=(60, 3)).astype(np.float32)
    path = saved(tmp_path / "d.npz", x=x, y=x.argmax(axis=1))
    assert judge(heads, path, output="main").metrics["accuracy"].value == 1.0
    assert judge(heads, path, output="contrary").metrics["accuracy"].value == 0.0
    with pytest.raises(UsageError, match="'main', 'contrary'"):
        judge(heads, path)
    with pytest.raises((UsageError, DataMismatchError), match="other"):
        judge(heads, path, output="other")
