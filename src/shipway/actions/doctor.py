"""`doctor`: what is installed, what each part would need, and the exact line that installs it."""

from __future__ import annotations

import os
import platform
import shlex
import sys
from importlib.metadata import PackageNotFoundError, version

from packaging.specifiers import SpecifierSet

from shipway import registry
from shipway.actions.outcome import Outcome
from shipway.bundle.evidence import Json
from shipway.errors import UsageError
from shipway.needs import Need, Needs

_LOCAL = Needs(
    purpose="serves on this machine over HTTP",
    packages=(
        Need("httptools", ">=0.6.4,<1"),
        Need("msgspec", ">=0.19,<1"),
        Need("uvloop", ">=0.21,<1"),
    ),
)


def doctor(part: str | None = None) -> Outcome:
    """Looks at this interpreter's packages; imports none of them.

    `part` names one source, runtime or target. Raises `UsageError` for a name that is none.
    """
    parts = [
        *(_look(name, "source", registry.load("sources", name).needs) for name in registry.names("sources")),
        *(
            _look(name, "runtime", registry.load("runtimes", name).needs)
            for name in registry.names("runtimes")
        ),
        _look("local", "target", _LOCAL),
    ]
    if part is not None:
        known = ", ".join(str(item["name"]) for item in parts)
        parts = [item for item in parts if item["name"] == part]
        if not parts:
            raise UsageError(f"Nothing here is called {part!r}.", hint=f"Known: {known}.")
    machine: dict[str, Json] = {
        "python": platform.python_version(),
        "executable": sys.executable,
        "system": platform.system(),
        "machine": platform.machine(),
        "cpus": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    }
    return Outcome(details={"machine": machine, "parts": parts})


def _look(name: str, kind: str, needs: Needs) -> dict[str, Json]:
    found = [_look_at(need) for need in needs.packages]
    is_ready = all(item["fits"] for item in found)
    return {
        "name": name,
        "kind": kind,
        "purpose": needs.purpose,
        "needs": found,
        "is_ready": is_ready,
        "install": None if is_ready else install_line(needs),
    }


def install_line(needs: Needs) -> str:
    """The line for a shell that installs all that is needed, for this interpreter."""
    what = f"shipway[{needs.extra}]" if needs.extra else "shipway"
    return f"{shlex.quote(sys.executable)} -m pip install {shlex.quote(what)}"


def _look_at(need: Need) -> dict[str, Json]:
    for package in (need.package, *need.alternatives):
        try:
            installed = version(package)
        except PackageNotFoundError:
            continue
        fits = SpecifierSet(need.wanted).contains(installed, prereleases=True)
        return {"package": package, "wanted": need.wanted, "installed": installed, "fits": fits}
    return {"package": need.package, "wanted": need.wanted, "installed": None, "fits": False}
