"""Evaluation documents of real scikit-learn models, as `evaluate --json` prints them, for tests of the report."""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, make_classification
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import train_test_split
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from shipway.bundle.evidence import overall
from shipway.evaluation.metrics.judge import judge
from shipway.evaluation.metrics.judged import Judged
from shipway.evaluation.metrics.label_fit import label_fit
from shipway.evaluation.report.contents import Sample
from shipway.types import DType, Signature, TensorSpec

MACHINE = {
    "Processor": "AMD EPYC 7B13, 2 cores",
    "System": "Linux 6.12, x86-64",
    "Python": "3.12.9",
    "Shipway": "0.1.0",
    "Runtime": "ONNX Runtime 1.23.2",
}
MADE_AT = datetime(2026, 11, 24, 12, 30, tzinfo=UTC)
HOSTILE = (
    '<script>alert("1")</script>',
    "</style><b>bold</b>",
    "\u202eright to left",
    "a & b \"c\" 'd' \x00",
)
FINDINGS = [
    {
        "kind": "leakage",
        "severity": "error",
        "where": "x",
        "count": 3,
        "of": 540,
        "examples": ["rows 3 and 90", "rows 17 and 411"],
        "words": "3 rows of the gate part stand in the calibration part too.",
        "remedy": "Split by the hash of the row: shipway evaluate --part gate.",
    },
    {
        "kind": "constant",
        "severity": "note",
        "where": "x[0, 0]",
        "count": 540,
        "of": 540,
        "examples": [],
        "words": "The column holds 0 in every row.",
        "remedy": "Leave it out, or check how it is read.",
    },
    {
        "kind": "class-balance",
        "severity": "warning",
        "where": "8",
        "count": 12,
        "of": 540,
        "examples": ["row 17"],
        "words": "The rarest class has 12 rows, the most frequent one 61.",
        "remedy": "Collect more rows of it; its figures have wide intervals.",
    },
]


def document(
    judged: Judged, *, verdicts: Sequence[Any] = (), findings: Sequence[Mapping[str, Any]] = ()
) -> dict[str, Any]:
    """What `--json` prints for it."""
    digest = hashlib.sha256(judged.predicted.tobytes()).hexdigest()
    return {
        "result": str(overall(verdicts)) if verdicts else "DONE",
        "verdicts": [verdict.to_json() for verdict in verdicts],
        "metrics": {name: estimate.to_json() for name, estimate in judged.metrics.items()},
        "measurements": {},
        "bundle": {"id": digest[::-1], "path": "model.bundle"},
        "evaluation": judged.to_json(),
        "data": {"sha256": digest, "rows": judged.rows, "part": "gate", "findings": list(findings)},
    }


def classified(
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    names: Sequence[str] = (),
    slices: Mapping[str, NDArray[np.bool_]] | None = None,
    findings: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Of a classifier's probabilities `[rows, classes]`, with the verdict on its labels."""
    signature = _signature((probabilities.shape[1],))
    judged = judge(labels, {"p": probabilities}, signature, class_names=names, slices=slices)
    fit = label_fit(labels, judged.predicted, class_count=len(judged.names), subject="model")
    return document(judged, verdicts=(fit,), findings=findings)


def digits(names: Sequence[str] = ()) -> tuple[dict[str, Any], list[Sample]]:
    """Ten classes, judged by a weak model, with pictures of the worst rows and slices."""
    x, y = load_digits(return_X_y=True)
    train, test, known, labels = train_test_split(x, y, test_size=0.3, random_state=3, stratify=y)
    model = GaussianNB(var_smoothing=1e-2).fit(train, known)
    ink = test.sum(axis=1)
    slices = {
        "ink < 280": ink < 280,
        "ink ≥ 340": ink >= 340,
        "label = 8": labels == 8,
        "left half is darker": test.reshape(-1, 8, 8)[:, :, :4].sum((1, 2)) > ink / 2,
    }
    made = classified(model.predict_proba(test).astype("float32"), labels, names, slices, FINDINGS)
    samples = [
        Sample(
            row=found["row"],
            kind="image",
            label=found["label"],
            decision=found["decision"],
            png=gray_png(test[found["row"]].reshape(8, 8) / 16),
            loss=found["loss"],
            score=found["score"],
            confidence=found["confidence"],
        )
        for found in made["evaluation"]["worst"]
    ]
    return made, samples


def breast_cancer() -> dict[str, Any]:
    """Two classes."""
    x, y = load_breast_cancer(return_X_y=True)
    train, test, known, labels = train_test_split(x, y, test_size=0.5, random_state=1, stratify=y)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05)).fit(train[:, :6], known)
    return classified(
        model.predict_proba(test[:, :6]).astype("float32"), labels, ("malignant", "benign"), findings=()
    )


def diabetes() -> dict[str, Any]:
    """A regression of one output, on which no rule has judged."""
    x, y = load_diabetes(return_X_y=True)
    train, test, known, labels = train_test_split(x, y, test_size=0.4, random_state=1)
    predicted = Ridge(0.1).fit(train, known).predict(test).astype("float32")
    slices = {"older than the mean": test[:, 0] > 0, "sex = 1": test[:, 1] > 0}
    judged = judge(labels, {"p": predicted[:, None]}, _signature((1,)), task="regression", slices=slices)
    return document(judged)


def many_classes(count: int, rows: int) -> dict[str, Any]:
    """As many classes as ImageNet has, or fewer, judged by a model that knows a part of each."""
    x, y = make_classification(
        rows * 2,
        40,
        n_informative=24,
        n_redundant=0,
        n_classes=count,
        n_clusters_per_class=1,
        class_sep=2.0,
        random_state=5,
    )
    model = GaussianNB().fit(x[:rows], y[:rows])
    probabilities = np.zeros((rows, count), "float32")
    probabilities[:, model.classes_] = model.predict_proba(x[rows:])
    return classified(probabilities, y[rows:], [f"species {index:03d}" for index in range(count)])


def multilabel() -> dict[str, Any]:
    """Four yes or no questions about each digit."""
    x, y = load_digits(return_X_y=True)
    labels = np.stack([y % 2, y > 4, np.isin(y, (0, 6, 8, 9)), np.isin(y, (2, 3, 5, 7))], axis=1).astype(int)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.001))
    answers = [model.fit(x[:900], labels[:900, i]).predict_proba(x[900:])[:, 1] for i in range(4)]
    names = ("odd", "large", "has a loop", "is prime")
    outputs = {"p": np.stack(answers, axis=1).astype("float32")}
    return document(judge(labels[900:], outputs, _signature((4,)), task="multilabel", class_names=names))


def gray_png(pixels: NDArray[np.float64]) -> bytes:
    """A picture of `[height, width]` within [0, 1], dark where it is 1."""
    height, width = pixels.shape
    lines = b"".join(b"\0" + line.tobytes() for line in np.uint8(255 - 255 * pixels))

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines))
        + chunk(b"IEND", b"")
    )


def _signature(shape: tuple[int, ...]) -> Signature:
    inputs = (TensorSpec("x", DType.FP32, ("batch", 4)),)
    return Signature(inputs, (TensorSpec("p", DType.FP32, ("batch", *shape)),))
