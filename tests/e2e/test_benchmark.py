"""The serving benchmark runs, in its short form: every server answers, and its figures make sense."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "serving"


def run(out: Path, *options: str) -> tuple[subprocess.CompletedProcess[str], dict]:
    done = subprocess.run(
        [sys.executable, SCRIPT, "--quick", "--out", out, *options],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert out.exists(), done.stderr[-3000:]
    return done, json.loads(out.read_text())


def test_the_short_form_measures_every_load_but_the_guide_s(tmp_path: Path) -> None:
    done, found = run(tmp_path / "serving.json")
    assert done.returncode == 0, done.stderr[-3000:]
    assert {"tiny-32", "tiny-32-unbatched", "tiny-1", "cnn-32", "mobilenet-8"} <= found["loads"].keys()
    for name, by_server in found["loads"].items():
        for server, figures in by_server.items():
            assert figures["cpu_us"] > 0, (name, server)
            assert figures.get("p50_ms", 0) <= figures.get("p99_ms", 0), (name, server)
    fast = found["fast_beside_slow"]
    assert fast["alone"][0]["slow"]["requests"] == 0 < fast["beside"][0]["slow"]["requests"]
    assert fast["beside"][0]["fast"]["p50_ms"] > 0
    assert len(found["goals"]) >= 8
    for server in ("shipway", "fastapi", "bare loop"):
        assert server in done.stdout


def test_a_goal_that_fails_fails_the_check(tmp_path: Path) -> None:
    """On a machine that is busy enough the goals fail; the exit code says what the output says, either way."""
    done, found = run(tmp_path / "serving.json", "--only", "starts", "--check")
    assert done.returncode == (0 if all(goal["holds"] for goal in found["goals"]) else 1)
    assert ("FAILS" in done.stdout) == (done.returncode == 1)
    assert not found["loads"]
