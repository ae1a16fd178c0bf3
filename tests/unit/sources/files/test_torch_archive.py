"""torch's own files, as torch writes them today: which kind, what goes in and out, which weights."""

import io
import json
import pickle
import zipfile

import pytest

from saved_files import Payload, rewrite, torch_files  # noqa: F401
from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.torch_archive import TorchKind, kind_of_members, looks_like_torch, read_torch
from shipway.sources.files.torch_export_file import native_members
from shipway.sources.files.torch_export_text import is_guard, is_shape_expression
from shipway.sources.files.torch_pickle import foreign_names, is_harmless
from shipway.sources.files.torch_script_file import find_foreign_operators, find_reach
from shipway.sources.files.weights import Weight
from shipway.types import DType, TensorSpec


@pytest.mark.framework
def test_an_exported_program(torch_files):  # noqa: F811
    found = read_torch(torch_files / "net.pt2")
    assert found.kind is TorchKind.PROGRAM
    assert found.inputs == (
        TensorSpec("row", DType.FP32, ("batch", 4)),
        TensorSpec("tokens", DType.INT64, ("batch", "tokens_1")),
    )
    assert found.outputs == (
        TensorSpec("logits", DType.FP32, ("batch", 3)),
        TensorSpec("pooled", DType.FP32, ("batch", 3)),
    )
    assert found.ranges["tokens_1"] == (2, 64)
    assert Weight("words.weight", "F32", (10, 4)) in found.weights
    assert Weight("shift", "F32", (3,)) in found.weights
    assert found.torch_version.startswith("2.")
    assert (found.unsafe, found.foreign_operators, found.others) == ((), (), ())


@pytest.mark.framework
def test_a_program_with_fixed_sizes(torch_files):  # noqa: F811
    found = read_torch(torch_files / "static.pt2")
    assert found.inputs == (TensorSpec("x", DType.FP32, (2, 4)),)
    assert [spec.shape for spec in found.outputs] == [(2, 3)]
    assert found.unsafe == ()


@pytest.mark.framework
@pytest.mark.parametrize(("name", "arguments"), [("script.pt", ("x", "scale")), ("trace.pt", ("x",))])
def test_torchscript(torch_files, name, arguments):  # noqa: F811
    found = read_torch(torch_files / name)
    assert found.kind is TorchKind.TORCHSCRIPT
    assert found.argument_names == arguments
    assert found.class_name == "Half"
    assert (found.unsafe, found.foreign_operators) == ((), ())


@pytest.mark.framework
@pytest.mark.parametrize(("name", "is_old"), [("state.pt", False), ("old.pt", True)])
def test_a_state_dict(torch_files, name, is_old):  # noqa: F811
    found = read_torch(torch_files / name)
    assert (found.kind, found.is_old) == (TorchKind.STATE_DICT, is_old)
    assert found.unsafe == ()
    assert found.weights[:3] == (
        Weight("head.weight", "F32", (3, 4)),
        Weight("head.bias", "F32", (3,)),
        Weight("small.weight", "BF16", (2, 4)),
    )


@pytest.mark.framework
def test_a_checkpoint_and_a_module(torch_files):  # noqa: F811
    found = read_torch(torch_files / "checkpoint.pt")
    assert (found.kind, found.state_dicts, found.unsafe) == (TorchKind.CHECKPOINT, ("model",), ())
    found = read_torch(torch_files / "module.pt")
    assert found.kind is TorchKind.MODULE
    assert "imports torch.nn.modules.container.Sequential" in found.unsafe


@pytest.mark.framework
def test_kinds_by_the_names_alone(torch_files):  # noqa: F811
    kinds = {}
    for path in [*torch_files.glob("*.pt"), *torch_files.glob("*.pt2")]:
        assert looks_like_torch(path)
        if path.name != "old.pt":
            with zipfile.ZipFile(path) as archive:
                kinds[path.name] = kind_of_members(tuple(archive.namelist()))
    assert kinds["net.pt2"] == "pt2"
    assert kinds["trace.pt"] == "torchscript"
    assert kinds["module.pt"] == kinds["state.pt"] == "checkpoint"
    assert not looks_like_torch(torch_files / "half.safetensors")


@pytest.mark.framework
def test_what_no_request_can_carry(torch_files, tmp_path):  # noqa: F811
    def change(name, content):
        return (
            content.replace(b'"row": {"dtype": 7', b'"row": {"dtype": 13') if "models/" in name else content
        )

    path = rewrite(torch_files / "net.pt2", tmp_path / "a.pt2", change)
    with pytest.raises(SourceUnsupportedError, match="row is BF16"):
        read_torch(path)


@pytest.mark.framework
def test_two_programs_in_one_file(torch_files, tmp_path):  # noqa: F811
    path = rewrite(torch_files / "net.pt2", tmp_path / "a.pt2", lambda _, content: content)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("net/models/second.json", "{}")
    with pytest.raises(SourceUnsupportedError, match="holds 2 programs"):
        read_torch(path)


@pytest.mark.parametrize("name", ["m/data/aotinductor/model/a.wrapper.so", "m/data/aotinductor/model/a.cpp"])
def test_compiled_code_is_refused(tmp_path, name):
    path = tmp_path / "compiled.pt2"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("m/archive_format", "pt2")
        archive.writestr(name, b"\x7fELF")
    assert looks_like_torch(path)
    assert native_members((name,)) == (name,)
    with pytest.raises(SourceUnsupportedError, match="compiled code"):
        read_torch(path)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Symbol('s23', positive=True, integer=True)", True),
        ("Mul(Integer(4), Symbol('s27', positive=True, integer=True))", True),
        ("2*s0 + 1", True),
        ("FloorDiv(Add(s0, -1), 2)", True),
        ("__import__('os').system('x')", False),
        ("s0.__class__", False),
        ("[c for c in (1,)]", False),
        ("(lambda: 1)()", False),
        ("eval('1')", False),
        ("Symbol('a b')", False),
        ("Symbol('s0')('x')", False),
        ("f'{s0}'", False),
        ("(s0 := 1)", False),
        ("s0[0]", False),
        ("(" * 10_000, False),
        ("1+" * 20_000 + "1", False),
        ("", False),
    ],
)
def test_shape_expressions(text, plain):
    assert is_shape_expression(text) is plain


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("L['tokens'].size()[0] == L['row'].size()[0]", True),
        ("2 <= L['x'].size()[1] and L['x'].size()[1] <= 64", True),
        ("Eq(Mod(L['x'].size()[1], 4), 0)", True),
        ("L['x'].system('x')", False),
        ("L['x'].size.__globals__['os']", False),
        ("__import__('os').system('x')", False),
        ("open('x', 'w')", False),
        ("L['f']()", False),
        ("(lambda: 0)()", False),
    ],
)
def test_guards(text, plain):
    assert is_guard(text) is plain


@pytest.mark.parametrize(
    "code",
    [
        'torch.save(x, "f")', 'torch .  save(x, "f")', "torch.save( # c\n x)", "t = torch\n t.save(x)",
        '(torch. # c\n save)(x, "f")', 'ops.aten.save(x, "f")', 'getattr(torch, "sa" "ve")(x, "f")',
        'getattr(torch, "\\163ave")(x, "f")', 'torch.from_file("f", True, 10)', "ops.c10d.send(x)",
        "ops.symm_mem.nvshmem_put(x)", "__torch__.torch.classes.c10d.Store()", "prim.rpc_sync(x)",
    ],
)  # fmt: skip
def test_code_that_reaches_out(code):
    assert find_reach([f"def forward(self):\n    {code}\n"])


@pytest.mark.parametrize(
    "code",
    [
        "torch.linear(x, w, b)", '(getattr(self, "0")).forward(x, )', '(getattr(a.layer, "1-x")).forward(x, )',
        "ops.quantized.linear(x, w)", "__torch__.torch.classes.quantized.LinearPackedParamsBase",
        "ops.prim.NumToTensor(1)", "saved = 1", 'print("x")',
    ],
)  # fmt: skip
def test_code_that_only_computes(code):
    assert find_reach([code]) == ()
    assert find_foreign_operators([code]) == ()


def test_operators_of_another_library():
    assert find_foreign_operators(["x = ops.torchvision.nms(a, b, 0.5)"]) == ("torchvision::nms",)


@pytest.mark.parametrize(
    ("name", "harmless"),
    [
        ("torch._utils._rebuild_tensor_v2", True), ("torch.FloatStorage", True), ("torch.bfloat16", True),
        ("torch.load", False), ("torch.hub.load", False), ("torch.storage._load_from_bytes", False),
        ("torch.os.system", False), ("builtins.eval", False), ("builtins.getattr", False),
        ("torch.int8.x", False), ("torch.FloatStorage\n", False),
    ],
)  # fmt: skip
def test_names_that_build_tensors_only(name, harmless):
    assert is_harmless(name) is harmless


def test_a_second_pickle_is_not_overlooked(tmp_path):
    """The old form is five pickles, and its first, a number, can be spelled in other ways than torch's."""
    marker = pickle.dumps(Payload(tmp_path / "marker"))
    for first in (
        b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.",
        b"L119547037146038801333356L\n.",
    ):
        data = first + pickle.dumps(1001) + pickle.dumps({}) + marker + pickle.dumps([])
        assert foreign_names(data, where="x") != ()


def test_a_tar_archive_that_begins_like_a_pickle():
    import tarfile

    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", encoding="latin-1") as archive:
        archive.addfile(tarfile.TarInfo("\x80\x02N."))
    assert foreign_names(file.getvalue(), where="x") != ()


def test_damaged_json(tmp_path):
    for number, text in enumerate(["{}", "[]", json.dumps({"graph_module": []}), "{", '{"guards_code": 3}']):
        path = tmp_path / f"{number}.pt2"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("m/models/model.json", text)
        with pytest.raises(SourceDamagedError):
            read_torch(path)
