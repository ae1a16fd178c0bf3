"""Figures of a comparison as people read them, on a terminal and in Markdown alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shipway.bundle.evidence import Json

ERRORS = ("mae", "rmse", "log_loss", "brier", "ece", "hamming_loss", "error_")
"""Figures of which less is better."""


def size_in_words(size_bytes: int | None) -> str:
    """`1.2 MB`; powers of ten, as disks and registries count."""
    if size_bytes is None:
        return "unknown"
    power = min(3, max(0, len(str(size_bytes)) - 1) // 3)
    return f"{size_bytes / 1000**power:.3g} {('B', 'kB', 'MB', 'GB')[power]}"


def figure(value: float | None) -> str:
    """Four significant digits."""
    return "undefined" if value is None else f"{value:.4g}"


def change_in_words(row: Mapping[str, Json]) -> str:
    """`-0.0020 (-0.0085 to 0.0041)`: the difference B less A, and its paired 95 % interval where there is one."""
    change, low, high = row["difference"], row["low"], row["high"]
    if change is None:
        return "undefined"
    interval = "" if low is None or high is None else f" ({low:+.3g} to {high:+.3g})"
    return f"{change:+.3g}{interval}" if change else f"0{interval}"


def shown_metrics(document: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    """Those that a person looks at; micro averages repeat the accuracy, weighted ones hide rare classes."""
    return [row for row in document["metrics"] if not row["metric"].endswith(("_micro", "_weighted"))]


def is_better(row: Mapping[str, Json]) -> bool | None:
    """Whether the 95 % interval says that B is better (True) or worse (False); None where it says neither."""
    low, high = row["low"], row["high"]
    if low is None or high is None or low <= 0 <= high:
        return None
    return (low > 0) is not row["metric"].startswith(ERRORS)


def facts_of(document: Mapping[str, Json]) -> list[tuple[str, str, str]]:
    """What the two are: name of the fact, A's, B's."""
    a, b = document["a"], document["b"]
    rows = [("model", a["called"], b["called"])]
    if a.get("variant") or b.get("variant"):
        rows.append(("format", _format(a), _format(b)))
    rows.append(("size", size_in_words(a["size_bytes"]), size_in_words(b["size_bytes"])))
    told = {"format", "precision"}
    rows += [
        (one["field"], _plain(one["a"]), _plain(one["b"]))
        for one in document["differences"]
        if one["field"] not in told
    ]
    latency = document["latency"]
    if latency is not None:
        rows.append(("latency", f"{latency['a_ms']:.3g} ms", f"{latency['b_ms']:.3g} ms"))
    return rows


def latency_in_words(latency: Mapping[str, Json]) -> str:
    """One sentence on the ratio."""
    interval = (
        "too few blocks for an interval"
        if latency["low"] is None
        else f"95 % interval {latency['low']:.2f} to {latency['high']:.2f}"
    )
    return (
        f"B takes {latency['ratio']:.2f} times A's time for a request ({interval}; {latency['blocks']} blocks in "
        "turn)"
    )


def flips_in_words(decisions: Mapping[str, Json]) -> str:
    """One sentence on the decisions that differ."""
    words = f"{decisions['flips']} of {decisions['rows']} decisions differ"
    if decisions["lost"] is None:
        return words
    return f"{words}: {decisions['lost']} that only A gets right, {decisions['won']} that only B does"


def output_in_words(output: Mapping[str, Json]) -> str:
    """One sentence on an output's numbers."""
    if output["is_same"]:
        return f"output {output['name']}: the same, bit by bit"
    words = f"output {output['name']}: {output['rows_differing']} of {output['rows']} rows differ"
    if output["max_difference"] is None:
        return words
    scale = "" if not output["scale"] else f" (A's values reach {output['scale']:.3g})"
    return f"{words}, by at most {output['max_difference']:.3g}{scale}"


def slice_cells(one: Mapping[str, Json]) -> tuple[str, str, str, str, str, str]:
    """Slice, rows, A, B, the difference with its interval, and Holm's p with a mark where the two differ."""
    chance = "" if one["p_holm"] is None else f"{one['p_holm']:.2g}{' differs' if one['differs'] else ''}"
    return one["name"], str(one["rows"]), figure(one["a"]), figure(one["b"]), change_in_words(one), chance


def example_cells(example: Mapping[str, Json]) -> tuple[str, str, str, str]:
    """Row, label, A's and B's decision with its confidence."""

    def decided(side: str) -> str:
        sureness = example[f"{side}_confidence"]
        return example[side] if sureness is None else f"{example[side]} ({sureness:.0%})"

    label = "" if example["label"] is None else str(example["label"])
    return str(example["row"]), label, decided("a"), decided("b")


def _format(side: Mapping[str, Json]) -> str:
    return f"{side['format']}, {side['precision']}" if side.get("variant") else "endpoint"


def _plain(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if value in (None, [], {}):
        return "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(item)}" for key, item in value.items() if item not in ({}, [], None))
    if isinstance(value, list):
        return ", ".join(_plain(item) for item in value)
    return str(value)
