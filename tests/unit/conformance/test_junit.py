"""Findings as JUnit XML: what counts fails there, and nothing else does."""

from __future__ import annotations

import xml.etree.ElementTree as ET

from shipway.conformance.check import Finding, Level, Mark
from shipway.conformance.junit import render_junit


def finding(check_id: str, mark: Mark, level: Level = Level.REQUIRED, **more) -> Finding:
    return Finding(check_id, level, "The rule.", "https://spec", "m", mark, **more)


def test_each_finding_is_a_case_and_only_what_counts_fails():
    found = [
        finding("a.pass", Mark.PASS, duration_ms=1500.0),
        finding("a.fail", Mark.FAIL, reason="expected <a>, found \x00", request="GET /", answer="500"),
        finding("a.open", Mark.INCONCLUSIVE, Level.EXTENSION, reason="who knows"),
        finding("a.skip", Mark.SKIPPED, reason="no such thing"),
        finding("a.wish", Mark.FAIL, Level.RECOMMENDED, reason="no HEAD"),
    ]
    suite = ET.fromstring(render_junit(found, "http://host"))
    counts = {name: suite.get(name) for name in ("tests", "failures", "skipped", "time")}
    assert counts == {"tests": "5", "failures": "2", "skipped": "2", "time": "1.500"}
    cases = {case.get("name"): case for case in suite}
    assert cases["a.fail"].find("failure").get("message") == "expected <a>, found ?"
    assert cases["a.fail"].find("failure").text == "The rule.\n\nGET /\n\n500"
    assert cases["a.open"].find("failure").get("type") == "INCONCLUSIVE"
    assert cases["a.skip"].find("skipped").get("message") == "no such thing"
    assert cases["a.wish"].find("skipped").get("message") == "recommended: no HEAD"
    assert list(cases["a.pass"]) == []
