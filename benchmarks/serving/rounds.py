"""The order of things: each round visits every server with every load, so a busy machine is busy for all."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path

from loads import Visit, visit
from models import files_of
from scenarios import Scenario, request_bytes
from servers import HERE, LOAD_PROCESSOR, SERVER_PROCESSOR, Running, is_there, pinned, started

FAST_PER_SECOND = 500
SLOW_CONNECTIONS = 4


class Rounds:
    """Measures, and keeps the figures of every round. `say` gets what is being done."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.loads: dict[str, dict[str, list[dict]]] = defaultdict(lambda: defaultdict(list))
        """Scenario's name → server, or "raw" → a figure a round."""
        self.start_seconds: dict[str, list[float]] = defaultdict(list)
        self.rss_mb: dict[str, list[float]] = defaultdict(list)
        """After the last load of a round, by server, of the tiny model."""
        self.beside: dict[str, list[dict]] = defaultdict(list)
        """ "alone" and "beside" → a figure a round."""

    def starts(self, server: str, model: str, form: str, count: int) -> None:
        """From the start of a process to its first correct answer, on all processors."""
        for number in range(count):
            self.say(f"start {number + 1} of {count}: {server}, {model}")
            with started(server, [model], form=form, is_pinned=False) as running:
                self.start_seconds[f"{server} {model}"].append(running.start_seconds)

    def round(self, scenarios: Sequence[Scenario], seconds: float) -> None:
        """One visit of every load; those of one model share their servers. `seconds`: a factor."""
        for model in dict.fromkeys(scenario.model for scenario in scenarios):
            self._model(model, [scenario for scenario in scenarios if scenario.model == model], seconds)

    def _model(self, model: str, scenarios: Sequence[Scenario], seconds: float) -> None:
        names = dict.fromkeys(name for scenario in scenarios for name in scenario.servers if is_there(name))
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            form = "json" if model == "mlp" else "binary"
            running = {name: stack.enter_context(started(name, [model], form=form)) for name in names}
            for scenario in scenarios:
                if scenario.raw_batch:
                    self._raw(scenario, seconds)
                for name in scenario.servers:
                    if name in running:
                        self._visit(running[name], scenario, seconds, folder)
            if model == "mlp":
                for name, one in running.items():
                    self.rss_mb[name].append(one.rss_mb())

    def _visit(self, running: Running, scenario: Scenario, seconds: float, folder: Path) -> None:
        self.say(f"{scenario.title}: {running.name}")
        found: Visit = visit(running, scenario, scenario.seconds * seconds, folder)
        self.loads[scenario.name][running.name].append(asdict(found))

    def _raw(self, scenario: Scenario, seconds: float) -> None:
        self.say(f"{scenario.title}: the bare loop")
        files = files_of(scenario.model)
        arguments = [files.onnx, scenario.seconds * seconds / 2, scenario.raw_batch, int(files.is_mapped)]
        self.loads[scenario.name]["raw"].append(_run("raw_loop.py", arguments, SERVER_PROCESSOR))

    def fast_beside_slow(self, seconds: float) -> None:
        """The tiny model at a constant rate; alone, and while MobileNet is asked by clients without pause."""
        with (
            started("shipway", ["mobilenet", "mlp"], is_pinned=False) as running,
            tempfile.TemporaryDirectory() as temporary,
        ):
            fast, slow = Path(temporary) / "fast", Path(temporary) / "slow"
            fast.write_bytes(request_bytes("shipway", "mlp", "json"))
            slow.write_bytes(request_bytes("shipway", "mobilenet", "binary"))
            for name, more in (("alone", []), ("beside", [slow, SLOW_CONNECTIONS])):
                self.say(f"a fast model {name}")
                arguments = [running.port, seconds, FAST_PER_SECOND, fast, *more]
                self.beside[name].append(_run("open_loop.py", arguments, LOAD_PROCESSOR))


def _run(script: str, arguments: list, processor: int) -> dict:
    command = pinned([sys.executable, HERE / script, *map(str, arguments)], processor)
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    if done.returncode:
        raise RuntimeError(f"{script} ended with {done.returncode}: {done.stderr[-1500:]}")
    return json.loads(done.stdout)
