"""Captured requests: which, in what files, what is never in them, and how much stays."""

import json
import time

import numpy as np
import pytest

from shipway.errors import OverloadedError, PermissionDeniedError
from shipway.evaluation.data.dataset import load_dataset
from shipway.server.observation.capture import Capture
from shipway.server.settings import ServerSettings
from shipway.types import DType, TensorSpec


def capture(folder, **changes):
    settings = {"capture_share": 1.0, **changes}
    return Capture(ServerSettings(capture_folder=str(folder), **settings))


def ask(captured, value, *, rows=2, model="m", has_rows=True, outcome=None, name=True, headers=None):
    """One request through it, as a server asks: followed, answered, named while it is answered."""
    inputs = {"x": np.full((rows, 3), value, np.float32)}
    outcome = outcome or {"y": np.full((rows, 1), value * 2, np.float32)}

    def done(_outcome):
        if name:
            captured.name_current(b"id-%d" % value, headers or {})

    captured.follow(model, "1", inputs, done, has_rows=has_rows)(outcome)


def files(folder, suffix):
    return sorted(folder.glob(f"*{suffix}"))


def lines(folder):
    return [json.loads(line) for file in files(folder, ".jsonl") for line in file.read_text().splitlines()]


def test_requests_of_one_model_are_rows_of_one_file(tmp_path):
    captured = capture(tmp_path)
    for value in (1, 2, 3):
        ask(captured, value, rows=value)
    captured.close()
    arrays = [np.load(file) for file in files(tmp_path, ".npz")]
    x = np.concatenate([part["x"] for part in arrays])
    y = np.concatenate([part["answered:y"] for part in arrays])
    np.testing.assert_array_equal(x[:, 0], [1, 2, 2, 3, 3, 3])
    np.testing.assert_array_equal(y[:, 0], x[:, 0] * 2)
    assert [line["request_id"] for line in lines(tmp_path)] == ["id-1", "id-2", "id-3"]
    assert sum(end - start for start, end in (line["rows"] for line in lines(tmp_path))) == 6


def test_the_rows_of_a_line_are_that_requests(tmp_path):
    captured = capture(tmp_path)
    for value in (1, 2, 3):
        ask(captured, value, rows=value)
    captured.close()
    for file in files(tmp_path, ".npz"):
        x = np.load(file)["x"]
        for line in map(json.loads, file.with_suffix(".jsonl").read_text().splitlines()):
            start, end = line["rows"]
            assert set(x[start:end, 0]) == {float(line["request_id"].removeprefix("id-"))}


@pytest.mark.parametrize(("has_rows", "shape", "rows"), [(True, ("batch", 3), 4), (False, (4, 3), 1)])
def test_a_file_is_data_that_shipway_reads(tmp_path, has_rows, shape, rows):
    captured = capture(tmp_path)
    ask(captured, 1, rows=4, has_rows=has_rows)
    captured.close()
    (file,) = files(tmp_path, ".npz")
    with load_dataset(file, (TensorSpec("x", DType.FP32, shape),), has_rows=has_rows) as data:
        assert data.rows == rows


def test_shapes_and_models_that_do_not_join_have_files_of_their_own(tmp_path):
    captured = capture(tmp_path)
    ask(captured, 1)
    ask(captured, 2, model="other/../../x")
    ask(captured, 3, outcome={"y": np.zeros((2, 7))})
    captured.close()
    assert len(files(tmp_path, ".npz")) == 3
    assert all(file.parent == tmp_path for file in tmp_path.rglob("*"))


def test_requests_of_a_model_without_rows_lie_along_an_axis_of_their_own(tmp_path):
    captured = capture(tmp_path)
    for value in (1, 2):
        ask(captured, value, has_rows=False)
    captured.close()
    x = np.concatenate([np.load(file)["x"] for file in files(tmp_path, ".npz")])
    assert (x.shape, x[:, 0, 0].tolist()) == ((2, 2, 3), [1.0, 2.0])


def test_texts_need_no_pickle(tmp_path):
    captured = capture(tmp_path)
    inputs = {"words": np.array([["a"], ["bcd"]], dtype=object)}
    captured.follow("m", "1", inputs, lambda _: None, has_rows=True)({"y": np.zeros((2, 1))})
    captured.close()
    (file,) = files(tmp_path, ".npz")
    assert np.load(file, allow_pickle=False)["words"].tolist() == [["a"], ["bcd"]]


def test_a_refused_request_keeps_its_inputs_and_its_error(tmp_path):
    captured = capture(tmp_path)
    ask(captured, 1, outcome=OverloadedError("full"))
    captured.close()
    (file,) = files(tmp_path, ".npz")
    assert set(np.load(file)) == {"x"}
    assert [line["error"] for line in lines(tmp_path)] == ["request.overloaded"]


def test_what_is_redacted_is_nowhere(tmp_path):
    captured = capture(tmp_path, capture_redact="x, y")
    ask(captured, 7)
    captured.close()
    assert files(tmp_path, ".npz") == []
    assert lines(tmp_path)[0]["redacted"] == ["x", "y"]


def test_headers_are_left_out_unless_named_and_keys_even_then(tmp_path):
    headers = {b"user-agent": b"curl", b"x-tenant": b"acme", b"authorization": b"Bearer secret"}
    captured = capture(tmp_path, capture_headers="X-Tenant, Authorization")
    ask(captured, 1, headers=headers)
    captured.close()
    assert lines(tmp_path)[0]["headers"] == {"x-tenant": "acme"}
    assert not any(b"secret" in file.read_bytes() for file in tmp_path.iterdir())


def test_only_a_share_is_kept(tmp_path):
    captured = capture(tmp_path, capture_share=0.25)
    done = []
    chosen = sum(
        captured.follow("m", "1", {}, done.append, has_rows=True) != done.append for _ in range(2000)
    )
    assert 350 < chosen < 650  # eight standard deviations


def test_the_oldest_make_room(tmp_path):
    foreign = tmp_path / "notes.npz"
    foreign.write_bytes(b"x" * 5000)
    captured = capture(tmp_path, capture_max_bytes=3000)
    for value in range(1, 31):
        ask(captured, value, has_rows=False)
        if value % 10 == 0:
            time.sleep(0.15)  # let the thread write: younger files have later times
    captured.close()
    kept = [file for file in tmp_path.iterdir() if file != foreign]
    assert 0 < sum(file.stat().st_size for file in kept) <= 3000
    assert foreign.exists()
    assert "id-30" in {line["request_id"] for line in lines(tmp_path)}


def test_answers_are_copies(tmp_path):
    """A row of a batch must not keep the whole batch in memory, nor change when its buffer is used again."""
    captured = capture(tmp_path)
    batch = np.zeros((1000, 1), np.float32)
    captured.follow("m", "1", {"x": np.zeros((1, 3))}, lambda _: None, has_rows=True)({"y": batch[5:6]})
    batch[:] = 9
    captured.close()
    (file,) = files(tmp_path, ".npz")
    assert np.load(file)["answered:y"].tolist() == [[0.0]]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(PermissionDeniedError, match="capture_folder"):
        capture(tmp_path / "file" / "folder")
