"""What a request costs: our server beside FastAPI, Triton where it is installed, and the bare ONNX Runtime loop.

    python benchmarks/serving [--quick] [--check] [--only NAME]... [--out FILE]

Interleaved: each round visits every server with every load. CPU per request is the server's whole process tree's.
The figure is the median over the rounds, and ratios are judged within each round. `--only` takes the names of
`scenarios.py`, `starts` and `beside`. The guide's CNN (765 MB) is built on first use and kept under `.cache/`.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from goals import judge
from models import files_of
from report import conditions, show, to_json
from rich.console import Console
from rounds import Rounds
from scenarios import SCENARIOS

RESULTS = Path(__file__).parents[1] / "results" / "serving.json"
NAMES = (*(scenario.name for scenario in SCENARIOS), "starts", "beside")
QUICK = tuple(name for name in NAMES if not name.startswith("guide"))
"""What `--quick` measures unless `--only` says otherwise: no model of 765 MB."""


def main() -> int:
    options = _options()
    console = Console()
    if not console.is_terminal:
        console = Console(width=120)  # a table in a log must not be folded to 80 columns
    names: Sequence[str] = options.only or (QUICK if options.quick else NAMES)
    said = conditions()
    for line in said:
        console.print(line)
    with console.status("starting") as status:
        rounds = measure(names, Rounds(status.update), is_quick=options.quick)
    show(rounds, console)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(to_json(rounds, said), indent=2) + "\n")
    return 1 if options.check and not all(goal.holds for goal in judge(rounds)) else 0


def measure(names: Sequence[str], rounds: Rounds, *, is_quick: bool) -> Rounds:
    """Everything that is named, in rounds."""
    scenarios = [scenario for scenario in SCENARIOS if scenario.name in names]
    models = dict.fromkeys(scenario.model for scenario in scenarios)
    for model in (*models, *(("mlp", "mobilenet") if "beside" in names else ())):
        rounds.say(f"the model {model}")
        files_of(model)
    if "starts" in names:
        for server in ("shipway", "fastapi"):
            rounds.starts(server, "mlp", "json", 2 if is_quick else 6)
    if "guide" in models or ("starts" in names and not is_quick):
        rounds.starts("shipway", "guide", "binary", 1 if is_quick else 3)
    for _ in range(1 if is_quick else 5):
        rounds.round(scenarios, 0.3 if is_quick else 1.0)
        if "beside" in names:
            rounds.fast_beside_slow(1.0 if is_quick else 5.0)
    return rounds


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python benchmarks/serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="one short round, some twenty seconds in all")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal does not hold")
    parser.add_argument(
        "--only", action="append", choices=NAMES, metavar="NAME", help=f"one of {', '.join(NAMES)}"
    )
    parser.add_argument("--out", type=Path, default=RESULTS)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
