"""Sampled requests with their answers, kept in a folder: what a model is really asked, as data for the next one.

Off unless an operator names a folder and a share. Written in a thread; the oldest files make room for new ones.
A file `NAME-VERSION-….npz` holds the rows of many requests, every input under its own name as `--data` takes it
and every output under `answered:NAME`; the `.jsonl` beside it says which rows are whose.
"""

from __future__ import annotations

import os
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from shipway.errors import PermissionDeniedError, ShipwayError
from shipway.server.observation.background import Background
from shipway.server.scheduling.jobs import Outcome
from shipway.server.settings import ServerSettings
from shipway.types import Array

_MOST_WAITING: Final = 256
"""Requests whose arrays are held in memory until they are written."""
_NEVER: Final = {"authorization", "proxy-authorization", "cookie", "x-api-key"}
"""Headers that carry keys: not kept, whatever the settings say."""
_ANSWERED: Final = "answered:"


@dataclass(slots=True)
class Captured:
    """One request and what it was answered."""

    model: str
    version: str
    has_rows: bool
    inputs: dict[str, Array]
    outputs: dict[str, Array]
    time: float
    """Seconds since the epoch."""
    code: str = ""
    """Of the error, where there are no outputs."""
    request_id: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def form(self) -> tuple[Any, ...]:
        """Requests of one form share a file: their arrays differ in the number of rows alone, if in that."""
        arrays = [*self.inputs.items(), *(("\0" + name, array) for name, array in self.outputs.items())]
        cut = 1 if self.has_rows else 0
        shapes = tuple(sorted((name, array.dtype.str, array.shape[cut:]) for name, array in arrays))
        return self.model, self.version, self.has_rows, self.code != "", shapes


class Capture:
    """Belongs to one event loop."""

    def __init__(self, settings: ServerSettings) -> None:
        """Makes the folder. Raises `PermissionDeniedError`."""
        self._folder = Path(settings.capture_folder)
        self._share = settings.capture_share
        self._max_bytes = settings.capture_max_bytes
        self._redacted = frozenset(_split(settings.capture_redact))
        self._headers = [
            name.lower() for name in _split(settings.capture_headers) if name.lower() not in _NEVER
        ]
        self._current: Captured | None = None
        """What is being answered right now."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            (self._folder / f".{os.getpid()}").touch()
            (self._folder / f".{os.getpid()}").unlink()
        except OSError as error:
            raise PermissionDeniedError(
                f"capture_folder {self._folder} cannot be written: {error.strerror}.",
                hint="Give the server a folder of its own, or leave capture_folder empty.",
            ) from error
        self._number = 0
        self._writing = Background(self._write, name="shipway-capture", most=_MOST_WAITING)

    @property
    def dropped(self) -> int:
        """Requests that were chosen, and not written."""
        return self._writing.dropped

    def follow(
        self,
        model: str,
        version: str,
        inputs: Mapping[str, Array],
        done: Callable[[Outcome], None],
        *,
        has_rows: bool,
    ) -> Callable[[Outcome], None]:
        """What is to be called with a request's outcome: for a share of them it keeps it, too."""
        if random.random() >= self._share:  # noqa: S311 - no secret
            return done

        def keep(outcome: Outcome) -> None:
            self._current = Captured(
                model=model,
                version=version,
                has_rows=has_rows,
                inputs=self._chosen(inputs),
                outputs={} if isinstance(outcome, ShipwayError) else self._chosen(outcome),
                time=time.time(),
                code=outcome.code if isinstance(outcome, ShipwayError) else "",
            )
            try:
                done(outcome)
            finally:
                captured, self._current = self._current, None
                if captured is not None:
                    self._writing.offer(captured)

        return keep

    def name_current(self, request_id: bytes, headers: Mapping[bytes, bytes]) -> None:
        """The request that is being answered has this id and these headers."""
        if self._current is None:
            return
        self._current.request_id = request_id.decode("ascii")
        found = {name: headers.get(name.encode()) for name in self._headers}
        self._current.headers = {
            name: value.decode("latin-1") for name, value in found.items() if value is not None
        }

    def close(self) -> None:
        """Writes what waits. Blocks for seconds at most."""
        self._writing.close(3.0)

    def _chosen(self, arrays: Mapping[str, Array]) -> dict[str, Array]:
        # Copies: rows are views of their whole batch, which would all stay in memory.
        return {name: arrays[name].copy() for name in arrays if name not in self._redacted}

    def _write(self, found: Sequence[Captured]) -> None:
        forms = sorted(found, key=lambda one: repr(one.form()))
        for _, group in groupby(forms, key=lambda one: repr(one.form())):
            self._write_file(list(group))
        self._remove_oldest()

    def _write_file(self, members: Sequence[Captured]) -> None:
        first = members[0]
        self._number += 1
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        safe = re.sub(r"[^A-Za-z0-9._-]", "_", f"{first.model}-{first.version}")
        path = self._folder / f"{safe}-{stamp}-{os.getpid()}-{self._number:06d}.npz"
        join = np.concatenate if first.has_rows else np.stack
        arrays = {name: join([one.inputs[name] for one in members]) for name in first.inputs}
        arrays |= {
            f"{_ANSWERED}{name}": join([one.outputs[name] for one in members]) for name in first.outputs
        }
        texts = {name: array.astype(np.str_) for name, array in arrays.items() if array.dtype.kind == "O"}
        arrays |= texts  # an array of objects could only be pickled
        lines, start = [], 0
        for one in members:
            rows = _count_rows(one)
            lines.append(msgspec.json.encode(self._describe(one, start, start + rows)) + b"\n")
            start += rows
        if arrays:
            partial = path.with_suffix(".part")
            with partial.open("wb") as file:
                np.savez_compressed(file, allow_pickle=False, **arrays)
            partial.rename(path)
        path.with_suffix(".jsonl").write_bytes(b"".join(lines))

    def _describe(self, one: Captured, start: int, end: int) -> dict[str, Any]:
        moment = datetime.fromtimestamp(one.time, UTC).isoformat(timespec="milliseconds")
        return {
            "time": moment.replace("+00:00", "Z"),
            "request_id": one.request_id,
            "model": one.model,
            "version": one.version,
            "rows": [start, end],
            "error": one.code or None,
            "headers": one.headers,
            "redacted": sorted(self._redacted),
        }

    def _remove_oldest(self) -> None:
        """Keeps the folder's captured files under the limit, those of other worker processes included."""
        files = sorted(
            [
                (file.stat().st_mtime, file.stat().st_size, file)
                for file in self._folder.iterdir()
                if _is_ours(file)
            ]
        )
        size = sum(size for _, size, _ in files)
        for _, bytes_, file in files:
            if size <= self._max_bytes:
                return
            file.unlink(missing_ok=True)  # another process may have been first
            size -= bytes_


_OURS: Final = re.compile(r".+-\d{8}T\d{6}-\d+-\d{6}\.(npz|jsonl)")


def _is_ours(file: Path) -> bool:
    return _OURS.fullmatch(file.name) is not None


def _count_rows(one: Captured) -> int:
    """Along axis 0 of the file, where a model without rows has its requests."""
    if not one.has_rows:
        return 1
    array = next(iter({**one.inputs, **one.outputs}.values()), None)
    return 0 if array is None else int(array.shape[0])


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
