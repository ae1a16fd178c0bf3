"""A bundle opens only when every byte is as listed, and is written whole or not at all."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from served import bundles, models
from shipway.bundle import canonical
from shipway.bundle.evidence import Evidence, Result, Verdict
from shipway.bundle.golden import Golden, Tolerance
from shipway.bundle.manifest import Manifest, Variant
from shipway.bundle.store import Bundle, BundleWriter, is_bundle, open_bundle
from shipway.errors import (
    BundleDigestError,
    BundleFormatError,
    BundleNotFoundError,
    BundlePathError,
    BundleVersionError,
    OutputExistsError,
)
from shipway.types import DType, Signature, TensorSpec

SIGNATURE = Signature(
    inputs=(TensorSpec("x", DType.FP32, ("batch", 4)),), outputs=(TensorSpec("y", DType.FP32, ("batch", 2)),)
)


def make_bundle(
    target: Path, weights: bytes = b"weights" * 100, *, name: str = "m", has_rows: bool = True
) -> Bundle:
    rng = np.random.default_rng(0)
    golden = Golden(
        inputs={"x": rng.random((3, 4), dtype=np.float32)},
        outputs={"y": rng.random((3, 2), dtype=np.float32)},
        tolerances={"y": Tolerance(scale=1.0, budget=1e-5)},
        origin="data",
        has_rows=has_rows,
    )
    with BundleWriter(target) as writer:
        folder = writer.variant_folder("onnx-fp32")
        (folder / "model.onnx").write_bytes(b"graph")
        (folder / "weights.bin").write_bytes(weights)
        variant = Variant(
            id="onnx-fp32",
            format="onnx",
            precision="fp32",
            main="variants/onnx-fp32/model.onnx",
            runtime={"name": "onnxruntime", "options": {}},
            files=writer.files_of("onnx-fp32"),
        )
        verdict = Verdict("numeric-parity", "m → ONNX", Result.PASS, "close", {"max": 1e-7})
        return writer.commit(
            Manifest(name=name, version="1", signature=SIGNATURE, variants=(variant,)),
            golden=golden,
            evidence=[Evidence("verdict", {"variant": "onnx-fp32"}, None, verdict.to_json())],
        )


def rewrite_manifest(bundle: Bundle, change) -> None:
    path = bundle.path / "bundle.json"
    value = json.loads(path.read_bytes())
    change(value)
    path.write_bytes(canonical.encode(value))


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    written = make_bundle(tmp_path / "m.bundle")
    opened = open_bundle(tmp_path / "m.bundle")
    assert opened.id == written.id
    assert opened.manifest == written.manifest
    assert opened.model_path(opened.variant()).read_bytes() == b"graph"
    golden = opened.golden()
    assert golden is not None
    assert golden.count == 3
    assert golden.tolerances == {"y": Tolerance(1.0, 1e-5)}
    (evidence,) = opened.evidence()
    assert Verdict.from_json(evidence.content).result is Result.PASS


def test_equal_content_has_one_id(tmp_path: Path) -> None:
    assert make_bundle(tmp_path / "a.bundle").id == make_bundle(tmp_path / "b.bundle").id
    assert make_bundle(tmp_path / "c.bundle", b"other").id != make_bundle(tmp_path / "d.bundle").id


def test_the_id_is_the_digest_of_the_manifest_file(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "m.bundle")
    assert canonical.sha256_hex((bundle.path / "bundle.json").read_bytes()) == bundle.id


@pytest.mark.parametrize(
    "file", ["variants/onnx-fp32/weights.bin", "variants/onnx-fp32/model.onnx", "samples/golden.npz"]
)
def test_a_changed_byte_is_told(tmp_path: Path, file: str) -> None:
    bundle = make_bundle(tmp_path / "m.bundle")
    data = bytearray((bundle.path / file).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle.path / file).write_bytes(data)
    with pytest.raises(BundleDigestError, match="changed") as caught:
        open_bundle(bundle.path)
    assert (caught.value.changed, caught.value.missing, caught.value.extra) == ((file,), (), ())


def test_extra_missing_and_changed_are_told_apart(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "m.bundle")
    (bundle.path / "notes.txt").write_text("hello")
    (bundle.path / "samples/golden.npz").unlink()
    (bundle.path / "variants/onnx-fp32/weights.bin").write_bytes(b"short")
    with pytest.raises(BundleDigestError) as caught:
        open_bundle(bundle.path)
    assert caught.value.extra == ("notes.txt",)
    assert caught.value.missing == ("samples/golden.npz",)
    assert caught.value.changed == ("variants/onnx-fp32/weights.bin",)


@pytest.mark.parametrize(
    "path", ["../outside", "/etc/passwd", "a/../../b", "a\\b", "C:/x", "", ".", "a//b", "a/./b", "a/\0b"]
)
def test_paths_that_leave_the_bundle_are_refused(tmp_path: Path, path: str) -> None:
    bundle = make_bundle(tmp_path / "m.bundle")

    def change(value):
        value["variants"][0]["files"][0]["path"] = path

    rewrite_manifest(bundle, change)
    with pytest.raises(BundlePathError):
        open_bundle(bundle.path)


def test_links_are_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "m.bundle")
    weights = bundle.path / "variants/onnx-fp32/weights.bin"
    outside = tmp_path / "outside.bin"
    outside.write_bytes(weights.read_bytes())
    weights.unlink()
    weights.symlink_to(outside)
    with pytest.raises(BundlePathError, match=r"weights\.bin"):
        open_bundle(bundle.path)


def test_a_manifest_that_was_edited_by_hand_is_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "m.bundle")
    path = bundle.path / "bundle.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()), indent=2))
    with pytest.raises(BundleFormatError, match="canonical"):
        open_bundle(bundle.path)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[]", b'{"a":1,"a":2}', b"\xff", b"null", b'{"x":NaN}', b"[" * 100_000]
)
def test_what_is_no_manifest_is_a_format_error(tmp_path: Path, text: bytes) -> None:
    bundle = make_bundle(tmp_path / "m.bundle")
    (bundle.path / "bundle.json").write_bytes(text)
    with pytest.raises(BundleFormatError):
        open_bundle(bundle.path)


def test_a_newer_format_is_named(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "m.bundle")
    rewrite_manifest(bundle, lambda value: value.update(format_version=2))
    with pytest.raises(BundleVersionError, match="format version 2"):
        open_bundle(bundle.path)


def test_unknown_fields_survive_reading_and_writing(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "m.bundle")

    def change(value):
        value["from_the_future"] = {"a": [1, 2]}
        value["variants"][0]["hint"] = "x"
        value["samples"][0]["kind"] = "hard"

    rewrite_manifest(bundle, change)
    data = (bundle.path / "bundle.json").read_bytes()
    assert canonical.encode(open_bundle(bundle.path).manifest.to_json()) == data


def test_no_bundle_says_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(BundleNotFoundError, match="does not exist"):
        open_bundle(tmp_path / "none.bundle")
    (tmp_path / "file").write_text("x")
    with pytest.raises(BundleNotFoundError, match="not a folder"):
        open_bundle(tmp_path / "file")


def test_an_older_bundle_is_replaced_and_nothing_else_is(tmp_path: Path) -> None:
    target = tmp_path / "m.bundle"
    make_bundle(target, b"old")
    new = make_bundle(target, b"new")
    assert open_bundle(target).id == new.id
    assert os.listdir(tmp_path) == ["m.bundle"]
    foreign = tmp_path / "precious"
    foreign.mkdir()
    (foreign / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputExistsError, match="not a bundle"):
        make_bundle(foreign)
    assert (foreign / "thesis.txt").read_text() == "years of work"


def test_an_error_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), BundleWriter(tmp_path / "m.bundle") as writer:
        (writer.variant_folder("onnx-fp32") / "model.onnx").write_bytes(b"half")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == []


def test_a_failed_write_leaves_the_older_bundle(tmp_path: Path) -> None:
    target = tmp_path / "m.bundle"
    old = make_bundle(target, b"old")
    with pytest.raises(ZeroDivisionError), BundleWriter(target) as writer:
        (writer.variant_folder("onnx-fp32") / "model.onnx").write_bytes(b"half")
        _ = 1 / 0
    assert open_bundle(target).id == old.id
    assert os.listdir(tmp_path) == ["m.bundle"]


def test_a_disk_that_is_full_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    """A limit on the size of files stands for the full disk: the kernel refuses the write all the same."""
    script = f"""
import resource, signal, sys

from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from shipway.errors import DiskFullError
from shipway.os_errors import os_errors_as_ours
from shipway.bundle.store import BundleWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
target = Path({str(tmp_path / "m.bundle")!r})
try:
    with BundleWriter(target) as writer, os_errors_as_ours("write the bundle", target):
        (writer.variant_folder("v") / "weights.bin").write_bytes(b"x" * 5000)
except DiskFullError as error:
    print("told:", error.message)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "told: Could not write the bundle: no space left" in done.stdout
    assert os.listdir(tmp_path) == []


def test_a_bundle_is_told_from_a_folder(tmp_path: Path) -> None:
    assert is_bundle(make_bundle(tmp_path / "m.bundle").path)
    assert not is_bundle(tmp_path)


def test_samples_that_are_requests_say_so_and_rows_are_written_as_ever(tmp_path: Path) -> None:
    whole = make_bundle(tmp_path / "requests.bundle", has_rows=False)
    assert json.loads((whole.path / "bundle.json").read_bytes())["samples"][0]["unit"] == "request"
    golden = open_bundle(whole.path).golden()
    assert golden is not None
    assert not golden.has_rows
    rows = make_bundle(tmp_path / "rows.bundle")
    assert "unit" not in json.loads((rows.path / "bundle.json").read_bytes())["samples"][0]
    assert open_bundle(rows.path).manifest.samples[0].has_rows


def test_a_unit_of_samples_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "m.bundle", has_rows=False)

    def change(found: dict) -> None:
        found["samples"][0]["unit"] = "page"

    rewrite_manifest(bundle, change)
    with pytest.raises(BundleFormatError, match="'page'"):
        open_bundle(bundle.path)


def test_large_weights_can_be_verified_later_and_nothing_else(tmp_path):
    """A server hashes 765 MB while the session proves itself, and is not ready before both are done."""
    made = models.mlp()
    bundle = bundles.write_bundle(tmp_path, made, bundles.golden_of(made, {"x": bundles.rows(4, 4)}))
    heavy = bundles.with_ballast(tmp_path, bundle, 1000)
    ballast = next(heavy.path.rglob("ballast.bin"))
    ballast.write_bytes(b"\1" * 1000)
    opened = open_bundle(heavy.path, defer_above=999)
    assert [entry.path for entry in opened.unverified] == [ballast.relative_to(heavy.path).as_posix()]
    with pytest.raises(BundleDigestError, match=r"changed: .*ballast\.bin"):
        opened.verify_rest()
    with pytest.raises(BundleDigestError):
        open_bundle(heavy.path, defer_above=1000)
    ballast.write_bytes(b"\0" * 999)
    with pytest.raises(BundleDigestError):  # a size needs no reading
        open_bundle(heavy.path, defer_above=1)
