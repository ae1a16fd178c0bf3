"""Trains the guide CNN and takes it to a checked endpoint, within a promised time and memory.

`shipway deploy` must end with PASS within 3 minutes and 8 GB on 2 cores. The memory is the resident memory of
its process tree added up, so a page that two processes share counts twice. Ends with 1 when it needs more.

Usage: python run.py [--size 224] [--folder build/guide_cnn]
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

HERE = Path(__file__).parent
SHIPWAY = Path(sys.executable).with_name("shipway")
LONGEST_SECONDS = 180.0
LARGEST_BYTES = 8e9


class PeakMemory(threading.Thread):
    """Adds up the resident memory of a process tree ten times a second and keeps the largest sum."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.process = psutil.Process(pid)
        self.peak_bytes = 0

    def run(self) -> None:
        """Samples until the process has ended."""
        try:
            while self.process.is_running() and self.process.status() != psutil.STATUS_ZOMBIE:
                self.peak_bytes = max(self.peak_bytes, self._now())
                time.sleep(0.1)
        except psutil.NoSuchProcess:
            return

    def _now(self) -> int:
        total = 0
        for process in [self.process, *self.process.children(recursive=True)]:
            try:
                total += process.memory_info().rss
            except psutil.NoSuchProcess:  # ended since the list was made
                continue
        return total


def measured(command: Sequence[str | Path]) -> tuple[int, float, int]:
    """Runs a command on this terminal; gives its exit code, its seconds and its tree's peak bytes."""
    began = time.monotonic()
    with subprocess.Popen(command) as child:
        memory = PeakMemory(child.pid)
        memory.start()
        code = child.wait()
    memory.join()
    return code, time.monotonic() - began, memory.peak_bytes


def main() -> int:
    """Both steps, each with its figures."""
    parser = argparse.ArgumentParser(description="Train the guide CNN and deploy it.")
    parser.add_argument("--size", type=int, default=224, help="side of the square images; 224 is the guide's")
    parser.add_argument("--folder", type=Path, default=Path("build/guide_cnn"))
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if arguments.size == 224 and free < 5e9:
        print(f"The example writes up to 4 GB below {folder}; {free / 1e9:.1f} GB are free.", file=sys.stderr)
        return 3

    print(f"Training the guide CNN at {arguments.size}×{arguments.size}×3", flush=True)
    train: list[str | Path] = [sys.executable, HERE / "train.py", folder, "--size", str(arguments.size)]
    code, seconds, peak = measured(train)
    if code != 0:
        return code
    print(f"  training took {seconds:.0f} s and {peak / 1e9:.1f} GB\n", flush=True)

    deploy: list[str | Path] = [SHIPWAY, "deploy", folder / "guide_cnn.keras", "--data", folder / "test.npz"]
    code, seconds, peak = measured([*deploy, "--out", folder, "--once", "--port", "0"])
    print(f"\nshipway deploy: exit code {code}, {seconds:.0f} s, {peak / 1e9:.1f} GB at the peak")
    if code == 0 and (seconds > LONGEST_SECONDS or peak > LARGEST_BYTES):
        promise = f"{LONGEST_SECONDS:.0f} s and {LARGEST_BYTES / 1e9:.0f} GB"
        print(f"That is over the promise of {promise}.", file=sys.stderr)
        return 1
    return code


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
