"""The serving benchmark runs, in its short form: every server answers, and its figures make sense."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "serving.py"


def test_the_short_form_measures_all_three(tmp_path: Path) -> None:
    out = tmp_path / "serving.json"
    done = subprocess.run(
        [sys.executable, SCRIPT, "--quick", "--out", out],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(out.read_text())
    assert len(found["loads"]) >= 4
    for load in found["loads"].values():
        for server in ("shipway", "fastapi"):
            assert load[server]["cpu_us"] > 0
            assert load[server]["p50_ms"] <= load[server]["p99_ms"]
    assert "FastAPI ÷" in done.stdout
