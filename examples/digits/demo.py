"""The first thing a user sees: train a small CNN, deploy it, ask the live endpoint for one digit.

Training and `shipway deploy` are child processes that write to this terminal as they would in a user's own
hands. The one request is made with the standard library, to show that a client needs nothing of ours.

Usage: python demo.py [--once] [--folder build/demo] [--port 8080]
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import queue
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
SHIPWAY = Path(sys.executable).with_name("shipway")
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\r")
"""Colors and other terminal commands, which are no part of a line to paste."""

ROW = 4
"""The held-out image that the demo asks about."""


def bold(text: str) -> str:
    """`text` in bold on a terminal, as it is elsewhere."""
    return f"\033[1m{text}\033[0m" if sys.stdout.isatty() else text


def heading(text: str) -> None:
    """One line that says what comes now."""
    print(f"\n{bold(text)}\n", flush=True)


def free_port(preferred: int) -> int:
    """`preferred` if nothing listens there, else a port that the system picks."""
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise SystemExit("No free port on 127.0.0.1.")


class Deploy:
    """`shipway deploy` as a user types it, with its standard output passed on.

    It goes through our hands for one reason: the `curl` command, which comes once the check is through,
    tells that the endpoint may be asked, and is itself tried.
    """

    def __init__(self, folder: Path, port: int) -> None:
        command = [str(SHIPWAY), "deploy", str(folder / "digits.keras"), "--data", str(folder / "test.npz")]
        command += ["--out", str(folder), "--port", str(port)]
        print(" ".join(["$ shipway", *command[1:]]), flush=True)
        environment = dict(os.environ)
        if sys.stdout.isatty():  # it writes into a pipe now, and would leave out the color
            environment["FORCE_COLOR"] = "1"
            environment["COLUMNS"] = str(shutil.get_terminal_size().columns)
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, env=environment)
        self.lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.reader = threading.Thread(target=self._pass_on, daemon=True)
        self.reader.start()

    def _pass_on(self) -> None:
        """Copies piece by piece, because a spinner is seen only when what has no line's end passes too."""
        assert self.child.stdout is not None
        rest = b""
        while piece := os.read(self.child.stdout.fileno(), 65536):
            sys.stdout.buffer.write(piece)
            sys.stdout.flush()
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self.lines.put(ESCAPE.sub("", line.decode(errors="replace")).strip())
        self.lines.put(None)

    def wait_for_curl(self) -> str | None:
        """The printed `curl` command, which may go over several lines; None when deploy ended without one."""
        command: list[str] = []
        while (line := self.lines.get()) is not None:
            if command or line.startswith("curl "):
                command.append(line)
                if not line.endswith("\\"):
                    self._let_finish()
                    return "\n".join(command)
        return None

    def _let_finish(self) -> None:
        """Lets the lines that follow reach the terminal, so that ours come below them."""
        with contextlib.suppress(queue.Empty):
            while self.lines.get(timeout=0.3) is not None:
                pass

    def wait(self) -> int:
        """Its exit code, once it has ended by itself or by Ctrl-C, which the terminal sends to it as well."""
        code = self.child.wait()
        self.reader.join(timeout=5)
        return code

    def stop(self) -> int:
        """Asks it to end and to answer first what it has accepted; gives its exit code."""
        self.child.send_signal(signal.SIGTERM)
        try:
            self.child.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.child.kill()
            raise SystemExit("shipway deploy did not stop within 30 seconds.") from None
        return self.wait()


def ask(url: str, image: np.ndarray) -> tuple[np.ndarray, float]:
    """One V2 inference request; gives the ten probabilities and the milliseconds that the answer took."""
    with urllib.request.urlopen(f"{url}/v2/models/digits", timeout=10) as answer:
        tensor = json.load(answer)["inputs"][0]
    body: dict[str, Any] = {
        "inputs": [
            {
                "name": tensor["name"],
                "datatype": tensor["datatype"],
                "shape": [1, *image.shape],
                "data": image.ravel().tolist(),
            }
        ]
    }
    request = urllib.request.Request(
        f"{url}/v2/models/digits/infer",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    began = time.perf_counter()
    with urllib.request.urlopen(request, timeout=10) as answer:
        outputs = json.load(answer)["outputs"]
    return np.array(outputs[0]["data"]).ravel(), (time.perf_counter() - began) * 1e3


def draw(image: np.ndarray, probabilities: np.ndarray) -> str:
    """The image in five shades, and beside it the three likeliest digits."""
    shades = " ░▒▓█"
    lines = []
    likeliest = np.argsort(probabilities)[::-1][:3]
    for number, row in enumerate(image[..., 0]):
        picture = "".join(shades[min(int(value * 5), 4)] * 2 for value in row)
        note = ""
        if number in (2, 3, 4):
            digit = int(likeliest[number - 2])
            probability = float(probabilities[digit])
            note = f"{digit}  {'█' * round(probability * 24):<24} {probability:6.1%}"
        lines.append(f"    {picture}    {note}".rstrip())
    return "\n".join(lines)


def show_prediction(url: str, folder: Path) -> None:
    """Asks the endpoint about one held-out image and prints picture, answer and label."""
    with np.load(folder / "test.npz") as data:
        image, label = data["x"][ROW], int(data["y"][ROW])
    probabilities, milliseconds = ask(url, image)
    print(draw(image, probabilities))
    digit = int(probabilities.argmax())
    answer = f"The endpoint says {bold(str(digit))}, the label {label}"
    print(f"\n  {answer}; it took {milliseconds:.1f} ms.", flush=True)


def try_curl(command: str) -> None:
    """Runs the printed `curl` line as a user would paste it. Ends the demo when it does not answer."""
    if shutil.which("curl") is None:
        print("  (curl is not installed here, so the line above was not tried.)")
        return
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, timeout=20, check=False)
    if done.returncode != 0 or "outputs" not in done.stdout:
        raise SystemExit(f"The curl line failed ({done.returncode}): {done.stderr or done.stdout}")
    print("  The curl line above was pasted into a shell and answered as well.", flush=True)


def main() -> int:
    """Train, deploy, ask, and stay up until Ctrl-C."""
    parser = argparse.ArgumentParser(description="Train, deploy and ask a small CNN.")
    parser.add_argument("--once", action="store_true", help="stop after the check")
    parser.add_argument("--folder", type=Path, default=Path("build/demo"))
    parser.add_argument("--port", type=int, default=8080)
    arguments = parser.parse_args()
    folder: Path = arguments.folder

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that deploy never outlives the demo

    heading("1  Train a small CNN in Keras on 8×8 images of handwritten digits")
    trained = subprocess.run([sys.executable, HERE / "train.py", folder], check=False)
    if trained.returncode != 0:
        return trained.returncode

    heading("2  Deploy it")
    port = free_port(arguments.port)
    url = f"http://127.0.0.1:{port}"
    deploy = Deploy(folder, port)
    try:
        curl = deploy.wait_for_curl()
        if curl is None:
            return deploy.wait()
        heading("3  Ask the live endpoint about an image that the training never saw")
        show_prediction(url, folder)
        try_curl(curl)
        if arguments.once:
            return deploy.stop()
        print(f"\n  {url} stays up; Ctrl-C stops it.", flush=True)
        return deploy.wait()
    except KeyboardInterrupt:
        print()
        return deploy.wait()
    except BaseException:
        deploy.child.kill()
        raise


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
