"""Shipway takes a trained model to a running deployment, and proves on the way that it is still the same model.

The public names, resolved on first use: `import shipway` loads no framework and none of its own rooms.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shipway.actions.check import check
    from shipway.actions.conformance import check_conformance
    from shipway.actions.deploy import Deployment, deploy
    from shipway.actions.diff import diff
    from shipway.actions.doctor import doctor
    from shipway.actions.evaluate import evaluate
    from shipway.actions.export import export
    from shipway.actions.inspect import inspect
    from shipway.actions.inspect_data import inspect_data
    from shipway.actions.judging import Judging
    from shipway.actions.observer import Observer
    from shipway.actions.outcome import Outcome
    from shipway.actions.serve import serve
    from shipway.actions.top import top
    from shipway.bundle.evidence import Estimate, Result, Verdict
    from shipway.errors import ShipwayError
    from shipway.evaluation.data.base import Reading
    from shipway.targets.credentials import Credentials

__version__ = "0.1.0"

__all__ = [
    "Credentials",
    "Deployment",
    "Estimate",
    "Judging",
    "Observer",
    "Outcome",
    "Reading",
    "Result",
    "ShipwayError",
    "Verdict",
    "__version__",
    "check",
    "check_conformance",
    "deploy",
    "diff",
    "doctor",
    "evaluate",
    "export",
    "inspect",
    "inspect_data",
    "serve",
    "top",
]

_HOMES = {
    "Credentials": "shipway.targets.credentials",
    "Deployment": "shipway.actions.deploy",
    "Estimate": "shipway.bundle.evidence",
    "Judging": "shipway.actions.judging",
    "Observer": "shipway.actions.observer",
    "Outcome": "shipway.actions.outcome",
    "Reading": "shipway.evaluation.data.base",
    "Result": "shipway.bundle.evidence",
    "ShipwayError": "shipway.errors",
    "Verdict": "shipway.bundle.evidence",
    "check": "shipway.actions.check",
    "check_conformance": "shipway.actions.conformance",
    "deploy": "shipway.actions.deploy",
    "diff": "shipway.actions.diff",
    "doctor": "shipway.actions.doctor",
    "evaluate": "shipway.actions.evaluate",
    "export": "shipway.actions.export",
    "inspect": "shipway.actions.inspect",
    "inspect_data": "shipway.actions.inspect_data",
    "serve": "shipway.actions.serve",
    "top": "shipway.actions.top",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'shipway' has no attribute {name!r}")
    value = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
