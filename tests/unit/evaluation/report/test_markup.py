"""Whatever a text holds, it comes out as text."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.evaluation.report.markup import append, h, name, printable, to_html


class Reader(HTMLParser):
    """What a parser makes of a page: its tags, its attributes and its text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text())
def test_any_text_is_read_back_as_it_was_in_an_element_and_in_an_attribute(text: str) -> None:
    read = Reader(to_html(h("p", text, title=text)))
    kept = printable(text)
    assert read.tags == ["p"]
    assert read.text == kept
    assert [(key, value or "") for key, value in read.attributes] == [("title", kept)]


@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "</style>", "<!--", "&lt;", "]]>", '" onload="x']
)
def test_hostile_texts_make_no_element(text: str) -> None:
    read = Reader(to_html(h("p", "before ", h("b", text), text, title=text)))
    assert read.tags == ["p", "b"]
    assert read.text == f"before {text}{text}"


def test_what_no_document_may_hold_is_replaced() -> None:
    assert printable("a\x00b\ud800c\x1b[31m\n\t") == "a\ufffdb\ufffdc\ufffd[31m\n\t"
    assert to_html(h("p", "\ud800")).encode("utf-8")


def test_texts_and_elements_keep_their_order() -> None:
    made = h("p", "a", h("b", "c"), "d", ["e", [h("i"), "f"]], None)
    assert to_html(made) == "<p>a<b>c</b>de<i></i>f</p>"
    append(made, "g")
    assert to_html(made).endswith("fg</p>")


def test_attributes_are_spelled_as_html_has_them_and_none_is_left_out() -> None:
    made = h("td", class_="wide", data_row=3, title=None, aria_label="x")
    assert made.attrib == {"class": "wide", "data-row": "3", "aria-label": "x"}


def test_void_elements_are_not_closed() -> None:
    assert to_html(h("p", h("br"), h("img", src="data:,"))) == '<p><br><img src="data:,"></p>'


def test_a_name_is_isolated_from_the_direction_around_it() -> None:
    assert to_html(name("\u202eabc")) == "<bdi>\u202eabc</bdi>"
