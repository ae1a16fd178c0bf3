"""The section for a pull request: complete, and closed to whatever stands in names."""

import copy

import pytest

from shipway.evaluation.comparison.markdown import render_markdown

SIDE = {
    "called": "old.bundle#onnx-fp32",
    "kind": "bundle",
    "variant": "onnx-fp32",
    "format": "onnx",
    "precision": "fp32",
    "size_bytes": 4_000_000,
}
DOCUMENT = {
    "result": "INCONCLUSIVE",
    "verdicts": [
        {"rule": "signature", "subject": "s", "result": "PASS", "figures": {}, "reason": "the same"},
        {
            "rule": "quality-non-inferiority",
            "subject": "s",
            "result": "INCONCLUSIVE",
            "figures": {},
            "reason": "few",
        },
    ],
    "diff": {
        "a": SIDE,
        "b": {**SIDE, "called": "new.bundle#onnx-int8", "precision": "int8", "size_bytes": 1_100_000},
        "differences": [{"field": "labels", "a": ["cat", "dog"], "b": None}],
        "rows": 100,
        "metrics": [
            {"metric": "accuracy", "a": 0.9, "b": 0.8, "difference": -0.1, "low": -0.2, "high": -0.01},
            {"metric": "f1_micro", "a": 0.9, "b": 0.8, "difference": -0.1, "low": None, "high": None},
        ],
        "classes": [
            {"class": "cat", "a": 0.9, "b": 0.5, "rows": 50, "differs": True},
            {"class": "dog", "a": 0.9, "b": 0.9, "rows": 50, "differs": False},
        ],
        "slices": [
            {
                "name": "age > 60",
                "rows": 40,
                "metric": "accuracy",
                "a": 0.9,
                "b": 0.6,
                "difference": -0.3,
                "low": -0.4,
                "high": -0.1,
                "p_holm": 0.001,
                "differs": True,
            }
        ],
        "decisions": {
            "rows": 100,
            "flips": 1,
            "lost": 1,
            "won": 0,
            "examples": [
                {"row": 7, "label": "cat", "a": "cat", "b": "dog", "a_confidence": 0.6, "b_confidence": 0.55}
            ],
        },
        "embeddings": None,
        "outputs": [
            {
                "name": "y",
                "rows": 100,
                "rows_differing": 100,
                "max_difference": 0.1,
                "scale": 1.0,
                "is_same": False,
            }
        ],
        "latency": {"a_ms": 2.0, "b_ms": 1.0, "ratio": 0.5, "low": 0.45, "high": 0.55, "blocks": 30},
        "notes": ["a note"],
    },
}


def test_the_verdict_comes_first_and_everything_is_told():
    text = render_markdown(DOCUMENT)
    assert text.startswith("### ❔ INCONCLUSIVE: new.bundle\\#onnx-int8 against old.bundle\\#onnx-fp32\n")
    for line in (
        "- ❔ **INCONCLUSIVE** `quality-non-inferiority`: few",
        "| format | onnx, fp32 | onnx, int8 |",
        "| size | 4 MB | 1.1 MB |",
        "| labels | cat, dog | none |",
        "| latency | 2 ms | 1 ms |",
        "| accuracy | 0.9 | 0.8 | -0.1 (-0.2 to -0.01) ▼ |",
        "| cat | 0.9 | 0.5 | 50 |",
        "| age &gt; 60 | 40 | 0.9 | 0.6 | -0.3 (-0.4 to -0.1) | 0.001 differs |",
        "| 7 | cat | cat (60%) | dog (55%) |",
        "- output y: 100 of 100 rows differ, by at most 0.1 (A's values reach 1)",
        "- a note",
    ):
        assert line in text.splitlines(), line
    assert "f1" not in text
    assert "| dog |" not in text
    assert text.count("<details>") == text.count("</details>") == 3


@pytest.mark.parametrize(
    "hostile", ["</details><script>alert(1)</script>", "a|b", "line\nbreak", "[x](http://y)", "`"]
)
def test_names_are_no_markup(hostile):
    document = copy.deepcopy(DOCUMENT)
    found = document["diff"]
    found["a"]["called"] = found["classes"][0]["class"] = found["outputs"][0]["name"] = hostile
    found["decisions"]["examples"][0]["a"] = found["slices"][0]["name"] = hostile
    text, plain = render_markdown(document), render_markdown(DOCUMENT)
    assert "<script>" not in text
    assert "[x]" not in text
    assert len(text.splitlines()) == len(plain.splitlines())
    unescaped = [line.replace("\\|", "").count("|") for line in text.splitlines()]
    assert unescaped == [line.count("|") for line in plain.splitlines()]


def test_what_could_not_be_compared_is_short():
    document = copy.deepcopy(DOCUMENT)
    document["diff"] |= {
        "metrics": [],
        "classes": [],
        "decisions": None,
        "outputs": [],
        "latency": None,
        "notes": [],
        "rows": None,
    }
    text = render_markdown(document)
    assert "<details>" not in text
    assert "labelled rows" not in text
