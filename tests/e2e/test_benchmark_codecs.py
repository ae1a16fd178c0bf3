"""The benchmark of JSON readers runs, in its short form: both ways read the same arrays, and take time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "codecs.py"


def test_the_short_form_compares_both_ways(tmp_path: Path) -> None:
    out = tmp_path / "codecs.json"
    done = subprocess.run(
        [sys.executable, SCRIPT, "--quick", "--out", out],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    bodies = json.loads(out.read_text())["bodies"]
    assert {body["form"] for body in bodies} == {"v2 flat", "v2 nested", "tfs instances"}
    assert all(body["lists_us"] > 0 and body["buffers_us"] > 0 for body in bodies)
    # simdjson's way costs more for four numbers, whatever the machine: the switch between the two works.
    small = [body for body in bodies if body["columns"] == 4]
    assert all(body["buffers_us"] > body["lists_us"] for body in small)
    assert "buffers" in done.stdout
