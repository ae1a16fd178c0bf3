"""The report in a real browser: what it shows and asks for, on screens, on paper and without scripts."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import report_documents as made
from digit_models import run
from shipway.evaluation.report.markup import printable
from shipway.evaluation.report.page import render_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
COMMAND = "shipway evaluate model.bundle --data test.npz --report report.html"
NAMES = ("digits", "hostile", "binary", "regression", "multilabel", "hundred")


@dataclass
class Watched:
    """A page, and what it said and asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """One page on disk and the document that it was made from."""

    document: dict[str, Any]
    path: Path

    @property
    def url(self) -> str:
        return self.path.as_uri()


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    folder = tmp_path_factory.mktemp("reports")
    documents = {
        "digits": made.digits(),
        "hostile": made.digits([*made.HOSTILE, *"456789"]),
        "binary": (made.breast_cancer(), []),
        "regression": (made.diabetes(), []),
        "multilabel": (made.multilabel(), []),
        "hundred": (made.many_classes(100, 1200), []),
    }
    found = {}
    for name, (document, samples) in documents.items():
        title = made.HOSTILE[0] if name == "hostile" else name
        page = render_report(
            document,
            samples=samples,
            title=title,
            machine=made.MACHINE,
            command=COMMAND,
            made_at=made.MADE_AT,
        )
        found[name] = Report(document, folder / f"{name}.html")
        found[name].path.write_text(page, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM:
        assert not os.environ.get("CI"), "No Chromium on the path: sh scripts/install_chromium.sh"
        pytest.skip("no Chromium on the path: sh scripts/install_chromium.sh")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Callable[..., Watched]]:
    contexts = []

    def open_(report: Report, *, width: int = 1280, **options: Any) -> Watched:
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        contexts.append(context)
        watched = Watched(context.new_page())
        watched.page.set_default_timeout(5000)
        watched.page.on("console", lambda message: watched.said.append(message.text))
        watched.page.on("pageerror", lambda error: watched.said.append(str(error)))
        watched.page.on("request", lambda request: watched.asked.append(request.url))
        watched.page.on(
            "requestfailed", lambda request: watched.failed.append(f"{request.url} {request.failure}")
        )
        watched.page.goto(report.url)
        return watched

    yield open_
    for context in contexts:
        context.close()


Open = Callable[..., Watched]


@pytest.mark.parametrize("name", NAMES)
def test_it_renders_in_silence_and_asks_for_nothing(
    name: str, reports: dict[str, Report], open_page: Open
) -> None:
    watched = open_page(reports[name])
    watched.page.mouse.move(400, 400)
    watched.page.locator("th button").first.click()
    watched.page.locator("#theme").click()
    assert watched.said == []
    assert [url for url in watched.asked if not url.startswith("data:")] == [reports[name].url]


@pytest.mark.parametrize(
    ("name", "scripts"), [*((name, True) for name in NAMES), ("digits", False), ("regression", False)]
)
def test_every_figure_of_the_page_is_that_of_the_document(
    name: str, scripts: bool, reports: dict[str, Report], open_page: Open
) -> None:
    page = open_page(reports[name], java_script_enabled=scripts).page
    assert page.locator("#theme").count() == int(scripts)
    metrics = {printable(key): figures for key, figures in reports[name].document["metrics"].items()}
    pairs = "all => all.map(one => [one.dataset.metric, one.getAttribute('value')])"
    shown = page.eval_on_selector_all("[data-metric]", pairs)
    assert len(shown) > 10
    for key, value in shown:
        metric, _, end = key.partition(":") if key.endswith((":low", ":high")) else (key, "", "")
        expected = metrics[metric][end or "value"]
        assert (None if value is None else float(value)) == expected, key
    whole = {metric for metric in metrics if "[" not in metric}
    assert whole <= {key for key, _ in shown}


def test_the_answer_and_the_key_figures_open_the_page(reports: dict[str, Report], open_page: Open) -> None:
    page = open_page(reports["digits"]).page
    document = reports["digits"].document
    opening = page.locator("header.opening")
    assert opening.locator("[data-result]").inner_text() == document["result"]
    value = document["metrics"]["accuracy"]
    tile = opening.locator(".keys > div").first.inner_text().replace("\u202f", "")
    assert f"{value['value']:.1%}" in tile
    assert f"{value['low']:.1%}–{value['high']:.1%}" in tile
    text = opening.inner_text()
    assert document["bundle"]["id"][:12] in text
    assert document["data"]["sha256"][:12] in text
    assert "540" in text
    assert made.MACHINE["Processor"] in text
    assert opening.bounding_box()["height"] < 900  # type: ignore[index]


def test_the_page_of_the_command_shows_what_the_command_prints(
    bundle: Path, data: Path, open_page: Open, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    ran = run("evaluate", bundle, "--data", data, "--report", path)
    assert ran.code == 0, ran.text
    watched = open_page(Report(ran.document, path))
    assert watched.said == []
    pairs = "all => all.map(one => [one.dataset.metric, Number(one.getAttribute('value'))])"
    shown = dict(watched.page.eval_on_selector_all("header [data-metric]", pairs))
    assert next(iter(shown)) == "accuracy"
    assert shown == {key: ran.document["metrics"][key]["value"] for key in shown}
    assert watched.page.locator(".samples img").count() == len(ran.document["evaluation"]["worst"])
    assert watched.page.evaluate("[...document.images].every(one => one.naturalWidth === 8)")
    command = watched.page.locator("#run pre").inner_text()
    assert command.startswith("shipway evaluate ")
    assert str(path) in command


def test_the_confusion_matrix_holds_the_counts(reports: dict[str, Report], open_page: Open) -> None:
    page = open_page(reports["digits"]).page
    cells = page.eval_on_selector_all(
        ".matrix tbody tr",
        "rows => rows.map(row => [...row.querySelectorAll('.cell')].map(c => +c.textContent))",
    )
    assert cells == reports["digits"].document["evaluation"]["confusion_matrix"]


@pytest.mark.parametrize("name", NAMES)
def test_no_screen_scrolls_sideways(name: str, reports: dict[str, Report], open_page: Open) -> None:
    page = open_page(reports[name]).page
    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("name", ["digits", "regression"])
def test_paper_is_wide_enough_and_everything_is_unfolded_on_it(
    name: str, reports: dict[str, Report], open_page: Open
) -> None:
    page = open_page(reports[name], width=688).page  # A4 less its margins, at 96 dots per inch
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("document.documentElement.scrollWidth") <= 688
    wide = "boxes => boxes.filter(box => box.scrollWidth > box.clientWidth + 1).map(box => box.ariaLabel)"
    assert page.eval_on_selector_all(".scroll", wide) == []
    assert page.locator("details:not([open])").count() == 0
    assert not page.locator("#theme").is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert page.locator("details[open]").count() == 0
    assert page.pdf().startswith(b"%PDF")


CONTRASTS = """() => {
  const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
  const over = (color, under) => {
    canvas.fillStyle = `rgb(${under})`;
    canvas.fillRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const ground = (element) => {
    if (!element) return [255, 255, 255];
    return over(getComputedStyle(element).backgroundColor, ground(element.parentElement));
  };
  const luminance = (rgb) => {
    const linear = (v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = rgb.map((v) => linear(v / 255));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const found = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !element.checkVisibility() || element.tagName === "title") continue;
    const style = getComputedStyle(element);
    const under = ground(element.closest(":not(svg, svg *)"));
    const ink = over(element.tagName === "text" ? style.fill : style.color, under);
    const [light, dark] = [luminance(ink), luminance(under)].sort((a, b) => b - a);
    const ratio = (light + 0.05) / (dark + 0.05);
    if (ratio < 4.5) found.push(`${element.outerHTML.slice(0, 90)}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["digits", "regression", "multilabel"])
def test_all_text_has_contrast_in_both_themes(
    name: str, scheme: str, reports: dict[str, Report], open_page: Open
) -> None:
    page = open_page(reports[name], color_scheme=scheme).page
    page.eval_on_selector_all("details", "all => all.forEach(details => { details.open = true; })")
    assert page.evaluate(CONTRASTS) == []


def test_every_shade_of_the_matrix_can_be_read_on(reports: dict[str, Report], open_page: Open) -> None:
    for scheme in ("light", "dark"):
        page = open_page(reports["digits"], color_scheme=scheme).page
        page.eval_on_selector_all(
            ".matrix .cell",
            """cells => cells.forEach((cell, index) => {
                 cell.textContent = "7";
                 cell.className = `cell ${index % 2 ? "right" : "wrong"}-${1 + (index >> 1) % 10}`;
               })""",
        )
        assert page.evaluate(CONTRASTS) == []


def test_the_theme_follows_the_system_until_somebody_chooses(
    reports: dict[str, Report], open_page: Open
) -> None:
    page = open_page(reports["binary"], color_scheme="dark").page
    ground = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(ground)
    button = page.get_by_role("button", name="Light theme")
    button.click()
    light = page.evaluate(ground)
    assert light != dark
    page.get_by_role("button", name="Dark theme").click()
    assert page.evaluate(ground) == dark


def test_a_click_on_a_header_sorts_and_a_second_one_turns_it_round(
    reports: dict[str, Report], open_page: Open
) -> None:
    page = open_page(reports["digits"]).page
    table = page.locator("#classes table")
    recall = "rows => rows.map(row => Number(row.cells[3].dataset.value))"
    document = reports["digits"].document
    expected = sorted(document["metrics"][f"recall[{index}]"]["value"] for index in range(10))
    table.get_by_role("button", name="Recall").click()
    assert page.eval_on_selector_all("#classes tbody tr", recall) == expected
    assert table.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    table.get_by_role("button", name="Recall").click()
    assert page.eval_on_selector_all("#classes tbody tr", recall) == expected[::-1]
    table.get_by_role("button", name="Class").click()
    names = page.eval_on_selector_all("#classes tbody th", "cells => cells.map(cell => cell.textContent)")
    assert names == [str(index) for index in range(10)]


def test_figures_show_on_hover_and_a_class_lights_up_everywhere(
    reports: dict[str, Report], open_page: Open
) -> None:
    page = open_page(reports["digits"]).page
    matrix = reports["digits"].document["evaluation"]["confusion_matrix"]
    page.locator(".matrix tbody tr").nth(3).locator(".cell").nth(3).hover()
    assert f"3 decided as 3: {matrix[3][3]} of {sum(matrix[3])} rows" in page.locator("#tip").inner_text()
    lit = page.eval_on_selector_all(".lit", "all => [...new Set(all.map(one => one.closest('section').id))]")
    assert lit == ["confusion", "classes", "curves"]
    assert page.eval_on_selector_all(".lit", "all => all.map(one => one.dataset.class)") == ["3"] * len(
        page.locator(".lit").all()
    )


def test_the_map_of_a_large_matrix_tells_the_cell_below_the_pointer(
    reports: dict[str, Report], open_page: Open
) -> None:
    page = open_page(reports["hundred"]).page
    matrix = reports["hundred"].document["evaluation"]["confusion_matrix"]
    chart = page.locator("svg.map")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    chart.hover(position={"x": box["width"] * 0.425, "y": box["height"] * 0.425})
    expected = f"species 042 decided as species 042: {matrix[42][42]}"
    assert page.locator("#tip").inner_text() == expected


def test_hostile_names_are_text(reports: dict[str, Report], open_page: Open) -> None:
    watched = open_page(reports["hostile"])
    page = watched.page
    assert watched.said == []
    assert page.title().endswith(made.HOSTILE[0])
    assert page.locator("h1").inner_text() == made.HOSTILE[0]
    shown = page.eval_on_selector_all(".matrix tbody th", "cells => cells.map(cell => cell.textContent)")
    assert shown[:4] == [name.replace("\x00", "\ufffd") for name in made.HOSTILE]
    assert page.locator("b, main script").count() == 0
    assert page.evaluate("getComputedStyle(document.querySelector('main')).maxWidth") != "none"


def test_a_script_that_got_in_would_not_run(
    reports: dict[str, Report], open_page: Open, tmp_path: Path
) -> None:
    source = reports["binary"].path.read_text(encoding="utf-8")
    attacks = (
        '<script>document.title = 1</script><img src="http://127.0.0.1:9/" onerror="document.title = 2">'
    )
    attacked = Report({}, tmp_path / "attacked.html")
    attacked.path.write_text(source.replace("</main>", f"{attacks}</main>"), encoding="utf-8")
    watched = open_page(attacked)
    assert watched.page.title() == "PASS: binary"
    assert [failure for failure in watched.failed if "127.0.0.1" in failure] == ["http://127.0.0.1:9/ csp"]
    assert any("Content Security Policy" in line for line in watched.said)


def test_headings_are_in_order_and_figures_have_names(reports: dict[str, Report], open_page: Open) -> None:
    for name in ("digits", "regression", "multilabel"):
        page = open_page(reports[name]).page
        levels = page.eval_on_selector_all("h1, h2, h3, h4", "all => all.map(one => Number(one.tagName[1]))")
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(levels))
        assert page.locator("svg:not([aria-label], [aria-hidden])").count() == 0
        assert page.locator("img:not([alt])").count() == 0
        assert page.locator("th:not([scope])").count() == 0
        ids = page.eval_on_selector_all("[id]", "all => all.map(one => one.id)")
        assert len(ids) == len(set(ids))
        hrefs = page.eval_on_selector_all("a[href^='#']", "all => all.map(one => one.getAttribute('href'))")
        assert {re.sub("^#", "", href) for href in hrefs} <= set(ids)
