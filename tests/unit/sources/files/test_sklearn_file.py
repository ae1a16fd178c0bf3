"""scikit-learn's files: what they are, what they learned, and what would have to be trusted."""

import pickle
import zlib

import pytest

from saved_files import table_files  # noqa: F401
from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.sklearn_file import SklearnKind, looks_like_pickle, looks_like_skops, read_sklearn
from shipway.sources.files.sklearn_names import find_foreign, is_own


@pytest.mark.framework
def test_a_skops_pipeline(table_files):  # noqa: F811
    path = table_files / "pipeline.skops"
    assert looks_like_skops(path)
    assert not looks_like_pickle(path)
    found = read_sklearn(path)
    assert (found.kind, found.estimator) == (SklearnKind.SKOPS, "sklearn.pipeline.Pipeline")
    assert (found.features, found.feature_names, found.classes) == (2, ("age", "city"), ("no", "yes"))
    assert found.sklearn_version
    assert found.foreign == ()


@pytest.mark.framework
def test_a_function_of_another_library_is_named(table_files):  # noqa: F811
    found = read_sklearn(table_files / "own.skops")
    assert any("pandas" in name for name in found.foreign)


@pytest.mark.framework
@pytest.mark.parametrize("kind", ["", "-zlib", "-gzip", "-bz2", "-xz", "-lzma"])
def test_joblib_with_and_without_compression(table_files, kind):  # noqa: F811
    path = table_files / f"forest{kind}.joblib"
    assert looks_like_pickle(path)
    found = read_sklearn(path)
    assert (found.kind, found.compression) == (SklearnKind.JOBLIB, kind[1:])
    assert found.estimator == "sklearn.ensemble._forest.RandomForestClassifier"
    assert "sklearn.tree._tree.Tree" in found.names
    assert (found.is_sklearn, found.features, found.foreign) == (True, 3, ())


@pytest.mark.framework
@pytest.mark.parametrize(("name", "kind"), [("pipeline.pkl", "pickle"), ("pipeline.joblib", "joblib")])
def test_a_pickled_pipeline(table_files, name, kind):  # noqa: F811
    found = read_sklearn(table_files / name)
    assert (found.kind, found.estimator) == (kind, "sklearn.pipeline.Pipeline")
    assert (found.features, found.foreign, found.is_sklearn) == (2, (), True)


def test_a_pickle_of_something_else(tmp_path):
    path = tmp_path / "a.pkl"
    path.write_bytes(pickle.dumps({"a": 1}))
    found = read_sklearn(path)
    assert (found.is_sklearn, found.estimator, found.names) == (False, "", ())


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("sklearn.svm._classes.SVC", True), ("numpy.ndarray", True), ("numpy._core.multiarray.scalar", True),
        ("builtins.slice", True), ("scipy.sparse._csr.csr_matrix", True), ("numpy.log1p", True),
        ("builtins.eval", False), ("builtins.getattr", False), ("os.system", False), ("numpy.load", False),
        ("numpy.testing._private.utils.runstring", False), ("sklearn.externals.os.system", False),
        ("joblib.load", False), ("__main__.Own", False), ("sklearn.utils._testing.subprocess", False),
        ("builtins.list\n", False),
    ],
)  # fmt: skip
def test_names(name, own):
    assert is_own(name) is own
    assert find_foreign([name, name]) == (() if own else (name,))


def test_lz4_says_what_to_do(tmp_path):
    path = tmp_path / "a.joblib"
    path.write_bytes(b"\x04\x22\x4d\x18" + bytes(40))
    assert looks_like_pickle(path)
    with pytest.raises(SourceUnsupportedError, match="lz4") as caught:
        read_sklearn(path)
    assert "skops" in caught.value.hint


def test_compressed_data_without_an_end(tmp_path):
    path = tmp_path / "a.joblib"
    path.write_bytes(zlib.compress(pickle.dumps(list(range(9000))))[:-20])
    with pytest.raises(SourceDamagedError, match="cut off"):
        read_sklearn(path)
