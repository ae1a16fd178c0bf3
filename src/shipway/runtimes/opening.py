"""Which of a bundle's variants is run here, and its session: the one place that serving and evaluation ask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shipway import registry
from shipway.bundle.manifest import Variant
from shipway.bundle.store import Bundle
from shipway.errors import SessionLoadError
from shipway.runtimes.base import Runtime, Session


def open_variant(bundle: Bundle, defaults: Mapping[str, Any] | None = None) -> tuple[Variant, Session]:
    """The first variant that a runtime of this installation runs, loaded.

    `defaults` are runtime options that hold where the bundle itself has no others.

    Raises `SessionLoadError` where there is none or the runtime refuses the file, and
    `MissingDependencyError` where the runtime's library is missing.
    """
    known = registry.names("runtimes")
    for variant in bundle.manifest.variants:
        name = str(variant.runtime.get("name"))
        if name not in known:
            continue
        runtime: Runtime = registry.load("runtimes", name)()
        if variant.format not in runtime.formats:
            raise SessionLoadError(
                f"{bundle.path}: variant {variant.id!r} is {variant.format}, the runtime {name} runs "
                f"{', '.join(runtime.formats)}.",
                hint="Export the model again.",
            )
        options = {**(defaults or {}), **(variant.runtime.get("options") or {})}
        return variant, runtime.open(bundle.model_path(variant), options)
    held = ", ".join(variant.id for variant in bundle.manifest.variants)
    raise SessionLoadError(
        f"{bundle.path} holds {held}; the runtimes here are {', '.join(known) or 'none'}, and run none of it.",
        hint="Export the model again with --to onnx beside the other formats.",
    )
