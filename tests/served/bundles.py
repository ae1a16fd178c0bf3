"""Bundles of small models, written by the bundle package, their golden outputs by ONNX's reference evaluator."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

from shipway.bundle.closeness import output_scale
from shipway.bundle.evidence import Evidence, Result, Verdict
from shipway.bundle.golden import Golden, Tolerance
from shipway.bundle.manifest import Manifest, Variant
from shipway.bundle.store import Bundle, BundleWriter, open_bundle
from shipway.runtimes.onnx_runtime import OnnxRuntime

VERDICT = Verdict("numeric-parity", "keras → onnx", Result.PASS, "largest difference 1e-7 of 1e-5 allowed")


def reference(made: onnx.ModelProto, inputs):
    names = [output.name for output in made.graph.output]
    return dict(zip(names, ReferenceEvaluator(made).run(None, dict(inputs)), strict=True))


def golden_of(made, inputs, *, outputs=None, budget=1e-4):
    found = reference(made, inputs) if outputs is None else outputs
    tolerances = {
        name: Tolerance(output_scale(array) if array.dtype.kind == "f" else 1.0, budget)
        for name, array in found.items()
    }
    return Golden(inputs=inputs, outputs=found, tolerances=tolerances, origin="data")


def write_bundle(
    folder: Path,
    made,
    golden,
    *,
    name="tiny",
    version="1",
    options=None,
    labels=None,
    runtime="onnxruntime",
    verdict=VERDICT,
    accepted=(),
    weights_file=None,
) -> Bundle:
    """`weights_file`: the weights go into a file of that name beside the model."""
    with BundleWriter(folder / f"{name}-{version}.bundle") as writer:
        path = writer.variant_folder("onnx-fp32") / "model.onnx"
        if weights_file is None:
            onnx.save(made, path)
        else:
            onnx.save(made, path, save_as_external_data=True, location=weights_file)
        signature = OnnxRuntime().open(path, {}).signature
        variant = Variant(
            id="onnx-fp32",
            format="onnx",
            precision="fp32",
            main="variants/onnx-fp32/model.onnx",
            runtime={"name": runtime, "options": options or {}},
            files=writer.files_of("onnx-fp32"),
        )
        manifest = Manifest(
            name=name,
            version=version,
            signature=signature,
            variants=(variant,),
            task="classification",
            labels=labels,
            provenance={"accepted": list(accepted)},
        )
        evidence = Evidence("verdict", {"variant": "onnx-fp32"}, None, verdict.to_json())
        return writer.commit(manifest, golden=golden, evidence=[evidence])


def rows(count, *shape, seed=7):
    return np.random.default_rng(seed).normal(size=(count, *shape)).astype(np.float32)


def with_ballast(folder: Path, bundle: Bundle, size_bytes: int) -> Bundle:
    """The same bundle with one more file, of zeros, that takes time to hash."""
    opened = open_bundle(bundle.path)
    variant = opened.variant()
    with BundleWriter(folder / "ballast.bundle") as writer:
        target = writer.variant_folder(variant.id)
        for entry in variant.files:
            (writer.folder / entry.path).write_bytes((opened.path / entry.path).read_bytes())
        with (target / "ballast.bin").open("wb") as file:
            file.truncate(size_bytes)
        heavier = replace(variant, files=writer.files_of(variant.id))
        return writer.commit(replace(opened.manifest, variants=(heavier,)), golden=opened.golden())
