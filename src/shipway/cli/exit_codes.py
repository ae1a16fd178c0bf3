"""The one table from results and errors to exit codes (DESIGN: 0 fine, 1 a verdict was not PASS, 2 usage,
3 environment, 4 our own bug; 130 is the shell's own for Ctrl-C, 143 for SIGTERM, 141 for `| head`)."""

from __future__ import annotations

from shipway.errors import (
    EndpointError,
    EnvironmentFailure,
    ExportError,
    InputError,
    ProofError,
    RequestError,
    SessionError,
)
from shipway.errors import ShipwayError as _Root

FINE = 0
NOT_PASS = 1
USAGE = 2
ENVIRONMENT = 3
BUG = 4
INTERRUPTED = 130
READER_GONE = 141
TERMINATED = 143

ERRORS: dict[type[_Root], int] = {
    InputError: USAGE,
    ExportError: USAGE,
    SessionError: USAGE,
    RequestError: USAGE,
    ProofError: NOT_PASS,
    EnvironmentFailure: ENVIRONMENT,
    EndpointError: ENVIRONMENT,
}


def exit_code_of(error: BaseException) -> int:
    """The exit code that ends a command which met `error`."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    for kind in type(error).__mro__:
        if kind in ERRORS:
            return ERRORS[kind]
    return BUG
