"""Hostile files of torch's: nothing of theirs runs, nothing is written, and the outline names what would."""

import io
import json
import pickle
import zipfile

import pytest

from saved_files import Payload, mutations, rewrite, torch_files  # noqa: F401
from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.torch_archive import TorchKind, looks_like_torch, read_torch

pytestmark = pytest.mark.framework


def change_model(source, target, change):
    """A copy of a `.pt2` file whose graph went through `change`."""

    def rewritten(name, content):
        return json.dumps(change(json.loads(content))).encode() if "/models/" in name else content

    return rewrite(source, target, rewritten)


def change_text(old, new):
    def change(document):
        text = json.dumps(document)
        assert old in text
        return json.loads(text.replace(old, new))

    return change


def set_first_target(name):
    def change(document):
        document["graph_module"]["graph"]["nodes"][0]["target"] = name
        return document

    return change


def set_tree(tree):
    def change(document):
        document["graph_module"]["module_call_graph"][0]["signature"]["in_spec"] = json.dumps([1, tree])
        return document

    return change


ENUM = {
    "type": "builtins.dict",
    "context": '[{"__enum__": true, "fqn": "antigravity:X"}]',
    "children_spec": [],
}
DEFAULT = {
    "type": "collections.defaultdict",
    "context": '{"default_factory_module": "antigravity", "default_factory_name": "X"}',
    "children_spec": [],
}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            change_text("Symbol('s", "__import__('os').system('touch marker') or Symbol('s"),
            "evaluated as Python when the file is loaded",
        ),
        (lambda document: {**document, "guards_code": ["open('marker', 'w')"]}, "at every call"),
        (set_first_target("torch.os.system"), "no operator"),
        (set_first_target("_operator.call"), "no operator"),
        (set_first_target("torch.ops.aten.save.default"), "reaches out"),
        (set_first_target("torch.ops.c10d.send.default"), "reaches out"),
        (set_first_target("torch.ops.load_library.__call__"), "no operator"),
        (set_tree(ENUM), "imported"),
        (set_tree(DEFAULT), "imported"),
        (set_tree({"type": "os.X", "context": None, "children_spec": []}), "another library"),
    ],
)
def test_what_torch_would_run_from_a_program_is_named(torch_files, tmp_path, change, says):  # noqa: F811
    path = change_model(torch_files / "net.pt2", tmp_path / "a.pt2", change)
    assert any(says in finding for finding in read_torch(path).unsafe)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "place", ["data/sample_inputs/model.pt", "data/constants/opaque_obj_0", "data/weights/model.pt", "stray"]
)
@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_pickle_in_a_program_is_named(torch_files, tmp_path, place, protocol):  # noqa: F811
    marker = tmp_path / "marker"
    path = tmp_path / "a.pt2"
    with zipfile.ZipFile(torch_files / "net.pt2") as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            if not name.endswith(place):
                new.writestr(name, old.read(name))
        new.writestr(f"net/{place}", pickle.dumps(Payload(marker), protocol))
    assert read_torch(path).unsafe
    assert not marker.exists()


def test_a_raw_weight_that_a_table_calls_pickled(torch_files, tmp_path):  # noqa: F811
    def change(name, content):
        if name.endswith("_weights_config.json"):
            return content.replace(b'"use_pickle": false', b'"use_pickle": true')
        return pickle.dumps(Payload(tmp_path / "marker")) if name.endswith("weight_0") else content

    path = rewrite(torch_files / "net.pt2", tmp_path / "a.pt2", change)
    assert any("system" in finding for finding in read_torch(path).unsafe)


@pytest.mark.parametrize("name", ["state.pt", "module.pt"])
def test_a_pickle_that_would_write_a_file(torch_files, tmp_path, name):  # noqa: F811
    marker = tmp_path / "marker"

    def change(member, content):
        return pickle.dumps(Payload(marker), 2) if member.endswith("data.pkl") else content

    path = rewrite(torch_files / name, tmp_path / "a.pt", change)
    found = read_torch(path)
    assert found.kind is TorchKind.MODULE
    assert any("system" in finding for finding in found.unsafe)
    assert not marker.exists()


def test_torchscript_that_writes_a_file(torch_files, tmp_path):  # noqa: F811
    """The code that `torch.jit.load` takes and runs: found however it is spelled."""

    def change(name, content):
        if not name.endswith("script.py") and name.endswith(".py"):
            return content.replace(b"    return ", b'    t = torch\n    t.save(x, "marker")\n    return ', 1)
        return content

    found = read_torch(rewrite(torch_files / "script.pt", tmp_path / "a.pt", change))
    assert found.kind is TorchKind.TORCHSCRIPT
    assert found.unsafe == ("writes a file of its choice (torch.save)",)


@pytest.mark.parametrize(
    ("member", "says"),
    [
        ("../../escaped", "leaves the archive"),
        ("net/MODELS/MODEL.JSON", "same name"),
        ("b/data.pkl", "one folder"),
    ],
)
def test_archives_that_readers_would_read_differently(torch_files, tmp_path, member, says):  # noqa: F811
    path = rewrite(torch_files / "net.pt2", tmp_path / "a.pt2", lambda _, content: content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(member, "x")
    with pytest.raises(SourceDamagedError, match=says):
        read_torch(path)
    assert list(tmp_path.iterdir()) == [path]


def test_a_graph_of_gigabytes(tmp_path):
    path = tmp_path / "bomb.pt2"
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("m/models/model.json", "w", force_zip64=True) as file,
    ):
        for _ in range(300):
            file.write(bytes(1 << 20))
    with pytest.raises(SourceDamagedError, match="claims"):
        read_torch(path)


@pytest.mark.parametrize("name", ["net.pt2", "script.pt", "state.pt", "old.pt"])
def test_changed_files_raise_our_errors_only(torch_files, tmp_path, name):  # noqa: F811
    path = tmp_path / name
    refused = 0
    for data in mutations((torch_files / name).read_bytes(), 200):
        path.write_bytes(data)
        looks_like_torch(path)
        try:
            read_torch(path)
        except (SourceDamagedError, SourceUnsupportedError):
            refused += 1
    assert refused > 100
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("name", "part"), [("net.pt2", "/models/"), ("script.pt", "data.pkl"), ("state.pt", "data.pkl")]
)
def test_members_that_change_under_right_checksums(torch_files, tmp_path, name, part):  # noqa: F811
    """The archive is sound, so that the change reaches the readers inside."""
    with zipfile.ZipFile(torch_files / name) as archive:
        (member,) = [found for found in archive.namelist() if part in found]
        content = archive.read(member)
    for data in mutations(content, 200):
        path = rewrite(
            torch_files / name, tmp_path / name, lambda found, old, new=data: new if found == member else old
        )
        try:
            read_torch(path)
        except (SourceDamagedError, SourceUnsupportedError):
            continue
    assert list(tmp_path.iterdir()) == [tmp_path / name]


def test_json_of_other_types_at_every_place(torch_files, tmp_path):  # noqa: F811
    """Each value of the graph, one by one, replaced by values of other types."""
    with zipfile.ZipFile(torch_files / "static.pt2") as archive:
        (member,) = [name for name in archive.namelist() if "/models/" in name]
        text = archive.read(member)

    def places(value, path=()):
        yield path
        children = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, child in children:
            yield from places(child, (*path, key))

    every = [path for path in places(json.loads(text)) if path]
    for number, place in enumerate(every[:: max(1, len(every) // 250)]):
        document = json.loads(text)
        target = document
        for key in place[:-1]:
            target = target[key]
        target[place[-1]] = (None, [], {}, -1, "x", [[1]], {"as_int": True})[number % 7]
        path = change_model(torch_files / "static.pt2", tmp_path / "a.pt2", lambda _, new=document: new)
        try:
            read_torch(path)
        except (SourceDamagedError, SourceUnsupportedError):
            continue


def test_an_archive_in_an_archive_in_memory(torch_files, tmp_path):  # noqa: F811
    """A pickle of sample inputs that is itself an archive, with bytes before it that another reader skips."""
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps(1))
    content = inner.getvalue()

    def change(name, old):
        return content[:-2] + b"\x02\x00ab" if name.endswith("sample_inputs/model.pt") else old

    found = read_torch(rewrite(torch_files / "net.pt2", tmp_path / "a.pt2", change))
    assert any("archive in an archive" in finding for finding in found.unsafe)
