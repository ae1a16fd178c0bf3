"""Texts: empty ones, all alike, lost bytes, wrong encodings; other languages are left in peace."""

import numpy as np
import pytest


def texts(*items) -> dict[str, np.ndarray]:
    array = np.empty(len(items), object)
    array[:] = items
    return {"t": array}


def by_kind(findings) -> dict:
    return {finding.kind: finding for finding in findings}


def test_each_damage_is_counted_and_named(inspect):
    found = by_kind(
        inspect(texts("fine", "", "  \n", "caf\ufffd", "cafÃ©", "she said â€œyesâ€\u009d", "more", b""))
    )
    assert found["empty-text"].examples == ("row 1", "row 2", "row 7")
    assert (found["damaged-text"].count, found["damaged-text"].examples) == (1, ("row 3",))
    assert found["mojibake"].examples == ("row 4", "row 5")
    assert {finding.severity for finding in found.values() if finding.kind != "duplicates"} == {"warning"}


@pytest.mark.parametrize(
    "text",
    [
        "SÃO PAULO",
        "naïve café – “quoted”",
        "Ünïcödé",
        "Привет, мир",
        "日本語のテキスト",
        "Â",
        "🙂",
        "Ελληνικά",
        "ÂGE D'OR",
    ],
)
def test_other_languages_are_no_damage(inspect, text):
    assert not inspect(texts("plain", text))


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("café", "cp1252"),
        ("Größe", "latin-1"),
        ("“quoted”", "latin-1"),
        ("don’t", "cp1252"),
        ("señor", "cp1252"),
    ],
)
def test_what_a_wrong_encoding_makes_of_a_text_is_found(inspect, text, encoding):
    assert "mojibake" in by_kind(inspect(texts("plain", text.encode().decode(encoding))))


def test_the_remedy_mends_it(inspect):
    found = by_kind(inspect(texts("cafÃ©")))["mojibake"]
    assert "text.encode('cp1252').decode('utf-8')" in found.remedy
    assert "cafÃ©".encode("cp1252").decode("utf-8") == "café"


def test_one_text_in_every_row(inspect):
    found = by_kind(inspect(texts(*["same"] * 20)))
    assert found["constant"].count == 20
    assert not inspect(texts(*[f"text {number}" for number in range(20)]))


def test_a_missing_text_is_no_empty_one(inspect):
    assert not inspect(texts("a", None, "b"))
