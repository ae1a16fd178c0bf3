"""What a factory's text tells before it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.torch_factory_text import read_factory

TEXT = """
from elsewhere import imported
class Net:
    def __init__(self, width): ...
    def forward(self, image, mask=None): ...
def bare():
    return Net(3).eval()
def pair():
    net = Net(3)
    return net, (1, 2)
def told() -> tuple[Net, object]:
    return build()
def seeded(cls, *examples):
    return cls(3), examples
def passed_on():
    return seeded(Net, 1)
def named():
    both = seeded(Net, 1)
    return both
def turns():
    return turns()
def inner():
    def pair_of_its_own():
        return 1, 2
    return Net(3)
async def strange():
    return 1
table = {"net": Net}
raise SystemExit("this text is never run")
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "line", "gives_examples", "arguments"),
    [
        ("Net", 3, False, ("image", "mask")),
        ("bare", 6, False, ("image", "mask")),
        ("pair", 8, True, ()),
        ("told", 11, True, ()),
        ("imported", 0, False, ()),
        ("table", 0, False, ()),
        ("passed_on", 15, True, ()),
        ("named", 17, True, ()),
        ("turns", 20, False, ()),
        ("inner", 22, False, ("image", "mask")),
        ("strange", 26, False, ()),
    ],
)
def test_what_the_text_tells(file, name, line, gives_examples, arguments):
    found = read_factory(file, name)
    assert (found.line, found.gives_examples, found.argument_names) == (line, gives_examples, arguments)


def test_a_mistyped_name_is_met_by_the_near_one(file):
    with pytest.raises(SourceUnsupportedError, match="has no 'bore'") as caught:
        read_factory(file, "bore")
    assert "net.py:bare" in caught.value.hint


@pytest.mark.parametrize("text", ["def make(:\n", "\0", "x = " + "(" * 5000])
def test_what_is_no_python(tmp_path, text):
    (tmp_path / "net.py").write_text(text, encoding="utf-8")
    with pytest.raises(SourceDamagedError, match="is not Python"):
        read_factory(tmp_path / "net.py", "make")
