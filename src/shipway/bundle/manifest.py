"""`bundle.json` as values: reading is strict about what it knows and carries what it does not.

Fields that this version has no word for survive reading and writing, so an older Shipway never loses what a
newer one wrote. `docs/format/bundle-1.md` is the specification.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from shipway.bundle.evidence import Json
from shipway.bundle.files import FileEntry
from shipway.bundle.golden import Tolerance
from shipway.errors import BundleFormatError, BundleVersionError
from shipway.types import Dim, DType, Signature, TensorSpec

FORMAT_VERSION = 1
_REQUEST = "request"
T = TypeVar("T")


@dataclass(frozen=True)
class Variant:
    """The model in one format and precision."""

    id: str
    format: str
    precision: str
    main: str
    """Path of the file that a runtime opens; the others lie where it expects them."""
    runtime: Mapping[str, Json]
    """`{"name": "onnxruntime", "options": {...}}`."""
    files: tuple[FileEntry, ...]
    made_by: Mapping[str, str] = field(default_factory=dict)
    """Package or tool → version."""
    made_from: str | None = None
    """The variant it was made from; None: from the source."""
    unknown: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """As `bundle.json` holds it."""
        return {
            **self.unknown,
            "id": self.id,
            "format": self.format,
            "precision": self.precision,
            "main": self.main,
            "runtime": dict(self.runtime),
            "files": [entry.to_json() for entry in self.files],
            "made_by": dict(self.made_by),
            "made_from": self.made_from,
        }


@dataclass(frozen=True)
class SamplesEntry:
    """The golden samples' file and the tolerances that they are judged with."""

    file: FileEntry
    rows: int
    origin: str
    tolerances: Mapping[str, Tolerance]
    has_rows: bool = True
    """False: each sample is a whole request."""
    unknown: Mapping[str, Json] = field(default_factory=dict)

    def to_json(self) -> dict[str, Json]:
        """As `bundle.json` holds it."""
        return {
            **self.unknown,
            **self.file.to_json(),
            "rows": self.rows,
            "origin": self.origin,
            "tolerances": {name: tolerance.to_json() for name, tolerance in self.tolerances.items()},
            **({} if self.has_rows else {"unit": _REQUEST}),
        }


@dataclass(frozen=True)
class Manifest:
    """All that `bundle.json` says."""

    name: str
    version: str
    signature: Signature
    variants: tuple[Variant, ...]
    task: str | None = None
    labels: tuple[str, ...] | None = None
    steps: tuple[Json, ...] = ()
    samples: tuple[SamplesEntry, ...] = ()
    evidence: tuple[FileEntry, ...] = ()
    reports: tuple[FileEntry, ...] = ()
    provenance: Mapping[str, Json] = field(default_factory=dict)
    unknown: Mapping[str, Json] = field(default_factory=dict)

    def files(self) -> tuple[FileEntry, ...]:
        """Every file that the bundle must hold beside `bundle.json`."""
        return (
            *(entry for variant in self.variants for entry in variant.files),
            *(samples.file for samples in self.samples),
            *self.evidence,
            *self.reports,
        )

    def to_json(self) -> dict[str, Json]:
        """As `bundle.json` holds it."""
        return {
            **self.unknown,
            "format_version": FORMAT_VERSION,
            "name": self.name,
            "version": self.version,
            "task": self.task,
            "signature": signature_to_json(self.signature),
            "steps": list(self.steps),
            "labels": None if self.labels is None else list(self.labels),
            "variants": [variant.to_json() for variant in self.variants],
            "samples": [samples.to_json() for samples in self.samples],
            "evidence": [entry.to_json() for entry in self.evidence],
            "reports": [entry.to_json() for entry in self.reports],
            "provenance": dict(self.provenance),
        }

    @classmethod
    def from_json(cls, value: Json) -> Manifest:
        """Raises `BundleFormatError`, `BundleVersionError` or `BundlePathError`."""
        fields = _Fields(value, "bundle.json")
        version = fields.take("format_version", int)
        if version != FORMAT_VERSION:
            raise BundleVersionError(
                f"The bundle has format version {version}; this Shipway reads {FORMAT_VERSION}.",
                hint="Update Shipway: pip install --upgrade shipway",
            )
        labels = fields.take_or_none("labels", list)
        manifest = cls(
            name=fields.take("name", str),
            version=fields.take("version", str),
            task=fields.take_or_none("task", str),
            signature=signature_from_json(fields.take("signature", dict)),
            steps=tuple(fields.take("steps", list)),
            labels=None if labels is None else tuple(str(label) for label in labels),
            variants=fields.take_each("variants", _variant_from_json),
            samples=fields.take_each("samples", _samples_from_json),
            evidence=fields.take_each("evidence", FileEntry.from_json),
            reports=fields.take_each("reports", FileEntry.from_json),
            provenance=fields.take("provenance", dict),
            unknown=fields.rest(),
        )
        _check_consistency(manifest)
        return manifest


def signature_to_json(signature: Signature) -> dict[str, Json]:
    """`{"inputs": [{"name", "dtype", "shape"}], "outputs": [...]}`; a free dimension is its name."""
    return {
        side: [{"name": spec.name, "dtype": str(spec.dtype), "shape": list(spec.shape)} for spec in specs]
        for side, specs in (("inputs", signature.inputs), ("outputs", signature.outputs))
    }


def signature_from_json(value: Mapping[str, Json]) -> Signature:
    """Raises `BundleFormatError`."""
    fields = _Fields(value, "signature")
    return Signature(
        inputs=fields.take_each("inputs", _spec_from_json),
        outputs=fields.take_each("outputs", _spec_from_json),
    )


def _spec_from_json(value: Mapping[str, Json]) -> TensorSpec:
    fields = _Fields(value, "tensor")
    try:
        dtype = DType(fields.take("dtype", str))
    except ValueError as error:
        raise BundleFormatError(f"bundle.json: {error} for a tensor's dtype.") from error
    shape: tuple[Dim, ...] = tuple(fields.take("shape", list))
    if not all(isinstance(dim, str) or (type(dim) is int and dim >= 0) for dim in shape):
        raise BundleFormatError(f"bundle.json: a shape holds sizes and names, found {list(shape)}.")
    return TensorSpec(name=fields.take("name", str), dtype=dtype, shape=shape)


def _variant_from_json(value: Mapping[str, Json]) -> Variant:
    fields = _Fields(value, "variant")
    return Variant(
        id=fields.take("id", str),
        format=fields.take("format", str),
        precision=fields.take("precision", str),
        main=fields.take("main", str),
        runtime=fields.take("runtime", dict),
        files=fields.take_each("files", FileEntry.from_json),
        made_by=fields.take("made_by", dict),
        made_from=fields.take_or_none("made_from", str),
        unknown=fields.rest(),
    )


def _samples_from_json(value: Mapping[str, Json]) -> SamplesEntry:
    fields = _Fields(value, "samples")
    tolerances = fields.take("tolerances", dict)
    return SamplesEntry(
        file=FileEntry.from_json({key: fields.take(key, object) for key in ("path", "size", "sha256")}),
        rows=fields.take("rows", int),
        origin=fields.take("origin", str),
        tolerances={name: _tolerance_from_json(item) for name, item in tolerances.items()},
        has_rows=_has_rows(fields.take_or_none("unit", str)),
        unknown=fields.rest(),
    )


def _has_rows(unit: str | None) -> bool:
    if unit not in (None, _REQUEST):
        raise BundleFormatError(
            f"bundle.json: a sample's unit is {_REQUEST!r}, or not said for a row; found {unit!r}."
        )
    return unit is None


def _tolerance_from_json(value: Mapping[str, Json]) -> Tolerance:
    fields = _Fields(value, "tolerance")
    return Tolerance(
        scale=float(fields.take("scale", (int, float))), budget=float(fields.take("budget", (int, float)))
    )


def _check_consistency(manifest: Manifest) -> None:
    paths = [entry.path for entry in manifest.files()]
    if len(set(paths)) != len(paths):
        raise BundleFormatError(f"bundle.json lists a file twice: {sorted(paths)}.")
    if not manifest.variants:
        raise BundleFormatError("bundle.json lists no variant; a bundle holds at least one.")
    for variant in manifest.variants:
        if variant.main not in {entry.path for entry in variant.files}:
            raise BundleFormatError(
                f"Variant {variant.id!r}: its main file {variant.main!r} is not among its files."
            )


class _Fields:
    """Takes known fields out of a JSON object; what is left is unknown and survives."""

    def __init__(self, value: Json, where: str) -> None:
        if not isinstance(value, Mapping):
            raise BundleFormatError(f"bundle.json: {where} must be an object, found {type(value).__name__}.")
        self._left = dict(value)
        self._where = where

    def take(self, key: str, kind: Any) -> Any:  # noqa: ANN401 - the caller names the type it checks for
        if key not in self._left:
            raise BundleFormatError(f"bundle.json: {self._where} has no {key!r}; found {sorted(self._left)}.")
        value = self._left.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise BundleFormatError(
                f"bundle.json: {key!r} in {self._where} has the wrong type: {value!r:.80}."
            )
        return value

    def take_or_none(self, key: str, kind: Any) -> Any:  # noqa: ANN401 - as above
        if self._left.get(key) is None:
            self._left.pop(key, None)
            return None
        return self.take(key, kind)

    def take_each(self, key: str, read: Callable[[Mapping[str, Json]], T]) -> tuple[T, ...]:
        items: Sequence[Json] = self.take(key, list)
        for item in items:
            if not isinstance(item, Mapping):
                raise BundleFormatError(f"bundle.json: {key!r} in {self._where} must hold objects.")
        return tuple(read(item) for item in items)

    def rest(self) -> dict[str, Json]:
        return self._left
