"""The first screen: the answer, why, the figures that matter most, and what was judged where and when."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element

from shipway.bundle.evidence import Json
from shipway.evaluation.report.charts import interval_bar
from shipway.evaluation.report.contents import Contents
from shipway.evaluation.report.formatting import count, data, interval, plural, share_or_decimal
from shipway.evaluation.report.markup import Node, Nodes, h, name
from shipway.evaluation.report.wording import MARKS, metric_words

KEY_METRICS = {
    "classification": (
        "accuracy",
        "balanced_accuracy",
        "f1_macro",
        "roc_auc",
        "roc_auc_macro",
        "mcc",
        "log_loss",
    ),
    "multilabel": ("exact_match", "f1_macro", "roc_auc_macro", "hamming_loss", "f1_micro"),
    "regression": ("mae", "rmse", "r2", "error_q95"),
}
MOST_KEYS = 4
SHORT_DIGEST = 12


def opening(contents: Contents) -> Element:
    """The page's header."""
    result = contents.result
    word = "NO VERDICT" if result == "DONE" else result
    badge = h(
        "p",
        h("span", MARKS.get(result, "•"), class_="mark", aria_hidden="true"),
        h("strong", word, data_result=result),
        class_="badge",
    )
    return h(
        "header",
        h("p", "Shipway evaluation", class_="overline"),
        h("h1", name(contents.title)),
        h("div", badge, h("p", answer(contents), class_="answer"), class_=f"answer-box {result.lower()}"),
        _key_figures(contents),
        h("dl", list(_facts(contents)), class_="facts"),
        class_="opening",
    )


def answer(contents: Contents) -> Nodes:
    """Why the result is what it is, in one sentence."""
    verdicts = contents.verdicts
    against = [verdict for verdict in verdicts if verdict["result"] == contents.result]
    if not verdicts:
        return "No rule judged this run; the figures below are what was measured."
    if contents.result == "PASS":
        return _passed(contents, verdicts)
    first = against[0] if against else verdicts[0]
    more = f" ({plural(len(against) - 1, 'more verdict')} below.)" if len(against) > 1 else ""
    return [h("code", str(first["rule"])), ": ", str(first["reason"]), more]


def _passed(contents: Contents, verdicts: Sequence[Mapping[str, Json]]) -> Nodes:
    rows = contents.evaluation.get("rows") or contents.data.get("rows")
    on = f" on {plural(rows, 'row')}" if rows else ""
    if len(verdicts) > 1:
        return f"All {len(verdicts)} verdicts passed{on}."
    found: list[Nodes] = [h("code", str(verdicts[0]["rule"])), f" passed{on}: {verdicts[0]['reason']}."]
    if verdicts[0]["rule"] == "label-fit":
        found.append(
            " Whether that is good enough is for the figures to tell: this rule judges the labels alone."
        )
    return found


def _key_figures(contents: Contents) -> Node:
    wanted = KEY_METRICS.get(contents.task, tuple(contents.metrics))
    found = [name for name in wanted if (contents.metrics.get(name) or {}).get("value") is not None]
    if not found:
        return None
    return h("div", [_key_figure(key, contents.metrics[key]) for key in found[:MOST_KEYS]], class_="keys")


def _key_figure(key: str, estimate: Mapping[str, float | None]) -> Element:
    words = metric_words(key)
    value = estimate["value"]
    assert value is not None
    spread = interval(estimate, is_share=words.is_share)
    bar = (
        interval_bar(
            value, estimate.get("low"), estimate.get("high"), lowest=words.lowest, highest=words.highest
        )
        if words.lowest is not None and words.highest is not None
        else None
    )
    return h(
        "div",
        h("p", words.title, class_="key-title"),
        h("p", data(value, share_or_decimal(value, is_share=words.is_share), data_metric=key), class_="key"),
        bar,
        h("p", f"95 % interval {spread}" if spread else "no interval", class_="key-interval"),
        h("p", words.words, class_="key-words"),
    )


def _facts(contents: Contents) -> Iterator[Element]:
    document, evaluation, found = contents.document, contents.evaluation, contents.data
    bundle: Mapping[str, Json] = document.get("bundle") or {}
    if bundle.get("id"):
        yield _fact("Bundle", digest(str(bundle["id"])))
    if document.get("url"):
        yield _fact("Endpoint", name(document["url"]))
    rows = evaluation.get("rows") or found.get("rows")
    if rows:
        part = found.get("part")
        yield _fact("Rows judged", [count(rows), f", part “{part}”" if part and part != "all" else ""])
    if found.get("sha256"):
        yield _fact("Data", digest(str(found["sha256"])))
    if found.get("findings"):
        yield _fact("Data findings", h("a", _findings(found["findings"]), href="#data"))
    if contents.machine:
        yield _fact("Machine", name(" · ".join(list(contents.machine.values())[:2])))
    made = contents.made_at
    yield _fact(
        "Made",
        h(
            "time",
            f"{made:%d %B %Y, %H:%M} {made.tzname() or ''}".strip().lstrip("0"),
            datetime=made.isoformat(),
        ),
    )


def digest(value: str) -> Element:
    """The first digits of a digest; all of them on hover and for programs."""
    if len(value) <= SHORT_DIGEST + 4:
        return h("code", name(value))
    return h("code", h("data", f"{value[:SHORT_DIGEST]}…", value=value), title=value)


def _fact(term: str, shown: Nodes) -> Element:
    return h("div", h("dt", term), h("dd", shown))


def _findings(findings: list[Mapping[str, Json]]) -> str:
    numbers = [
        (sum(finding.get("severity") == severity for finding in findings), severity)
        for severity in ("error", "warning", "note")
    ]
    return ", ".join(plural(number, severity) for number, severity in numbers if number)
