"""What users do wrong, and what machines do to them: a clear error, its exit code, no traceback, nothing left."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from digit_models import SHIPWAY, Ran, colored_digits, run
from shipway.bundle.store import open_bundle

USAGE, ENVIRONMENT = 2, 3


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where commands write; must be as empty after an error as before."""
    folder = tmp_path / "place"
    folder.mkdir()
    return folder


def refused(ran: Ran, code: str, *words: str, exit_code: int = USAGE) -> None:
    assert ran.code == exit_code, (ran.code, ran.text)
    assert ran.document["error"]["code"] == code
    assert ran.document["result"] == "FAIL"
    told = ran.document["error"]["message"] + ran.document["error"]["hint"]
    for word in words:
        assert word in told
    assert ran.document["error"]["hint"]
    assert "Traceback" not in ran.text


def export_refused(path: Path, place: Path, code: str, *words: str, data: Path | None = None) -> None:
    given = [] if data is None else ["--data", data]
    refused(run("export", path, *given, "--out", place / "m.bundle"), code, *words)
    assert list(place.iterdir()) == []


def test_a_missing_file(tmp_path: Path, place: Path) -> None:
    export_refused(tmp_path / "gone.keras", place, "source.not-found", "gone.keras")


def test_a_missing_file_beside_models_names_them(place: Path, model: Path) -> None:
    export_refused(model.with_name("typo.onnx"), place, "source.not-found", "digits.onnx")


@pytest.mark.framework
@pytest.mark.parametrize("part", [0.2, 0.9])
def test_a_truncated_keras_file(tmp_path: Path, place: Path, keras_models: Path, part: float) -> None:
    whole = sorted(keras_models.glob("*.keras"))[0].read_bytes()
    path = tmp_path / "cut.keras"
    path.write_bytes(whole[: int(len(whole) * part)])
    export_refused(path, place, "source.damaged", "cut.keras")


def test_a_text_file_named_onnx(tmp_path: Path, place: Path) -> None:
    path = tmp_path / "notes.onnx"
    path.write_text("These are my notes on the model.")
    export_refused(path, place, "source.unrecognized", "text", "These are my notes")


@pytest.mark.parametrize(
    ("content", "code", "word"),
    [
        (b"\x89HDF\r\n\x1a\n" + bytes(64), "source.damaged", "HDF5"),
        (b"\x80\x04\x95" + bytes(64), "source.damaged", "pickle"),
        (bytes(64), "source.unrecognized", "00 00"),
    ],
    ids=["hdf5", "pickle", "zeros"],
)
def test_other_files_are_named(tmp_path: Path, place: Path, content: bytes, code: str, word: str) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(content)
    export_refused(path, place, code, word)


def test_an_empty_file(tmp_path: Path, place: Path) -> None:
    path = tmp_path / "empty.onnx"
    path.touch()
    export_refused(path, place, "source.damaged", "0 bytes")


def test_a_truncated_onnx_file(tmp_path: Path, place: Path, model: Path) -> None:
    path = tmp_path / "cut.onnx"
    path.write_bytes(model.read_bytes()[:2000])
    export_refused(path, place, "source.damaged", "cut off")


@pytest.mark.parametrize("domain", ["", "com.example"])
def test_an_unknown_operator_is_named(tmp_path: Path, place: Path, domain: str) -> None:
    graph = helper.make_graph(
        [helper.make_node("Frobnicate", ["x"], ["y"], domain=domain)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 3])],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("com.example", 1)]
    path = tmp_path / "odd.onnx"
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    export_refused(path, place, "source.unsupported", "Frobnicate")


def saved(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


X, Y = colored_digits(slice(900, 950))
BAD_DATA = {
    "shape": ({"x": X[..., :2], "y": Y}, "data.mismatch", ("8, 8, 3", "8, 8, 2")),
    "channels first": ({"x": X.transpose(0, 3, 1, 2), "y": Y}, "data.mismatch", ("3, 8, 8",)),
    "dtype": ({"x": (X * 255).astype(np.uint8), "y": Y}, "data.mismatch", ("uint8", "astype")),
    "strings": ({"x": X.astype(str), "y": Y}, "data.mismatch", ("float32",)),
    "names": ({"images": X, "targets": Y}, "data.mismatch", ("images", "image")),
    "rows": ({"x": X, "y": Y[:-1]}, "data.mismatch", ("50", "49")),
    "labels above": ({"x": X, "y": Y + 10}, "data.labels", ("0 to 9",)),
    "labels below": ({"x": X, "y": Y - 1}, "data.labels", ("-1",)),
    "labels missing": ({"x": X}, "data.labels", ("labels",)),
    "labels in words": ({"x": X, "y": Y.astype(str)}, "data.labels", ("strings",)),
    "NaN": ({"x": np.where(X > 0.9, np.nan, X), "y": Y}, "data.value", ("NaN",)),
    "infinity": ({"x": np.where(X > 0.9, np.inf, X), "y": Y}, "data.value", ("row",)),
    "empty": ({"x": X[:0], "y": Y[:0]}, "data.empty", ("no row",)),
    "pickled": ({"x": np.array([{"a": 1}], dtype=object), "y": Y[:1]}, "data.format", ("pickle",)),
}


@pytest.mark.parametrize("fault", BAD_DATA)
def test_bad_data_is_told_before_anything_starts(
    tmp_path: Path, place: Path, model: Path, fault: str
) -> None:
    arrays, code, words = BAD_DATA[fault]
    data = saved(tmp_path / "bad.npz", **arrays)
    ran = run("deploy", model, "--data", data, "--out", place, "--port", "0", "--once")
    refused(ran, code, *words)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("gone.npz", None, "data.not-found"),
        ("text.npz", b"a,b\n1,2\n", "data.format"),
        ("cut.npz", b"PK\x03\x04" + bytes(50), "data.format"),
        ("empty.npz", b"", "data.empty"),
    ],
)
def test_a_data_file_that_is_none(
    tmp_path: Path, bundle: Path, name: str, content: bytes | None, code: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    refused(run("evaluate", bundle, "--data", tmp_path / name), code, name)


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("command", ["serve", "deploy"])
def test_a_port_in_use(
    place: Path, model: Path, bundle: Path, data: Path, taken_port: int, command: str
) -> None:
    given = [bundle] if command == "serve" else [model, "--data", data, "--out", place]
    ran = run(command, *given, "--port", str(taken_port))
    refused(ran, "environment.port-in-use", str(taken_port), "--port", exit_code=ENVIRONMENT)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("command", ["serve", "evaluate", "inspect", "check"])
def test_a_bundle_with_a_changed_byte(tmp_path: Path, bundle: Path, data: Path, command: str) -> None:
    copy = tmp_path / "digits.bundle"
    shutil.copytree(bundle, copy)
    weights = copy / "variants/onnx-fp32/model.onnx"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2] ^= 1
    weights.write_bytes(content)
    given = {
        "serve": [copy, "--port", "0"],
        "evaluate": [copy, "--data", data],
        "inspect": [copy],
        "check": ["http://127.0.0.1:1", "--bundle", copy],
    }
    refused(run(command, *given[command]), "bundle.digest-mismatch", "changed", "model.onnx")


def test_nothing_at_the_address(bundle: Path) -> None:
    ran = run("check", "http://127.0.0.1:1", "--bundle", bundle)
    refused(ran, "endpoint.unreachable", "127.0.0.1:1", exit_code=ENVIRONMENT)


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://127.0.0.1", "http://"])
def test_an_address_that_is_none(bundle: Path, url: str) -> None:
    refused(run("check", url, "--bundle", bundle), "usage.invalid", "http://HOST:PORT")


def test_a_service_that_is_no_model_server(bundle: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with subprocess.Popen(
            [SHIPWAY, "check", url, "--bundle", bundle],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")
            listener.close()
            _, text = process.communicate(timeout=60)
    assert process.returncode == ENVIRONMENT
    assert "endpoint.unreachable" in text
    assert "Traceback" not in text


def test_something_else_in_the_place_of_the_bundle(tmp_path: Path, model: Path) -> None:
    target = tmp_path / "precious"
    target.mkdir()
    (target / "thesis.txt").write_text("years of work")
    refused(run("export", model, "--out", target), "output.exists", "precious")
    assert [path.name for path in tmp_path.rglob("*")] == ["precious", "thesis.txt"]


def test_a_wrong_option_is_a_document_too(model: Path) -> None:
    ran = run("export", model, "--colour", "red")
    assert ran.code == USAGE
    assert ran.document["error"]["code"] == "usage.invalid"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 8 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small tmpfs (root)")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("command", ["export", "deploy"])
def test_a_full_disk(small_disk: Path, model: Path, data: Path, command: str) -> None:
    out = ["--out", small_disk / "m.bundle"] if command == "export" else ["--out", small_disk, "--port", "0"]
    ran = run(command, model, "--data", data, *out)
    refused(ran, "environment.disk-full", "no space left", exit_code=ENVIRONMENT)
    assert list(small_disk.iterdir()) == []


def test_a_full_temporary_folder(
    small_disk: Path, place: Path, model: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(small_disk))
    ran = run("export", model, "--data", data, "--out", place / "m.bundle")
    refused(ran, "environment.disk-full", exit_code=ENVIRONMENT)
    assert list(small_disk.iterdir()) == []
    assert list(place.iterdir()) == []


def processes_with(mark: str) -> list[str]:
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            if mark.encode() in environment.read_bytes():
                found.append((environment.parent / "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("stage", ["export", "verify", "evaluate", "bundle", "serve", "check"])
@pytest.mark.parametrize("signal_name", ["INT", "TERM"])
def test_ctrl_c_in_every_stage(
    tmp_path: Path, place: Path, model: Path, data: Path, stage: str, signal_name: str
) -> None:
    mark = f"SHIPWAY_TEST_MARK={tmp_path}"
    environment = {**os.environ, "SHIPWAY_TEST_MARK": str(tmp_path), "TMPDIR": str(tmp_path)}
    command = [SHIPWAY, "deploy", model, "--data", data, "--out", place, "--port", "0", "--once"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        told = ""
        for line in process.stdout:
            told += line
            if line.startswith(f"{stage} "):
                break
        process.send_signal({"INT": 2, "TERM": 15}[signal_name])
        told += process.stdout.read()
    assert process.returncode == {"INT": 130, "TERM": 143}[signal_name], told
    assert "Traceback" not in told
    assert processes_with(mark) == []
    left = [path.name for path in place.iterdir()]
    if left:
        assert left == ["digits.bundle"]
        open_bundle(place / "digits.bundle")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["place"]
