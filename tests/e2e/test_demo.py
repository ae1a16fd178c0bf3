"""Runs the demo as a user does: to the prediction, and then Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from shipway.bundle.store import open_bundle

DEMO = Path(__file__).parents[2] / "examples" / "digits" / "demo.py"
pytestmark = pytest.mark.framework


def wait_for(pattern: str, log: Path, demo: subprocess.Popen[bytes]) -> re.Match[str]:
    until = time.monotonic() + 240
    while (found := re.search(pattern, log.read_text(encoding="utf-8"))) is None:
        assert demo.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < until, log.read_text(encoding="utf-8")
        time.sleep(0.1)
    return found


def test_the_demo_shows_a_prediction_stays_up_and_ends_well_on_ctrl_c(tmp_path: Path) -> None:
    log = tmp_path / "screen.txt"
    with log.open("wb") as screen:
        demo = subprocess.Popen(
            [sys.executable, DEMO, "--folder", tmp_path / "demo"],
            stdout=screen,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a terminal sends Ctrl-C to the whole group
            cwd=tmp_path,
        )
    try:
        url = wait_for(r"(http://127\.0\.0\.1:\d+) stays up", log, demo)[1]
        with urllib.request.urlopen(f"{url}/v2/health/ready", timeout=10) as answer:
            assert answer.status == 200
        os.killpg(demo.pid, signal.SIGINT)
        code = demo.wait(timeout=60)
    finally:
        if demo.poll() is None:
            os.killpg(demo.pid, signal.SIGKILL)
            demo.wait()
    text = log.read_text(encoding="utf-8")
    assert code == 0, text
    assert re.search(r"The endpoint says (\d), the label \1;", text)
    assert "The curl line above was pasted into a shell and answered as well." in text
    assert "Traceback" not in text
    assert open_bundle(tmp_path / "demo" / "digits.bundle").manifest.name == "digits"
