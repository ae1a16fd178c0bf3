"""The report: one self-contained HTML page, made from the document that `--json` prints.

A pure function of plain values; nothing is read but this package's own style and script. The page asks for
nothing from anywhere, and its Content-Security-Policy forbids it to.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from importlib.resources import files
from xml.etree.ElementTree import Element

from shipway.bundle.evidence import Json
from shipway.evaluation.report.classes import classes_section, outputs_section
from shipway.evaluation.report.confusion import confusion_section
from shipway.evaluation.report.contents import Contents, Sample, Section
from shipway.evaluation.report.curves import calibration_section, curves_section
from shipway.evaluation.report.data_findings import data_section
from shipway.evaluation.report.markup import h, to_html
from shipway.evaluation.report.metrics import metrics_section
from shipway.evaluation.report.opening import opening
from shipway.evaluation.report.provenance import notes_section, provenance_section
from shipway.evaluation.report.regression import regression_section
from shipway.evaluation.report.slices import slices_section
from shipway.evaluation.report.verdicts import verdicts_section
from shipway.evaluation.report.worst import worst_section

SECTIONS: tuple[Callable[[Contents], Section | None], ...] = (
    verdicts_section,
    confusion_section,
    regression_section,
    classes_section,
    outputs_section,
    slices_section,
    worst_section,
    curves_section,
    calibration_section,
    data_section,
    metrics_section,
    notes_section,
    provenance_section,
)
"""In the order of the page."""
ICON_COLORS = {"PASS": "0b7a66", "FAIL": "b83218", "INCONCLUSIVE": "8a6100"}


def render_report(
    document: Mapping[str, Json],
    *,
    samples: Sequence[Sample] = (),
    title: str,
    machine: Mapping[str, str],
    command: str | None,
    made_at: datetime,
) -> str:
    """One HTML page (to be written as UTF-8) of an evaluation's JSON document.

    `document` is what `shipway evaluate --json` prints; where it has no key, the section is left out. `samples`
    are the worst rows to look at, `title` the model's name, `machine` facts about where it ran, the most telling
    first, `command` the line that ran it. Lists that grow with the number of classes are cut, and the page says
    so: 1,000 classes stay under 500 kB without pictures.
    """
    contents = Contents(document, tuple(samples), title, machine, command, made_at)
    sections = [section for make in SECTIONS if (section := make(contents)) is not None]
    page = h("html", _head(contents), _body(contents, sections), lang="en")
    return f"<!DOCTYPE html>\n{to_html(page)}\n"


def _head(contents: Contents) -> Element:
    style, script = _own("page.css"), _own("page.js")
    policy = (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )
    return h(
        "head",
        h("meta", charset="utf-8"),
        h("meta", http_equiv="Content-Security-Policy", content=policy),
        h("meta", name="viewport", content="width=device-width, initial-scale=1"),
        h("meta", name="color-scheme", content="light dark"),
        h("meta", name="referrer", content="no-referrer"),
        h("title", f"{contents.result}: {contents.title}"),
        # An icon of its own, because a browser asks the server for one otherwise.
        h("link", rel="icon", href=_icon(contents.result)),
        h("style", style),
        h("script", script, type="module"),
    )


def _body(contents: Contents, sections: Sequence[Section]) -> Element:
    links = h("ul", [h("li", h("a", section.title, href=f"#{section.id}")) for section in sections])
    return h(
        "body",
        h("a", "Skip to the report", href="#report", class_="skip"),
        h("nav", links, aria_label="Sections"),
        h(
            "main",
            opening(contents),
            [_section(section) for section in sections],
            h("footer", "Made by Shipway. This page holds everything that it shows; it asks for nothing."),
            id="report",
        ),
    )


def _section(section: Section) -> Element:
    return h(
        "section",
        h("h2", section.title, id=f"{section.id}-title"),
        h("p", section.lead, class_="lead") if section.lead else None,
        section.body,
        id=section.id,
        aria_labelledby=f"{section.id}-title",
    )


def _icon(result: str) -> str:
    color = ICON_COLORS.get(result, "5b6470")
    circle = f"<circle cx='8' cy='8' r='7' fill='%23{color}'/>"
    return f"data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'>{circle}</svg>"


def _own(file: str) -> str:
    return files(__package__).joinpath(file).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    """As a Content-Security-Policy names an inline style or script (CSP Level 3, section 2.3.1)."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"'sha256-{base64.b64encode(digest).decode('ascii')}'"
