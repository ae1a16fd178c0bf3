"""What is judged, before anything of it runs: a bundle or a live endpoint, and the data that fits it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from shipway.actions.judging import Judging, missing_allowed
from shipway.actions.observer import Observer
from shipway.actions.outcome import BundleRef
from shipway.actions.running import Run, explain_answer
from shipway.bundle.golden import Golden
from shipway.bundle.store import Bundle, open_bundle
from shipway.errors import EndpointAnswerError
from shipway.evaluation.data.base import Reading
from shipway.evaluation.data.dataset import Dataset, load_dataset
from shipway.runtimes.base import Session
from shipway.runtimes.opening import open_variant
from shipway.targets.credentials import Credentials
from shipway.targets.endpoint import Endpoint
from shipway.types import Array, Signature, Tensors


@dataclass(frozen=True)
class Asked:
    """A bundle or an endpoint, before anything of it is run."""

    name: str
    signature: Signature
    bundle: Bundle | None = None
    endpoint: Endpoint | None = None

    @property
    def golden(self) -> Golden | None:
        """A bundle's samples."""
        return None if self.bundle is None else self.bundle.golden()

    @property
    def reference(self) -> BundleRef | None:
        """For the outcome."""
        return None if self.bundle is None else BundleRef.of(self.bundle)

    def with_names(self, judging: Judging) -> Judging:
        """The bundle's names of classes, where the user gave none."""
        return judging if self.bundle is None else judging.of_bundle(self.bundle.manifest)

    def with_missing(self, reading: Reading) -> Reading:
        """NaN is taken where the bundle's model takes it."""
        return reading if self.bundle is None else missing_allowed(reading, self.bundle.manifest)

    def run(self, stack: ExitStack) -> Run:
        """What answers; a bundle's model is loaded now."""
        if self.endpoint is not None:
            return partial(_ask_endpoint, self.endpoint)
        assert self.bundle is not None
        session = open_session(self.bundle)
        stack.callback(session.close)
        return session.run


def ask(
    target: Path | str, stack: ExitStack, observer: Observer, *, credentials: Credentials | None = None
) -> Asked:
    """A bundle's path, or an address: `http://HOST:PORT`, with `/v2/models/NAME` where it has several models.

    `credentials` are what the server at an address is shown.
    """
    if str(target).startswith(("http://", "https://")):
        endpoint = stack.enter_context(Endpoint(str(target), credentials=credentials))
        observer.doing(f"asking {endpoint.url}")
        return Asked(endpoint.model, endpoint.signature, endpoint=endpoint)
    bundle = open_bundle(Path(target))
    return Asked(bundle.manifest.name, bundle.manifest.signature, bundle=bundle)


def _ask_endpoint(endpoint: Endpoint, inputs: Tensors) -> dict[str, Array]:
    """The answer, when it keeps what the server's own metadata promise. Raises `EndpointAnswerError`."""
    found = endpoint.predict(inputs)
    problem = explain_answer(found, endpoint.signature, rows=len(next(iter(inputs.values()))))
    if problem:
        raise EndpointAnswerError(
            f"{endpoint.url}: the answer of {endpoint.model!r} is not as its own metadata say: {problem}.",
            hint="Report it to whoever runs the server.",
        )
    return found


def open_session(bundle: Bundle) -> Session:
    """The variant that is run here. Raises `SessionLoadError`, `MissingDependencyError`."""
    return open_variant(bundle)[1]


def load_data(
    path: Path, signature: Signature, observer: Observer, *, reading: Reading | None = None
) -> Dataset:
    """Rows that fit the signature, or requests for a model without rows. Raises `DataError`."""
    dataset = load_dataset(
        path, signature.inputs, has_rows=signature.has_rows, reading=reading, progress=observer.doing
    )
    for note in dataset.notes:
        observer.note(note)
    return dataset


def load_trained(
    path: Path | str | None, signature: Signature, stack: ExitStack, reading: Reading
) -> Dataset | None:
    """What the model was trained on, read as the data is, but whole and without what slices need."""
    if path is None:
        return None
    told = replace(reading, columns=(), part=None, drop_bad=True)
    return stack.enter_context(load_dataset(Path(path), signature.inputs, reading=told))
