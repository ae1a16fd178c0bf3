"""Every group of checks, by protocol: the one list that the runner, the page and the tests read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from shipway.conformance.check import Check, Group
from shipway.conformance.tfs import errors as tfs_errors
from shipway.conformance.tfs import predict
from shipway.conformance.tfs.subjects import Model as TfsModel
from shipway.conformance.v2 import (
    binary,
    binary_errors,
    compression,
    configuration,
    datatypes,
    errors,
    health,
    http,
    inference,
    malformed,
    metadata,
    outputs,
    repository,
    statistics,
)
from shipway.conformance.v2.subjects import Model as V2Model
from shipway.conformance.v2.subjects import Server as V2Server

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Part(Generic[Subject]):
    """Groups of one kind of subject."""

    groups: tuple[Group[Subject], ...]

    def checks(self) -> list[Check[Subject]]:
        """In the order in which they run."""
        return [check for group in self.groups for check in group.checks]


V2_SERVER = Part[V2Server](
    (
        health.SERVER,
        errors.SERVER,
        http.SERVER,
        repository.SERVER,
        statistics.SERVER,
        configuration.SERVER,
    )
)
V2_MODEL = Part[V2Model](
    (
        health.MODEL,
        metadata.METADATA,
        inference.INFER,
        datatypes.DATATYPES,
        outputs.OUTPUTS,
        errors.MODEL,
        http.MODEL,
        compression.CODING,
        binary.TENSORS,
        statistics.MODEL,
        configuration.MODEL,
        repository.MODEL,
    )
)
V2_HOSTILE = Part[V2Model]((binary_errors.SIZES, malformed.MALFORMED))
"""After all else, on every model: these have ended servers, and there is no finding behind such an end."""
TFS_MODEL = Part[TfsModel]((predict.STATUS, predict.PREDICT, tfs_errors.ERRORS))
PROTOCOLS = ("v2", "tfs", "all")
