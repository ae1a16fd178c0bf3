"""Every error that Shipway raises on purpose, so that a caller chooses what to catch by looking at a picture.

Errors know nothing of exit codes or of HTTP: each transport keeps one table from these classes to its own
codes (`cli/exit_codes.py`, `server/http/statuses.py`), and tests walk this tree so that none is missing.

    ShipwayError
    ├── InputError                      what was given cannot be used; the user changes the input
    │   ├── UsageError                  usage.invalid            flags that contradict each other
    │   ├── OutputExistsError           output.exists            the target is taken by something not ours
    │   ├── SourceError
    │   │   ├── SourceNotFoundError     source.not-found
    │   │   ├── SourceUnrecognizedError source.unrecognized      no known format by its content
    │   │   ├── SourceDamagedError      source.damaged           truncated, corrupt
    │   │   └── SourceUnsupportedError  source.unsupported       an operator, layer or dtype that nothing runs
    │   ├── DataError
    │   │   ├── DataNotFoundError       data.not-found
    │   │   ├── DataFormatError         data.format              not a readable data file
    │   │   ├── DataMismatchError       data.mismatch            arrays do not fit the model's signature
    │   │   ├── DataEmptyError          data.empty
    │   │   ├── DataValueError          data.value               NaN or infinity
    │   │   └── LabelError              data.labels              labels that the model cannot answer
    │   └── BundleError
    │       ├── BundleNotFoundError     bundle.not-found
    │       ├── BundleFormatError       bundle.format            bundle.json breaks the format
    │       ├── BundleVersionError      bundle.version           written by a newer format
    │       ├── BundlePathError         bundle.path-escape       a path that leaves the bundle
    │       └── BundleDigestError       bundle.digest-mismatch   extra, missing or changed files
    ├── EnvironmentFailure              this machine cannot do it as it stands
    │   ├── MissingDependencyError      environment.missing      a package or tool; with the install line
    │   ├── DiskFullError               environment.disk-full
    │   ├── PermissionDeniedError       environment.permission
    │   ├── PortInUseError              environment.port-in-use
    │   └── WorkerError                 the child process with the framework
    │       ├── WorkerCrashedError      worker.crashed
    │       ├── WorkerTimeoutError      worker.timeout
    │       ├── WorkerMemoryError       worker.memory
    │       ├── WorkerDiskError         worker.disk              its files grew over their limit
    │       └── WorkerProcessesError    worker.processes         it started too many processes
    ├── ExportError                     export.no-way            every conversion failed; names each failure
    ├── SessionError                    what a runtime says
    │   ├── SessionLoadError            session.load             the runtime refuses the file
    │   └── SessionRunError             session.run              the runtime failed on these inputs
    ├── ProofError                      serve.not-proven         a model failed its proof on this machine
    ├── EndpointError
    │   ├── EndpointUnreachableError    endpoint.unreachable
    │   └── EndpointAnswerError         endpoint.answer          it answered something else than expected
    └── RequestError                    a request to our server that is refused
        ├── MalformedRequestError       request.malformed
        ├── TensorMismatchError         request.tensor-mismatch  name, dtype or shape is not the model's
        ├── RouteNotFoundError          request.route-not-found
        ├── MethodNotAllowedError       request.method-not-allowed
        ├── ModelNotFoundError          request.model-not-found
        ├── RequestTooLargeError        request.too-large
        ├── UnsupportedRequestError     request.unsupported      a part of the protocol that is not offered
        ├── RequestTimeoutError         request.timeout          head or body did not arrive in its time
        ├── NotJsonError                request.not-json         NaN or infinity in an answer asked for as JSON
        ├── UnauthorizedError           request.unauthorized     no key, or an unknown one
        ├── ForbiddenError              request.forbidden        the key does not reach so far
        ├── LoadRefusedError            request.load-refused     a version that did not come to be served
        ├── DeadlineExceededError       request.deadline         no answer within the time that the client gave
        ├── OverloadedError             request.overloaded       the queue is full; come back later
        └── UnavailableError            request.unavailable      not ready, or draining
"""

from __future__ import annotations

from typing import ClassVar


class ShipwayError(Exception):
    """The root. `message` says what was expected, what was found and where; `hint` what to do next."""

    code: ClassVar[str] = "shipway"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class InputError(ShipwayError):
    """What was given cannot be used; the user changes the input."""

    code = "input"


class UsageError(InputError):
    """Flags or arguments that contradict each other or the command."""

    code = "usage.invalid"


class OutputExistsError(InputError):
    """The place to write to is taken by something that Shipway did not make."""

    code = "output.exists"


class SourceError(InputError):
    """The trained model's file cannot be used."""

    code = "source"


class SourceNotFoundError(SourceError):
    """No file at the given path."""

    code = "source.not-found"


class SourceUnrecognizedError(SourceError):
    """The content is of no format that Shipway reads."""

    code = "source.unrecognized"


class SourceDamagedError(SourceError):
    """The format is known, the file is truncated or corrupt."""

    code = "source.damaged"


class SourceUnsupportedError(SourceError):
    """An operator, layer or dtype that nothing here can run."""

    code = "source.unsupported"


class DataError(InputError):
    """The labelled data cannot be used."""

    code = "data"


class DataNotFoundError(DataError):
    """No data file at the given path."""

    code = "data.not-found"


class DataFormatError(DataError):
    """The file is no data file that Shipway reads."""

    code = "data.format"


class DataMismatchError(DataError):
    """The arrays' names, shapes or dtypes do not fit the model's signature."""

    code = "data.mismatch"


class DataEmptyError(DataError):
    """The data holds no row."""

    code = "data.empty"


class DataValueError(DataError):
    """The data holds NaN or infinity where the model takes numbers."""

    code = "data.value"


class LabelError(DataError):
    """Labels that are missing, not whole numbers, or outside what the model can answer."""

    code = "data.labels"


class BundleError(InputError):
    """The bundle cannot be used."""

    code = "bundle"


class BundleNotFoundError(BundleError):
    """No bundle at the given path."""

    code = "bundle.not-found"


class BundleFormatError(BundleError):
    """`bundle.json` breaks the bundle format."""

    code = "bundle.format"


class BundleVersionError(BundleError):
    """The bundle was written in a format version newer than this Shipway reads."""

    code = "bundle.version"


class BundlePathError(BundleError):
    """A path in the bundle is absolute, leaves the bundle, or is a link."""

    code = "bundle.path-escape"


class BundleDigestError(BundleError):
    """The files are not those that `bundle.json` lists; extra, missing and changed are told apart."""

    code = "bundle.digest-mismatch"

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        extra: tuple[str, ...] = (),
        missing: tuple[str, ...] = (),
        changed: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, hint=hint)
        self.extra = extra
        self.missing = missing
        self.changed = changed


class EnvironmentFailure(ShipwayError):  # noqa: N818 - a family; `EnvironmentError` is a builtin
    """This machine cannot do it as it stands."""

    code = "environment"


class MissingDependencyError(EnvironmentFailure):
    """A package or tool is not installed; the hint is the line that installs it."""

    code = "environment.missing"


class DiskFullError(EnvironmentFailure):
    """No space left where Shipway has to write."""

    code = "environment.disk-full"


class PermissionDeniedError(EnvironmentFailure):
    """The operating system refuses to read or write a path."""

    code = "environment.permission"


class PortInUseError(EnvironmentFailure):
    """Another program listens on the port already."""

    code = "environment.port-in-use"


class WorkerError(EnvironmentFailure):
    """The child process that runs the training framework failed."""

    code = "worker"


class WorkerCrashedError(WorkerError):
    """The child ended by a signal or without a result; the message carries the last lines it printed."""

    code = "worker.crashed"


class WorkerTimeoutError(WorkerError):
    """The child did not finish in its time."""

    code = "worker.timeout"


class WorkerMemoryError(WorkerError):
    """The child needed more memory than its limit."""

    code = "worker.memory"


class WorkerDiskError(WorkerError):
    """The child wrote more, or a larger file, than its limit."""

    code = "worker.disk"


class WorkerProcessesError(WorkerError):
    """The child and its descendants were more processes than their limit."""

    code = "worker.processes"


class ExportError(ShipwayError):
    """No way of converting the model worked; the message names each way with its failure."""

    code = "export.no-way"


class SessionError(ShipwayError):
    """A runtime failed."""

    code = "session"


class SessionLoadError(SessionError):
    """The runtime refuses the variant's file."""

    code = "session.load"


class SessionRunError(SessionError):
    """The runtime failed while it ran the model on these inputs."""

    code = "session.run"


class ProofError(ShipwayError):
    """A model did not answer its golden samples on this machine, or its own evidence speaks against it."""

    code = "serve.not-proven"


class EndpointError(ShipwayError):
    """A running service did not answer as it should."""

    code = "endpoint"


class EndpointUnreachableError(EndpointError):
    """Nothing answers at the address."""

    code = "endpoint.unreachable"


class EndpointAnswerError(EndpointError):
    """The service answered, and not with what the protocol asks for."""

    code = "endpoint.answer"


class RequestError(ShipwayError):
    """A request to Shipway's server that is refused."""

    code = "request"
    retry_seconds: int | None = None
    """After how long the same request may be taken; None where that is not known, or never."""


class MalformedRequestError(RequestError):
    """The request is not HTTP, not JSON, or not of the protocol's form."""

    code = "request.malformed"


class TensorMismatchError(RequestError):
    """A tensor's name, dtype or shape is not the model's."""

    code = "request.tensor-mismatch"


class RouteNotFoundError(RequestError):
    """No such path on this server."""

    code = "request.route-not-found"


class MethodNotAllowedError(RequestError):
    """The path exists, and not for this method."""

    code = "request.method-not-allowed"


class ModelNotFoundError(RequestError):
    """This server has no model, or no version, of that name."""

    code = "request.model-not-found"


class RequestTooLargeError(RequestError):
    """The request is over a limit; the message names the limit."""

    code = "request.too-large"


class UnsupportedRequestError(RequestError):
    """A part of the protocol that this server does not offer."""

    code = "request.unsupported"


class RequestTimeoutError(RequestError):
    """The head or the body of the request did not arrive in its time."""

    code = "request.timeout"


class NotJsonError(RequestError):
    """The answer holds NaN or infinity, which JSON cannot; the binary tensor extension can."""

    code = "request.not-json"


class UnauthorizedError(RequestError):
    """The path needs a key, and the request has none that the server knows."""

    code = "request.unauthorized"


class ForbiddenError(RequestError):
    """The key is known, and its scopes do not hold what the path needs."""

    code = "request.forbidden"


class LoadRefusedError(RequestError):
    """A version that was asked to be loaded did not come to be served; what was served before still is."""

    code = "request.load-refused"


class DeadlineExceededError(RequestError):
    """The time that the client gave for an answer went by first."""

    code = "request.deadline"


class OverloadedError(RequestError):
    """The queue is full; the client should come back later."""

    code = "request.overloaded"


class UnavailableError(RequestError):
    """The model is not ready, or the server is draining."""

    code = "request.unavailable"


def error_class(code: str) -> type[ShipwayError] | None:
    """The class of that code, for an error that another process has spelled out; None for an unknown one."""
    waiting: list[type[ShipwayError]] = [ShipwayError]
    while waiting:
        found = waiting.pop()
        if found.code == code:
            return found
        waiting += found.__subclasses__()
    return None
