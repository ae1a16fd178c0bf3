"""How figures are spelled for people: enough digits to tell two apart, and never 100 % for what is less.

The exact value always stands beside the spelling, in a `<data value>` element.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from xml.etree.ElementTree import Element

from shipway.bundle.evidence import Json
from shipway.evaluation.report.markup import h

THIN = "\u202f"
"""A narrow space that no line breaks at, between a number and its unit."""
UNDEFINED = "undefined"


def percent(value: float) -> str:
    """`0.9722` → `97.2 %`; what is not all (or nothing) gets as many digits as show it."""
    for digits in (1, 2):
        text = f"{value * 100:.{digits}f}"
        if not _hides(float(text), value * 100, 100.0):
            return f"{_minus(text)}{THIN}%"
    return f"{'> 99.99' if value > 0.5 else '< 0.01'}{THIN}%"


def decimal(value: float) -> str:
    """Three decimals below 10, four significant digits above, scientific for the very small.

    What is nearly 1 gets as many digits as show that it is less.
    """
    size = abs(value)
    if 0.99 < value < 1:
        return next((text for digits in (3, 4, 5) if float(text := f"{value:.{digits}f}") < 1), "> 0.99999")
    if size >= 1000:
        return _minus(f"{value:,.0f}" if size < 1e9 else f"{value:.3e}")
    if size >= 10:
        return _minus(f"{value:.{3 - math.floor(math.log10(size))}f}")
    if size >= 0.01 or size == 0:
        return _minus(f"{value:.3f}")
    return _minus(f"{value:.2g}")


def share_or_decimal(value: float, *, is_share: bool) -> str:
    """In percent, or as a number."""
    return percent(value) if is_share else decimal(value)


def count(value: int) -> str:
    """`12345` → `12,345`."""
    return f"{value:,}"


def plural(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def p_value(value: float | None) -> str:
    """Small ones as a bound: their digits say nothing."""
    if value is None:
        return UNDEFINED
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def interval(estimate: Mapping[str, Json], *, is_share: bool) -> str | None:
    """`94.9 % – 98.5 %`, or None where an end is undefined."""
    low, high = estimate.get("low"), estimate.get("high")
    if low is None or high is None:
        return None
    return (
        f"{share_or_decimal(low, is_share=is_share)}{THIN}–{THIN}{share_or_decimal(high, is_share=is_share)}"
    )


def data(value: float | None, shown: str, **attributes: str | float | None) -> Element:
    """The spelling with the exact value beside it, for whoever reads the page by program."""
    if value is None:
        return h("span", UNDEFINED, class_="undefined", **attributes)
    return h("data", shown, value=repr(value), **attributes)


def plain(value: Json) -> str:
    """Any scalar of a JSON document, for people."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return count(value)
    return decimal(value) if isinstance(value, float) else str(value)


def _hides(shown: float, value: float, whole: float) -> bool:
    """Whether rounding made nothing of something, or all of what is less."""
    return (shown == whole and value < whole) or (shown == 0 and value > 0)


def _minus(text: str) -> str:
    return text.replace("-", "−") if text.startswith("-") else text
