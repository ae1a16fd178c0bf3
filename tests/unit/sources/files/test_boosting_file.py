"""Boosted forests as their libraries write them, read without the libraries."""

import json

import pytest

from saved_files import table_files  # noqa: F401
from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.boosting_file import looks_like_lightgbm, looks_like_xgboost, read_boosting
from shipway.sources.files.ubjson import TypedArray, UbjsonReader


@pytest.mark.framework
@pytest.mark.parametrize("ending", ["json", "ubj"])
def test_xgboost(table_files, ending):  # noqa: F811
    found = read_boosting(table_files / f"classes.{ending}")
    assert (found.library, found.booster, found.objective) == ("xgboost", "gbtree", "multi:softprob")
    assert (found.features, found.classes, found.trees, found.has_categories) == (3, 3, 9, False)
    found = read_boosting(table_files / f"categories.{ending}")
    assert (found.feature_names, found.feature_types) == (tuple("abcd"), ("float", "float", "float", "c"))
    assert (found.classes, found.trees, found.has_categories) == (1, 2, True)
    assert read_boosting(table_files / f"linear.{ending}").trees == 0
    dart = read_boosting(table_files / f"dart.{ending}")
    assert (dart.booster, dart.trees) == ("dart", 2)


@pytest.mark.framework
def test_lightgbm(table_files):  # noqa: F811
    found = read_boosting(table_files / "classes.txt")
    assert (found.library, found.version, found.objective) == ("lightgbm", "v4", "multiclass")
    assert (found.features, found.classes, found.trees, found.has_categories) == (3, 3, 9, False)
    found = read_boosting(table_files / "categories.txt")
    assert found.feature_names == tuple("abcd")
    assert found.feature_types == ("float", "float", "float", "c")
    assert found.has_categories


@pytest.mark.framework
def test_they_are_told_apart(table_files):  # noqa: F811
    for path in table_files.iterdir():
        assert looks_like_xgboost(path) is (path.suffix in (".json", ".ubj")), path
        assert looks_like_lightgbm(path) is (path.suffix == ".txt"), path


@pytest.mark.framework
@pytest.mark.parametrize("name", ["classes.json", "classes.ubj", "classes.txt"])
@pytest.mark.parametrize("kept", [0.05, 0.5, 0.9])
def test_cut_off(table_files, tmp_path, name, kept):  # noqa: F811
    data = (table_files / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(
        data[: int(len(data) * kept)]
        if kept < 0.9
        else data[: data.rindex(b"end of trees") if name.endswith("txt") else -3]
    )
    assert looks_like_xgboost(path) or looks_like_lightgbm(path)
    with pytest.raises(SourceDamagedError):
        read_boosting(path)


@pytest.mark.framework
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"num_feature":"3"', b'"num_feature":"99999999999"'),
        (b'"num_feature":"3"', b'"num_feature":3'),
        (b'"num_trees":"9"', b'"num_trees":"8"'),
        (b'"feature_names":[]', b'"feature_names":["a"]'),
        (b'"feature_names":[]', b'"feature_names":[1,2,3]'),
        (b'"version"', b'"feature"'),
    ],
)
def test_what_contradicts_itself(table_files, tmp_path, old, new):  # noqa: F811
    data = json.dumps(json.loads((table_files / "classes.json").read_bytes()), separators=(",", ":")).encode()
    assert old in data
    path = tmp_path / "a.json"
    path.write_bytes(data.replace(old, new))
    if old == b'"version"':
        assert read_boosting(path).version == ""
        return
    with pytest.raises(SourceDamagedError):
        read_boosting(path)


def test_an_array_of_typed_numbers_is_stepped_over():
    found = UbjsonReader(b"{i\x01a[$d#i\x02" + bytes(8) + b"i\x01b[TFZSi\x01xI\x01\x00]}").read()
    assert isinstance(found["a"], TypedArray)
    assert found["a"].count == 2
    assert found["b"] == [True, False, None, "x", 256]


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"{i\x01a", b"[$d#L\x7f" + b"\xff" * 7, b"[$Z#L\x7f" + b"\xff" * 7, b"Si\xffx", b"[" * 5000,
        b"SL\x7f" + b"\xff" * 7, b"{Z}", b"\xff", b"[#L\x7f" + b"\xff" * 7, b"Sd\x00\x00\x00\x00",
    ],
)  # fmt: skip
def test_damaged_ubjson(data):
    with pytest.raises(ValueError):
        UbjsonReader(data).read()


def test_too_much_json(tmp_path, monkeypatch):
    monkeypatch.setattr("shipway.sources.files.boosting_file._JSON_BYTES", 10)
    path = tmp_path / "a.json"
    path.write_text('{"learner": {}, "version": []}')
    with pytest.raises(SourceUnsupportedError, match="at most 10"):
        read_boosting(path)
