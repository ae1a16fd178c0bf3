"""The whole page: self-contained, forbidden to ask for anything, small, and the same for the same document."""

from __future__ import annotations

import base64
import hashlib
import re
from importlib.resources import files
from typing import Any

import pytest

import report_documents as made
from shipway.evaluation.report.page import render_report


def render(document: dict[str, Any], **changes: Any) -> str:
    given: dict[str, Any] = {
        "title": "model",
        "machine": made.MACHINE,
        "command": "shipway evaluate model.bundle",
        "made_at": made.MADE_AT,
    }
    return render_report(document, **(given | changes))


def test_the_policy_allows_the_pages_own_style_and_script_and_nothing_else(diabetes: dict[str, Any]) -> None:
    page = render(diabetes)
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', page)
    assert policy is not None
    for tag, rule in (("style", "style-src"), ("script", "script-src")):
        (content,) = re.findall(rf"<{tag}[^>]*>(.*?)</{tag}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{rule} 'sha256-{digest}';" in policy[1]
    assert policy[1].startswith("default-src 'none';")
    assert "unsafe" not in policy[1]
    assert " style=" not in page  # the policy would block it


def test_it_names_no_address_to_load_from(digits: tuple[dict[str, Any], Any]) -> None:
    page = render(digits[0], samples=digits[1])
    loaded = re.findall(r'\b(?:src|href)="([^"]+)"', page)
    assert all(target.startswith(("data:", "#")) for target in loaded)
    assert "@import" not in page
    assert not re.search(r"url\(", page)


@pytest.mark.parametrize("file", ["page.css", "page.js"])
def test_the_style_and_the_script_cannot_end_their_elements(file: str) -> None:
    text = files("shipway.evaluation.report").joinpath(file).read_text(encoding="utf-8")
    assert "</" not in text
    assert "\r" not in text


def test_every_class_of_the_style_is_one_that_pages_have(digits: tuple[dict[str, Any], Any]) -> None:
    text = files("shipway.evaluation.report").joinpath("page.css").read_text(encoding="utf-8")
    styled = set(
        re.findall(r"\.([a-z][a-z0-9-]*)(?=[^{}]*\{)", re.sub(r"/\*.*?\*/", "", text, flags=re.DOTALL))
    )
    sources = "".join(
        path.read_text(encoding="utf-8")
        for path in files("shipway.evaluation.report").iterdir()
        if path.name.endswith((".py", ".js"))
    )
    numbered = re.compile(r"^(?:right|wrong|line)-\d+$")
    unused = {name for name in styled if not numbered.match(name) and name not in sources.lower()}
    assert unused == set()


def test_the_same_document_gives_the_same_page(digits: tuple[dict[str, Any], Any]) -> None:
    assert render(digits[0], samples=digits[1]) == render(digits[0], samples=digits[1])


def test_an_empty_document_is_still_a_page() -> None:
    page = render({}, command=None, machine={})
    assert "NO VERDICT" in page
    assert 'id="run"' in page
    assert "Machine" not in page


def test_it_can_be_written_as_utf_8_whatever_names_hold() -> None:
    evaluation = {"task": "classification", "classes": ["\ud800", "b"], "confusion_matrix": [[1, 0], [1, 1]]}
    assert render({"evaluation": evaluation}, title="\udfff").encode("utf-8")


def test_a_hundred_classes_stay_under_half_a_megabyte() -> None:
    page = render(made.many_classes(100, 1200))
    assert len(page.encode()) < 500_000
    assert 'class="map"' in page


@pytest.mark.heavy
def test_a_thousand_classes_stay_under_half_a_megabyte_and_the_page_says_what_is_left_out() -> None:
    page = render(made.many_classes(1000, 1500))
    assert len(page.encode()) < 500_000
    assert "900 classes with a higher F1 are left out" in page
    assert "980 more classes are left out" in page
