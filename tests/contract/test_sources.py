"""What every source format promises, over each that is registered; `format_examples.py` has a model of each."""

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from format_examples import EXAMPLES
from shipway import registry
from shipway.errors import ShipwayError, SourceError, UsageError
from shipway.sources.detect import factory_of, open_source

ONLY_LOOKED_AT = {"weights"}
"""Tables of weights, which are no model: described, and never asked."""


@pytest.fixture(scope="module", params=EXAMPLES)
def format_(request):
    return request.param


@pytest.fixture(scope="module")
def example(format_):
    return EXAMPLES[format_]


@pytest.fixture(scope="module")
def path(example, request):
    return example.path(request)


@pytest.fixture
def scratch(tmp_path):
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


@pytest.fixture
def source(example, path, scratch):
    source = example.open(path, scratch=scratch)
    yield source
    source.close()
    assert list(scratch.iterdir()) == []


def silent(text: str) -> None:
    assert text


def copied(path: Path, target: Path) -> Path:
    """The model under another name; what lies beside it comes along."""
    if path.is_dir():
        return Path(shutil.copytree(path, target))
    if path.with_suffix(".bin").exists():
        shutil.copy(path.with_suffix(".bin"), target.with_suffix(".bin"))
    return Path(shutil.copy(path, target))


def test_every_registered_format_has_an_example():
    assert set(EXAMPLES) | ONLY_LOOKED_AT == set(registry.names("sources"))


def test_content_is_recognized_by_one_format_only(format_, path, tmp_path):
    if factory_of(path) is None:  # a factory is told by the path itself
        path = copied(path, tmp_path / "model.of-no-known-extension")
    recognized = [
        name for name in registry.names("sources") if registry.load("sources", name).recognizes(path)
    ]
    assert recognized == [format_]
    for number, stranger in enumerate(
        (b"", b"hello, this is text\n", bytes(4096), b"PK\x03\x04" + bytes(100))
    ):
        strange = tmp_path / f"stranger-{number}"
        strange.write_bytes(stranger)
        assert not registry.load("sources", format_).recognizes(strange)


def test_description(format_, example, path, source):
    told = source.describe()
    assert source.format == format_
    assert told.format == (example.tells or format_)
    assert told.size_bytes > 0
    assert len(told.sha256) == 64
    assert told.inputs is None or [spec.name for spec in told.inputs] == list(example.rows(2))
    for spec in told.inputs or ():
        given = example.rows(2)[spec.name]
        assert spec.shape[0] == "batch"
        assert spec.explain_mismatch(given.dtype, given.shape) is None


def test_there_is_a_way_to_what_is_served(format_, source):
    if format_ == "openvino":  # written, looked at and asked; nothing leads on from it
        with pytest.raises(UsageError, match="no way from openvino to onnx"):
            source.ways("onnx")
        return
    ways = source.ways("onnx")
    assert len({way.name for way in ways}) == len(ways) > 0


def test_a_cut_off_file_is_a_source_error(format_, path, tmp_path):
    if factory_of(path) is not None:
        pytest.skip("a factory is code of the user's own, and no saved file")
    made = copied(path, tmp_path / path.name)
    file = made / "saved_model.pb" if made.is_dir() else made
    whole = file.read_bytes()
    end = len(whole) // 2 if format_ == "lightgbm" else len(whole) - 10  # its last lines are remarks
    for kept in (len(whole) // 2, end):
        file.write_bytes(whole[:kept])
        with pytest.raises(SourceError) as caught:
            open_source(made).describe()
        assert str(made) in caught.value.message


@pytest.mark.framework
def test_reference_and_signature_agree(example, source):
    cases = {"one": example.rows(1), "many": example.rows(17)}
    found = source.reference(cases, silent)
    assert found.signature == source.learn_signature(silent)
    assert found.signature.batch_axis == "batch"
    assert set(found.outputs) == set(cases)
    for case, inputs in cases.items():
        rows = len(next(iter(inputs.values())))
        for spec in found.signature.outputs:
            array = found.outputs[case][spec.name]
            assert array.shape[0] == rows
            assert spec.explain_mismatch(array.dtype, array.shape) is None
    again = {**found.precise, **found.repeated}
    assert again, "without float64 or a second run there is no noise floor"
    for kind in (found.precise, found.repeated):
        for case, outputs in kind.items():
            for name, array in outputs.items():
                expected = found.outputs[case][name][: len(array)]
                if expected.dtype.kind == "f":
                    np.testing.assert_allclose(array, expected, rtol=1e-4, atol=1e-5)
    for outputs in found.precise.values():
        floats = {array.dtype for array in outputs.values() if array.dtype.kind == "f"}
        assert floats == {np.dtype(np.float64)}
    assert found.versions


@pytest.mark.framework
def test_inputs_that_do_not_fit_are_an_error_of_ours(source):
    with pytest.raises(ShipwayError):
        source.reference({"bad": {"no such input": np.zeros((2, 2), np.float32)}}, silent)


@pytest.mark.framework
def test_a_table_of_weights_is_described_and_never_asked(torch_models):
    with closing(open_source(torch_models / "digits.safetensors")) as source:
        assert source.describe().details["parameters"] > 1000
        with pytest.raises(SourceError, match="weights") as caught:
            source.reference({"any": {}}, silent)
    assert "--weights" in caught.value.hint


def test_closing_twice_is_fine(source):
    source.close()
    source.close()
