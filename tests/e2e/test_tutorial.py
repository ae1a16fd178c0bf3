"""Runs the documentation: every fenced block of every page, as a reader would, each page in its own folder.

A block that cannot simply run says so in an HTML comment on the line above it:

    <!-- runs until the end of the page -->     a server: started, awaited until ready, ended by SIGTERM
    <!-- exits with 1 -->                       that exit code is the point of the example
    <!-- not run: REASON -->

`bash` and `python` blocks run; `text`, `json`, `yaml` and `toml` blocks are shown only. Lines that install are
not run but compared with what pyproject.toml offers.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
SHOWN = {"text", "json", "yaml", "toml"}
BLOCK = re.compile(
    r"(?:^<!-- (?P<note>.+?) -->\n)?^```(?P<language>\w*)\n(?P<code>.*?)^```$", re.DOTALL | re.MULTILINE
)
SECONDS = 180
"""Far above what any block takes; a block that hangs must not hold the suite."""


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    language: str
    code: str
    note: str
    line: int

    @property
    def runs(self) -> bool:
        return self.language in {"bash", "python"} and not self.note.startswith("not run: ")


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    return [
        Block(
            language=match["language"],
            code=match["code"],
            note=match["note"] or "",
            line=text.count("\n", 0, match.start("code")) + 1,
        )
        for match in BLOCK.finditer(text)
    ]


WITH_CODE = [page for page in PAGES if any(block.runs for block in blocks_of(page))]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `digits.keras` and `test.npz`, which the guides speak of."""
    folder = tmp_path_factory.mktemp("trained")
    train = ROOT / "examples" / "digits" / "train.py"
    subprocess.run([sys.executable, train, folder], check=True, timeout=SECONDS, stdout=subprocess.DEVNULL)
    return folder


class Reader:
    """Follows one page: runs its blocks in order, keeps its servers, and ends them."""

    def __init__(self, folder: Path, page: Path) -> None:
        self.folder = folder
        self.page = page
        self.port = free_port()
        self.servers: list[subprocess.Popen[bytes]] = []
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }

    def follow(self, block: Block) -> None:
        where = f"{name(self.page)}:{block.line}"
        code = self.adapted(block.code)
        if block.note == "runs until the end of the page":
            self.start(code, where)
            return
        command = (
            ["bash", "-euo", "pipefail", "-c", code]
            if block.language == "bash"
            else [sys.executable, "-c", code]
        )
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        expected = int(block.note.removeprefix("exits with ")) if block.note.startswith("exits with ") else 0
        said = f"{where} ended with {done.returncode}\n{code}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert done.returncode == expected, said

    def adapted(self, code: str) -> str:
        """The page's names for what differs here: the port, the training environment, and no installing."""
        lines = [line for line in code.splitlines() if not line.startswith(("pip install ", "make "))]
        code = "\n".join(lines).replace("8080", str(self.port))
        code = code.replace("training/bin/python", sys.executable)
        if re.search(r"^shipway (serve|deploy) (?!--help)", code) and "--port" not in code:
            code += f" --port {self.port}"
        return code

    def start(self, code: str, where: str) -> None:
        command = ["bash", "-c", f"exec {code}"]
        with (self.folder / f"server-{len(self.servers)}.log").open("wb") as log:
            server = subprocess.Popen(
                command, cwd=self.folder, env=self.environment, stdout=log, stderr=subprocess.STDOUT
            )
        self.servers.append(server)
        until = time.monotonic() + SECONDS
        said = "curl " if "shipway deploy" in code else f":{self.port}"
        while not self.is_up(Path(log.name), said):
            assert server.poll() is None, (
                f"{where} ended with {server.returncode}\n{Path(log.name).read_text()}"
            )
            assert time.monotonic() < until, f"{where} is not ready\n{Path(log.name).read_text()}"
            time.sleep(0.1)

    def is_up(self, log: Path, said: str) -> bool:
        """Ready on the wire and on the screen: `serve` prints its address, `deploy` at its end a request."""
        if said not in log.read_text(encoding="utf-8"):
            return False
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/v2/health/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, ConnectionError):
            return False

    def end(self) -> list[int]:
        """Ends the servers as an operator would; gives their exit codes."""
        codes = []
        for server in self.servers:
            server.send_signal(signal.SIGTERM)
            try:
                codes.append(server.wait(timeout=30))
            except subprocess.TimeoutExpired:
                server.kill()
                codes.append(server.wait())
        return codes


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def folder(tmp_path: Path, trained: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    if request.node.callspec.params["page"].name != "tutorial.md":  # the tutorial trains its own
        for file in trained.iterdir():
            shutil.copy(file, tmp_path)
    yield tmp_path
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.mark.framework
@pytest.mark.parametrize("page", WITH_CODE, ids=name)
def test_every_block_of_the_page_runs(page: Path, folder: Path) -> None:
    reader = Reader(folder, page)
    try:
        for block in blocks_of(page):
            if block.runs:
                reader.follow(block)
    finally:
        codes = reader.end()
    assert codes == [0] * len(codes)


def test_every_block_is_of_a_language_that_is_run_or_shown() -> None:
    unknown = [
        f"{name(page)}:{block.line} {block.language!r}"
        for page in PAGES
        for block in blocks_of(page)
        if block.language not in SHOWN | {"bash", "python"}
    ]
    assert unknown == []


def test_every_fence_was_found() -> None:
    for page in PAGES:
        fences = len(re.findall(r"^```", page.read_text(encoding="utf-8"), re.MULTILINE))
        assert fences == 2 * len(blocks_of(page)), name(page)


def test_lines_that_install_name_extras_that_exist() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = set(project["optional-dependencies"])
    for page in PAGES:
        for named in re.findall(r"shipway\[([\w,]+)\]", page.read_text(encoding="utf-8")):
            assert set(named.split(",")) <= extras, name(page)
