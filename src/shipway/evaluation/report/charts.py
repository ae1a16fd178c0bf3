"""The frame that charts are drawn in, as inline SVG: scales, ticks, axes. Colors are classes of `page.css`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element

from shipway.evaluation.report.markup import Node, Nodes, h


@dataclass(frozen=True)
class Plot:
    """A rectangle of values on a rectangle of pixels."""

    x_low: float = 0.0
    x_high: float = 1.0
    y_low: float = 0.0
    y_high: float = 1.0
    width: int = 400
    height: int = 340
    left: int = 60
    right: int = 14
    top: int = 12
    bottom: int = 46

    def x(self, value: float) -> float:
        """Pixels from the left."""
        inner = self.width - self.left - self.right
        return round(self.left + inner * (value - self.x_low) / (self.x_high - self.x_low), 1)

    def y(self, value: float) -> float:
        """Pixels from the top."""
        inner = self.height - self.top - self.bottom
        return round(self.top + inner * (1 - (value - self.y_low) / (self.y_high - self.y_low)), 1)

    def svg(
        self,
        *marks: Nodes,
        label: str,
        x_title: str,
        y_title: str,
        x_ticks: Sequence[float],
        y_ticks: Sequence[float],
        spell: Callable[[float], str] | None = None,
    ) -> Element:
        """The chart: grid and axes below the marks. `label` is read aloud in its place."""
        return h(
            "svg",
            h("title", label),
            _grid(self, x_ticks, y_ticks, spell or spell_tick),
            marks,
            _axis_titles(self, x_title, y_title),
            viewBox=f"0 0 {self.width} {self.height}",
            class_="chart",
            role="img",
            aria_label=label,
        )

    def polyline(self, xs: Iterable[float], ys: Iterable[float], class_: str, title: Node = None) -> Element:
        """A line through the points."""
        points = " ".join(f"{self.x(x):g},{self.y(y):g}" for x, y in zip(xs, ys, strict=True))
        return h("polyline", h("title", title) if title else None, points=points, class_=class_)

    def segment(self, start: tuple[float, float], end: tuple[float, float], class_: str) -> Element:
        """A straight line between two points."""
        return h(
            "line",
            x1=self.x(start[0]),
            y1=self.y(start[1]),
            x2=self.x(end[0]),
            y2=self.y(end[1]),
            class_=class_,
        )

    def bar(self, x_low: float, x_high: float, top: float, class_: str, title: str) -> Element:
        """A bar that stands on the lowest y, with a gap of a pixel to its neighbor."""
        left, right = self.x(x_low), self.x(x_high)
        upper, lower = self.y(top), self.y(self.y_low)
        return h(
            "rect",
            h("title", title),
            x=round(left + 0.5, 1),
            y=upper,
            width=round(max(right - left - 1, 0.5), 1),
            height=round(max(lower - upper, 0), 1),
            class_=class_,
        )

    def dot(self, x: float, y: float, class_: str, title: str, radius: float = 4) -> Element:
        """A point with its figures on hover."""
        return h("circle", h("title", title), cx=self.x(x), cy=self.y(y), r=radius, class_=class_)


def interval_bar(
    value: float | None,
    low: float | None,
    high: float | None,
    *,
    lowest: float = 0.0,
    highest: float = 1.0,
    reference: float | None = None,
) -> Element | None:
    """A bar as long as the value, the interval as a whisker on its end; None where there is no value.

    The figures stand beside it in text, so screen readers skip it. `reference` is a tick to compare with.
    """
    if value is None:
        return None
    marks = [
        h("rect", x=0, y=3, width=100, height=10, rx=2, class_="track"),
        _span(min(max(lowest, 0.0), highest), value, lowest, highest),
    ]
    if reference is not None:
        at = _along(reference, lowest, highest)
        marks.append(h("line", x1=at, y1=0, x2=at, y2=16, class_="reference"))
    if low is not None and high is not None:
        ends = _along(low, lowest, highest), _along(high, lowest, highest)
        path = f"M{ends[0]:g} 5v6M{ends[0]:g} 8H{ends[1]:g}M{ends[1]:g} 5v6"
        marks.append(h("path", d=path, class_="whisker"))
    return h(
        "svg", marks, viewBox="0 0 100 16", preserveAspectRatio="none", class_="interval", aria_hidden="true"
    )


def ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers within the range, near `about` of them (Heckbert, "Nice numbers for graph labels", 1990)."""
    if not high > low:
        return [low]
    rough = (high - low) / about
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(size for size in (1, 2, 5, 10) if size * power >= rough * 0.75)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(index * step, digits) for index in range(first, last + 1)]


def spell_tick(value: float) -> str:
    """As short as a round number can be."""
    return f"{value:,.10g}".replace("-", "−") if abs(value) < 1e6 else f"{value:.3g}".replace("-", "−")


def figure(title: str, chart: Node, *below: Nodes, table: Element | None = None) -> Element:
    """A chart with its title above it, and its figures as a table that unfolds."""
    folded = h("details", h("summary", "Figures as a table"), table) if table is not None else None
    return h("figure", h("figcaption", title), chart, below, folded)


def _span(start: float, end: float, lowest: float, highest: float) -> Element:
    left, right = sorted((_along(start, lowest, highest), _along(end, lowest, highest)))
    return h("rect", x=left, y=3, width=round(right - left, 2), height=10, rx=2, class_="bar")


def _along(value: float, lowest: float, highest: float) -> float:
    share = (value - lowest) / (highest - lowest)
    return round(100 * min(max(share, 0.0), 1.0), 2)


def _grid(
    plot: Plot, x_ticks: Sequence[float], y_ticks: Sequence[float], spell: Callable[[float], str]
) -> Element:
    marks = []
    for tick in x_ticks:
        marks.append(plot.segment((tick, plot.y_low), (tick, plot.y_high), "grid"))
        marks.append(
            h("text", spell(tick), x=plot.x(tick), y=plot.height - plot.bottom + 17, text_anchor="middle")
        )
    for tick in y_ticks:
        marks.append(plot.segment((plot.x_low, tick), (plot.x_high, tick), "grid"))
        marks.append(h("text", spell(tick), x=plot.left - 7, y=plot.y(tick) + 4, text_anchor="end"))
    return h("g", marks, class_="axes", aria_hidden="true")


def _axis_titles(plot: Plot, x_title: str, y_title: str) -> Element:
    middle_x = (plot.left + plot.width - plot.right) / 2
    middle_y = (plot.top + plot.height - plot.bottom) / 2
    return h(
        "g",
        h("text", x_title, x=middle_x, y=plot.height - 8, text_anchor="middle"),
        h("text", y_title, transform=f"translate(12 {middle_y:g}) rotate(-90)", text_anchor="middle"),
        class_="axis-title",
        aria_hidden="true",
    )
