"""What it costs to read numbers from JSON: lists of Python's objects against simdjson's buffers, body to arrays.

    python benchmarks/codecs.py [--quick] [--out benchmarks/results/codecs.json]

Both ways read the same body in turn, round by round, so that a slow moment of the machine meets both. Shown is
the median of the rounds, in CPU time.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from shipway.server.http.tfs import plain as tfs_plain
from shipway.server.http.tfs.request import PredictReader
from shipway.server.http.v2 import json_data as v2_json_data
from shipway.server.http.v2 import request as v2_request
from shipway.server.http.v2.request import RequestReader
from shipway.types import DType, Signature, TensorSpec

SWITCHES = ((v2_request, "LARGE_BYTES"), (v2_json_data, "LARGE_BYTES"), (tfs_plain, "_LARGE_BYTES"))
"""Where each reader keeps the size from which it takes the second way."""
FORMS = ("v2 flat", "v2 nested", "tfs instances")
SHAPES = ((1, 4), (1, 784), (8, 784), (192, 784), (50_176, 3))
DIGITS = {"short": 3, "long": 17}
NEVER, ALWAYS = sys.maxsize, 0
ROUND_SECONDS = 0.02


@dataclass
class Figures:
    """One body."""

    form: str
    rows: int
    columns: int
    digits: str
    body_bytes: int
    lists_us: float
    buffers_us: float


@contextmanager
def taking(large_bytes: int) -> Iterator[None]:
    """Readers take the second way from so many bytes on."""
    kept = [(module, name, getattr(module, name)) for module, name in SWITCHES]
    try:
        for module, name in SWITCHES:
            setattr(module, name, large_bytes)
        yield
    finally:
        for module, name, value in kept:
            setattr(module, name, value)


def made(form: str, rows: int, columns: int, digits: int) -> tuple[Callable[[], object], bytes]:
    """What reads a body, and the body."""
    signature = Signature((TensorSpec("x", DType.FP32, ("batch", columns)),), ())
    array = np.random.default_rng(7).random((rows, columns)).round(digits)
    if form == "tfs instances":
        body = json.dumps({"instances": array.tolist()}).encode()
        predict = PredictReader(signature)
        return lambda: predict.read(body).inputs["x"], body
    data = array.ravel().tolist() if form == "v2 flat" else array.tolist()
    tensor = {"name": "x", "shape": [rows, columns], "datatype": "FP32", "data": data}
    body = json.dumps({"inputs": [tensor]}).encode()
    infer = RequestReader(signature)
    return lambda: infer.read(body, None).inputs["x"], body


def microseconds(read: Callable[[], object], count: int) -> float:
    began = time.process_time()
    for _ in range(count):
        read()
    return (time.process_time() - began) / count * 1e6


def measure(form: str, rows: int, columns: int, digits: str, rounds: int) -> Figures:
    """Both ways in turn. Raises `AssertionError` where they differ in what they read."""
    read, body = made(form, rows, columns, DIGITS[digits])
    found = {}
    for way in (NEVER, ALWAYS):
        with taking(way):
            found[way] = np.array(read())
    np.testing.assert_array_equal(found[NEVER], found[ALWAYS])
    count = max(1, round(ROUND_SECONDS * 1e6 / microseconds(read, 1)))
    took: dict[int, list[float]] = {NEVER: [], ALWAYS: []}
    for _ in range(rounds):
        for way, times in took.items():
            with taking(way):
                times.append(microseconds(read, count))
    lists_us, buffers_us = (round(statistics.median(times), 1) for times in took.values())
    return Figures(form, rows, columns, digits, len(body), lists_us, buffers_us)


def show(measured: list[Figures]) -> None:
    table = Table("body", "rows", "columns", "digits", "bytes", "lists µs", "buffers µs", "ratio")
    for one in measured:
        numbers = (f"{one.rows:,}", f"{one.columns:,}", one.digits, f"{one.body_bytes:,}")
        ratio = f"{one.buffers_us / one.lists_us:.2f}"
        table.add_row(one.form, *numbers, f"{one.lists_us:,.1f}", f"{one.buffers_us:,.1f}", ratio)
    Console(width=110).print(table)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three rounds of small bodies: a smoke test")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "codecs.json")
    arguments = parser.parse_args()
    shapes, rounds = (SHAPES[:2], 3) if arguments.quick else (SHAPES, 15)
    measured = [
        measure(form, *shape, digits, rounds) for form in FORMS for shape in shapes for digits in DIGITS
    ]
    show(measured)
    document = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "processors": os.cpu_count(),
        "rounds": rounds,
        "bodies": [asdict(one) for one in measured],
    }
    arguments.out.write_text(json.dumps(document, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
