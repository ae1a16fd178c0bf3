"""Findings as JUnit XML, which every CI system shows: a test case for each check."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, tostring

from shipway.conformance.check import Finding, Level, Mark


def render_junit(findings: Iterable[Finding], url: str) -> str:
    """The document. A recommendation that is not met is skipped there: it fails no build."""
    listed = list(findings)
    suite = Element(
        "testsuite",
        name=f"conformance of {url}",
        tests=str(len(listed)),
        failures=str(sum(1 for found in listed if _failed(found))),
        errors="0",
        skipped=str(sum(1 for found in listed if found.mark is not Mark.PASS and not _failed(found))),
        time=f"{sum(found.duration_ms for found in listed) / 1000:.3f}",
    )
    for found in listed:
        case = SubElement(
            suite,
            "testcase",
            name=found.id,
            classname=found.model or "server",
            time=f"{found.duration_ms / 1000:.3f}",
        )
        if _failed(found):
            failure = SubElement(case, "failure", message=_clean(found.reason), type=str(found.mark))
            failure.text = _clean("\n\n".join(filter(None, (found.rule, found.request, found.answer))))
        elif found.mark is not Mark.PASS:
            level = "recommended: " if found.level is Level.RECOMMENDED and found.mark is Mark.FAIL else ""
            SubElement(case, "skipped", message=_clean(f"{level}{found.reason}"))
    return tostring(suite, encoding="unicode", xml_declaration=True) + "\n"


def _failed(found: Finding) -> bool:
    return found.counts


def _clean(text: str) -> str:
    """XML 1.0 has no control characters."""
    return "".join(char if char in "\n\t" or char >= " " else "?" for char in text)
