"""Changed forests: whatever the bytes, the answer is an outline or one of our errors, and soon."""

import json

import pytest

from saved_files import mutations, table_files  # noqa: F401
from shipway.errors import SourceDamagedError, SourceUnsupportedError
from shipway.sources.files.boosting_file import looks_like_lightgbm, looks_like_xgboost, read_boosting

pytestmark = pytest.mark.framework


@pytest.mark.parametrize("name", ["classes.json", "classes.ubj", "dart.ubj", "classes.txt", "categories.txt"])
def test_changed_files_raise_our_errors_only(table_files, tmp_path, name):  # noqa: F811
    data = (table_files / name).read_bytes()
    path = tmp_path / name
    for changed in [*mutations(data, 200), *(part + data[600:] for part in mutations(data[:600], 200))]:
        path.write_bytes(changed)
        looks_like_xgboost(path)
        looks_like_lightgbm(path)
        try:
            read_boosting(path)
        except (SourceDamagedError, SourceUnsupportedError):
            continue


@pytest.mark.parametrize(
    "text",
    [
        "{" * 100_000, '{"learner": ' + "[" * 200_000, '{"learner": 3}', '{"learner": {}}', '["learner"]',
        '{"learner": {"learner_model_param": {"num_feature": "9"}, "gradient_booster": []}}',
        "tree\nversion=v4\n", "tree\nversion=v4\nmax_feature_idx=" + "9" * 5000 + "\n\n",
        "tree\nversion=" + "v" * 99,
        "tree\nversion=v4\n" + "a=b\n" * 1000,
    ],
)  # fmt: skip
def test_heads_without_a_model(tmp_path, text):
    path = tmp_path / "a"
    path.write_text(text)
    with pytest.raises(SourceDamagedError):
        read_boosting(path)


def test_a_forest_that_claims_more_trees_than_it_has(table_files, tmp_path):  # noqa: F811
    document = json.loads((table_files / "classes.json").read_bytes())
    document["learner"]["gradient_booster"]["model"]["gbtree_model_param"]["num_trees"] = "999999999"
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document))
    with pytest.raises(SourceDamagedError):
        read_boosting(path)
