"""Hostile OpenVINO files: entities, depth, links, claims, and whatever a broken disk makes of them."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.openvino_file import read_openvino

LAYERS = """<layers>
<layer id="0" type="Parameter" version="opset1"><data shape="?,4" element_type="f32"/>
<output><port id="0" names="x"><dim>-1</dim><dim>4</dim></port></output></layer>
<layer id="1" type="Const" version="opset1"><data offset="0" size="16"/></layer>
<layer id="2" type="Result" version="opset1" output_names="y">
<input><port id="0" precision="FP32"><dim>-1</dim><dim>4</dim></port></input></layer>
</layers>"""
NET = f'<net name="n" version="11">{LAYERS}</net>'


def write(folder: Path, text: str | bytes) -> Path:
    file = folder / "model.xml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    if not file.with_suffix(".bin").is_symlink():
        file.with_suffix(".bin").write_bytes(bytes(16))
    return file


def test_the_plain_file_is_read(tmp_path: Path) -> None:
    assert read_openvino(write(tmp_path, NET)).weights_bytes == 16


def laughs() -> str:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))
    return f'<!DOCTYPE net [<!ENTITY a0 "ha">{entities}]>' + NET.replace('name="n"', 'name="&a9;"')


@pytest.mark.parametrize(
    "text",
    [
        laughs(),
        '<!DOCTYPE net [<!ENTITY out SYSTEM "secret.txt">]>' + NET.replace("<layers>", "&out;<layers>"),
        '<!DOCTYPE net SYSTEM "http://127.0.0.1:1/net.dtd">' + NET,
        '<net version="11">' + "<layers>" * 100_000,
        NET.replace('shape="?,4"', f'shape="{"1," * 10_000}1"'),
        NET.replace("<dim>4</dim>", "<dim>4</dim>" * 10_000),
        NET.replace("<dim>4</dim>", "<dim>many</dim>"),
        NET.replace('size="16"', 'size="99999999999999999999999"'),
        NET.replace('size="16"', 'size="sixteen"'),
        NET.replace('version="11"', 'version="new"'),
        NET.replace('name="n"', f'name="{"n" * (5 << 20)}"'),
        NET.replace("Result", "Sink"),
        '<?xml version="1.0" encoding="utf-7"?>' + NET,
        NET + NET,
        '<other><net version="11"/></other>',
    ],
    ids=[
        "entities that expand",
        "an entity of a file",
        "a document type elsewhere",
        "depth",
        "axes of a parameter",
        "axes of a result",
        "a size in words",
        "weights beyond measure",
        "weights in words",
        "a version in words",
        "a name of megabytes",
        "no result",
        "an encoding",
        "two graphs",
        "another root",
    ],
)
def test_it_is_damage_at_once(tmp_path: Path, text: str) -> None:
    file = write(tmp_path, text)
    before = time.monotonic()
    with pytest.raises(SourceDamagedError):
        read_openvino(file)
    assert time.monotonic() - before < 2  # an expansion of 10⁹ words takes minutes and all memory


def test_weights_may_not_be_a_link_out_of_the_folder(tmp_path: Path) -> None:
    outside = tmp_path / "secret"
    outside.write_bytes(bytes(100))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.bin").symlink_to(outside)
    with pytest.raises(SourceUnsupportedError, match="outside of the model's folder"):
        read_openvino(write(folder, NET))


def test_no_change_of_bytes_does_more_than_that(tmp_path: Path) -> None:
    generator = random.Random(5)
    outcomes = {"read": 0, "refused": 0}
    for _ in range(600):
        data = bytearray(NET.encode())
        if generator.random() < 0.3:
            del data[generator.randrange(len(data)) :]
        for _ in range(generator.randrange(1, 4)):
            if data:
                data[generator.randrange(len(data))] = generator.choice(b'<>"&;=/?-0129az \x00\xff')
        try:
            read_openvino(write(tmp_path, bytes(data)))
            outcomes["read"] += 1
        except (SourceDamagedError, SourceUnsupportedError):
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 20, outcomes
