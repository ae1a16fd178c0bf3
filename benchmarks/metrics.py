"""What a judgement costs: every metric with its interval, on a million rows.

    python benchmarks/metrics.py [--quick] [--check] [--out benchmarks/results/metrics.json]

Each case runs in a process of its own, so its peak memory is its own: the interpreter, NumPy, SciPy, scikit-learn
and the data are in it. The time is that of `judge` alone, from arrays to the figures and the document.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
GOAL_SECONDS = 20.0
GOAL_PEAK_MB = 1_500.0
CASES = ("multiclass", "binary", "multilabel", "regression")
GOAL_CASE = "multiclass"


def made(case: str, rows: int):
    """Labels and outputs of a model that errs now and then, in float32 as models answer."""
    generator = np.random.default_rng(7)
    if case == "regression":
        labels = generator.normal(size=rows).astype(np.float32)
        return labels, labels[:, None] + generator.normal(0, 0.3, (rows, 1)).astype(np.float32)
    if case == "binary":
        labels = generator.integers(2, size=rows)
        logits = generator.normal(2.0 * labels - 1, 1.5).astype(np.float32)
        return labels, 1 / (1 + np.exp(-logits[:, None]))
    logits = generator.normal(size=(rows, 10)).astype(np.float32)
    if case == "multilabel":
        labels = (generator.random((rows, 10)) < 0.2).astype(np.int64)
        return labels, 1 / (1 + np.exp(1 - logits - 3 * labels.astype(np.float32)))
    labels = generator.integers(10, size=rows)
    logits[np.arange(rows), labels] += 3
    shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
    return labels, shifted / shifted.sum(axis=1, keepdims=True)


def run_case(case: str, rows: int) -> dict:
    """One case, in this process."""
    from shipway.evaluation.metrics.judge import judge
    from shipway.types import DType, Signature, TensorSpec

    labels, values = made(case, rows)
    spec = TensorSpec("y", DType.FP32, ("batch", values.shape[1]))
    began, began_cpu = time.perf_counter(), time.process_time()
    judged = judge(labels, {"y": values}, Signature((), (spec,)))
    size = len(json.dumps(judged.to_json(), allow_nan=False))
    return {
        "seconds": time.perf_counter() - began,
        "cpu_seconds": time.process_time() - began_cpu,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "data_mb": (labels.nbytes + values.nbytes) / 2**20,
        "figures": len(judged.metrics),
        "document_kb": size / 1024,
    }


def measure(rows: int, console: Console) -> dict:
    cases = {}
    for case in CASES:
        console.print(f"{case}, {rows:,} rows …", style="dim")
        done = subprocess.run(
            [sys.executable, __file__, "--case", case, "--rows", str(rows)],
            capture_output=True,
            text=True,
            check=True,
            timeout=600,
        )
        cases[case] = json.loads(done.stdout)
    return {
        "machine": {
            "processors": os.cpu_count(),
            "python": platform.python_version(),
            "load": os.getloadavg(),
        },
        "rows": rows,
        "cases": cases,
    }


def goals(result: dict) -> list[tuple[str, bool]]:
    found = result["cases"][GOAL_CASE]
    seconds, peak = found["seconds"], found["peak_mb"]
    return [
        (f"{GOAL_CASE}: {seconds:.1f} s; goal ≤ {GOAL_SECONDS:g} s", seconds <= GOAL_SECONDS),
        (f"{GOAL_CASE}: {peak:.0f} MB at its peak; goal ≤ {GOAL_PEAK_MB:g} MB", peak <= GOAL_PEAK_MB),
    ]


def show(result: dict, console: Console) -> None:
    table = Table(title=f"Every metric with its interval, {result['rows']:,} rows")
    for column in ("case", "figures", "seconds", "CPU seconds", "peak MB", "data MB", "document KB"):
        table.add_column(column, justify="left" if column == "case" else "right")
    for case, found in result["cases"].items():
        table.add_row(
            case,
            str(found["figures"]),
            f"{found['seconds']:.1f}",
            f"{found['cpu_seconds']:.1f}",
            f"{found['peak_mb']:.0f}",
            f"{found['data_mb']:.0f}",
            f"{found['document_kb']:.0f}",
        )
    console.print(table)
    load, processors = result["machine"]["load"][0], result["machine"]["processors"]
    console.print(f"{processors} processors, load {load:.1f}", style="dim")
    for text, holds in goals(result):
        console.print(f"{'holds' if holds else 'FAILS'}: {text}", style="green" if holds else "bold red")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="100,000 rows, some seconds in all")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal does not hold")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "metrics.json")
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    if options.case:
        print(json.dumps(run_case(options.case, options.rows)))
        return 0
    console = Console()
    result = measure(100_000 if options.quick else options.rows, console)
    show(result, console)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=2) + "\n")
    return 1 if options.check and not all(holds for _, holds in goals(result)) else 0


if __name__ == "__main__":
    sys.exit(main())
