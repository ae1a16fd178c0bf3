"""What an operator can set: one frozen value, and the only place in the server that reads the environment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, Self

from shipway.errors import UsageError

PREFIX = "SHIPWAY_SERVER_"
_LEAST = {"management_port": -1}
"""Of every other number 0 is the least."""


@dataclass(frozen=True, kw_only=True)
class ServerSettings:
    """Limits are named in the errors that they cause. Variables: `SHIPWAY_SERVER_` + the field in capitals."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0: any free port."""
    api_keys: str = ""
    """TOML file with the keys of clients; empty: whoever can connect may ask."""
    tls_certificate: str = ""
    """PEM file with the certificate and those that lead to its root; empty: plain HTTP."""
    tls_key: str = ""
    """PEM file with its key; empty: the certificate's file holds it too."""
    tls_client_ca: str = ""
    """PEM file; clients must show a certificate that it vouches for."""
    management_port: int = -1
    """Of the paths that load and unload models; -1: none, 0: any free port."""
    management_host: str = "127.0.0.1"
    management_keys: str = ""
    """TOML file with the keys for the management port; required where others than this machine reach it."""
    repository_api: bool = False
    """The management port's paths on the main port too, for keys with the scope admin."""
    max_head_bytes: int = 32 * 2**10
    """Request line and headers together."""
    max_body_bytes: int = 128 * 2**20
    """As sent, and once more after decompression."""
    max_headers: int = 100
    """Of one request; a repeated header counts each time."""
    max_buffered_bytes: int = 2**30
    """Request bodies in memory, of all connections together; those up to 64 KiB are not counted."""
    max_connections: int = 4096
    max_connections_per_client: int = 0
    """Open ones from one address; 0: no limit. Behind a proxy all clients have its address."""
    max_json_depth: int = 64
    """Lists and objects within each other in a request's JSON."""
    max_pipelined: int = 64
    """Requests of one connection that may wait for their answers; further ones are read later."""
    head_seconds: float = 10.0
    """A started request's line and headers must be complete within this time."""
    body_seconds: float = 120.0
    """And its body within this one."""
    idle_seconds: float = 75.0
    """An idle connection is closed after this time."""
    send_seconds: float = 60.0
    """A client that does not take its answer for this time is cut off."""
    batching: bool = True
    """False: every request runs by itself, for those who need answers equal to the last bit."""
    max_batch_rows: int = 32
    """Requests are joined up to this many rows; a single larger request runs whole."""
    max_queue_rows: int = 4096
    """Rows that may wait per model; an idle model takes one request of any size."""
    max_queue_bytes: int = 256 * 2**20
    """And the bytes of their inputs."""
    request_seconds: float = 0.0
    """No request is worked on for longer than this, whatever its own deadline; 0: no limit."""
    cache_bytes: int = 0
    """Answers are kept by content, up to so many bytes; 0: none are."""
    tuning_seconds: float = 0.15
    """So long each model is measured at load, to find the batch size up to which joining requests pays."""
    version_policy: str = "latest"
    """Of the models in repository folders, unless `models.toml` has another: latest or all."""
    repository_poll_seconds: float = 0.0
    """Repository folders are looked at anew after so long; 0: only when a load is asked for."""
    max_model_bytes: int = 0
    """Memory for models; the least recently used make room, and are loaded again when asked for. 0: no limit."""
    inline_seconds: float = 0.001
    """A run measured to take longer than this goes to a thread, so that it does not block the event loop."""
    compress_min_bytes: int = 1024
    """Smaller answers are sent as they are, whatever the client accepts."""
    drain_seconds: float = 30.0
    """What was accepted is answered within this time after SIGTERM."""
    drain_idle_seconds: float = 0.5
    """After SIGTERM, a connection on which nothing is under way is closed after this time."""
    drain_wait_seconds: float = 0.0
    """After SIGTERM, unready and still accepting for this time, so that load balancers notice before."""
    workers: int = 1
    """Worker processes behind the port; 0 or `auto`: as many as the processors that may be used."""
    threads: int = 0
    """Of one run at most; 0: the processors that may be used, shared among the workers."""
    worker_hang_seconds: float = 30.0
    """A worker whose event loop stands still for this time is ended and replaced."""
    log_format: str = "auto"
    """Of the lines on standard error: json, text, or auto: text on a terminal."""
    log_requests: str = "errors"
    """Which requests get a line: none, errors (of one code, ten a second), or all."""
    traces_endpoint: str = ""
    """Base URL of an OpenTelemetry collector (OTLP over HTTP); `OTEL_EXPORTER_OTLP_ENDPOINT` serves too."""
    traces_share: float = 1.0
    """Of the requests whose caller does not say whether it records the trace: 0 to 1."""
    capture_folder: str = ""
    """Where captured requests are written; empty: none are."""
    capture_share: float = 0.0
    """Of the requests: 0 to 1."""
    capture_max_bytes: int = 2**30
    """The folder's files stay under this; the oldest make room."""
    capture_redact: str = ""
    """Inputs and outputs whose values are left out, by name, with commas between."""
    capture_headers: str = ""
    """Request headers that are kept, by name, with commas between; those that carry keys never are."""

    @property
    def has_access_files(self) -> bool:
        """Whether there are files of keys or certificates, which SIGHUP reads anew."""
        return bool(self.api_keys or self.management_keys or self.tls_certificate)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The defaults, changed by the variables that are set. Raises `UsageError` for a bad value."""
        given: dict[str, Any] = {}
        for field in fields(cls):
            name = PREFIX + field.name.upper()
            if name in environment:
                given[field.name] = _parse(field.name, environment[name], type(field.default), shown=name)
        if environment.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
            given.setdefault("traces_endpoint", environment["OTEL_EXPORTER_OTLP_ENDPOINT"])
        return cls(**given)

    def changed_by(self, assignments: Sequence[str]) -> Self:
        """These settings with others in their place: `name=value`, as on a command line.

        Raises `UsageError` for an unknown name and for a bad value.
        """
        given: dict[str, Any] = {}
        kinds = {field.name: type(field.default) for field in fields(self)}
        for assignment in assignments:
            name, found, text = assignment.partition("=")
            name = name.strip().lower().replace("-", "_")
            if not found:
                raise UsageError(f"Expected NAME=VALUE, found {assignment!r}.")
            if name not in kinds:
                raise UsageError(f"There is no setting {name!r}.", hint=_nearest(name, list(kinds)))
            given[name] = _parse(name, text.strip(), kinds[name], shown=name)
        return replace(self, **given)


def _nearest(name: str, known: list[str]) -> str:
    from difflib import get_close_matches  # here: only a mistaken name needs it

    near = get_close_matches(name, known, n=3, cutoff=0.5)
    return f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(known)}."


def _parse(name: str, text: str, kind: type, *, shown: str) -> object:
    if name == "workers" and text.strip().lower() == "auto":
        return 0
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.strip().lower()]
        value: object = kind(text)
    except (KeyError, ValueError) as error:
        expected = {bool: "true or false", int: "a whole number", float: "a number"}.get(kind, "text")
        raise UsageError(f"{shown}: expected {expected}, found {text!r}.") from error
    least = _LEAST.get(name, 0)
    if isinstance(value, int | float) and not value >= least:
        raise UsageError(f"{shown}: expected {least} or more, found {text!r}.")
    return value
