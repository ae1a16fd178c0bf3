"""Hostile HDF5 files: what points out of the file, loads plug-ins, claims sizes or runs in circles."""

import subprocess
import sys
import textwrap

import h5py
import numpy as np
import pytest

import tensorflow_files
from shipway.sources.workers import wire
from shipway.sources.workers.frameworks.hdf5_outline import outline


@pytest.fixture
def write(tmp_path):
    """An HDF5 file that `fill` filled; gives its path."""

    def write(fill):
        path = tmp_path / "hostile.h5"
        with h5py.File(path, "w") as file:
            file["honest"] = np.arange(10.0)
            fill(file)
        return path

    return write


def external_link(file):
    file["stolen"] = h5py.ExternalLink("/etc/passwd", "/x")


def external_link_inside_groups(file):
    file.create_group("model_weights/dense")["stolen"] = h5py.ExternalLink("other.h5", "/x")


def soft_link(file):
    file["again"] = h5py.SoftLink("/nowhere")


def external_storage(file):
    file.create_dataset("stolen", (100,), "u1", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)])


def virtual_dataset(file):
    layout = h5py.VirtualLayout((10,), "f4")
    layout[:] = h5py.VirtualSource("/tmp/other.h5", "x", (10,))
    file.create_virtual_dataset("stolen", layout)


def plug_in(file):
    file.create_dataset("packed", data=np.zeros(1000), compression="lzf", chunks=(100,))


def never_written(file):
    file.create_dataset("huge", (1 << 20, 1 << 20), "f8", chunks=(1 << 10, 1 << 10))


def well_compressed(file):
    file.create_dataset("bomb", data=np.zeros(20 << 20), chunks=(1 << 20,), compression="gzip")


def named_type(file):
    file["type"] = np.dtype("f8")


def references(file):
    file.create_dataset("pointer", data=file["honest"].ref, dtype=h5py.ref_dtype)


def huge_attribute(file):
    file.attrs.create("model_config", np.zeros(1, "S40000"), dtype="S40000", shape=(1,))


def number_for_a_text(file):
    file.attrs["keras_version"] = 3


HOSTILE = [
    (external_link, "link to another file"),
    (external_link_inside_groups, r"another file \(other\.h5\)"),
    (soft_link, "link to another place"),
    (external_storage, "another file"),
    (virtual_dataset, "another file"),
    (plug_in, "filter 32000"),
    (never_written, "claims 8796093022208 bytes and has 0"),
    (well_compressed, "claims 167772160 bytes"),
    (named_type, "neither a group nor a dataset"),
    (references, "no weight"),
    (huge_attribute, "model_config"),
    (number_for_a_text, "no text"),
]


@pytest.mark.parametrize(("fill", "says"), HOSTILE, ids=lambda value: getattr(value, "__name__", ""))
def test_what_keras_does_not_write(write, fill, says):
    with pytest.raises(wire.TaskError, match=says) as caught:
        outline(write(fill))
    assert caught.value.code == "source.damaged"
    assert "do not trust" in caught.value.hint


def test_groups_in_a_circle_end(write):
    def circle(file):
        inner = file.create_group("a/b/c")
        inner["up"] = file["a"]
        inner["top"] = file["/"]

    assert outline(write(circle))["weights_bytes"] == 80


def test_groups_nested_deeper_than_a_stack(write):
    def deep(file):
        group = file
        for _ in range(3000):
            group = group.create_group("g")

    assert outline(write(deep))["kind"] == "weights"


CHANGES = """
import os, random, resource, signal, sys
import h5py
sys.path.insert(0, sys.argv[1])
from shipway.sources.workers import wire
from shipway.sources.workers.frameworks.hdf5_outline import outline

resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
whole = open(sys.argv[2], "rb").read()
chance = random.Random(5)
for number in range(int(sys.argv[4])):
    data = bytearray(whole)
    if number % 3 == 0:
        del data[chance.randrange(len(data)) :]
    else:
        for _ in range(chance.choice([1, 2, 8, 32])):
            data[chance.randrange(min(len(data), 12000))] = chance.choice([0, 1, 0x7F, 0x80, 0xFF])
    with open(sys.argv[3], "wb") as file:
        file.write(data)
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            outline(sys.argv[3])
        except wire.TaskError as error:
            os._exit(1 if error.code == "source.damaged" else 3)
        except BaseException as error:
            print("not ours:", repr(error), flush=True)
            os._exit(4)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    print(os.waitstatus_to_exitcode(status), flush=True)
"""


@pytest.mark.framework
def test_changed_bytes(tmp_path_factory, tmp_path):
    """HDF5 is C code, which damage may crash: that costs the child alone, and is no result of ours."""
    models = tensorflow_files.build(tmp_path_factory)
    code = textwrap.dedent(CHANGES)
    root = next(path for path in sys.path if path.endswith("src"))
    done = subprocess.run(
        [sys.executable, "-c", code, root, str(models / "keras_2.h5"), str(tmp_path / "changed.h5"), "300"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    lines = done.stdout.split("\n")[:-1]
    assert len(lines) == 300, set(lines)
    assert not [line for line in lines if line in ("3", "4") or line.startswith("not ours")]
    assert lines.count("1") > 100
    assert sum(line.startswith("-") for line in lines) < 10
