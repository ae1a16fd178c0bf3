"""What is found in a repository folder."""

import pytest

from served import bundles, models
from shipway.errors import UsageError
from shipway.server.models.repository import Policy
from shipway.server.models.scanning import scan


@pytest.fixture(scope="module")
def golden():
    return bundles.golden_of(models.mlp(), {"x": bundles.rows(8, 4)})


def put(folder, golden, name="tiny", version="1"):
    folder.mkdir(parents=True, exist_ok=True)
    return bundles.write_bundle(folder, models.mlp(), golden, name=name, version=version)


def test_bundles_are_found_two_folders_deep_and_known_by_their_own_names(tmp_path, golden):
    first = put(tmp_path, golden)
    put(tmp_path / "digits", golden, name="digits", version="2")
    put(tmp_path / "far" / "too" / "deep", golden, name="lost")
    put(tmp_path / ".half-written", golden, name="hidden")
    found = scan(tmp_path, "latest")
    assert {(entry.key, entry.bundle_id) for entry in found.entries if entry.name == "tiny"} == {
        (("tiny", "1"), first.id)
    }
    assert [entry.key for entry in found.entries] == [("digits", "2"), ("tiny", "1")]


def test_a_broken_bundle_is_told_and_the_others_are_found(tmp_path, golden):
    put(tmp_path, golden)
    broken = tmp_path / "broken.bundle"
    broken.mkdir()
    (broken / "bundle.json").write_text("{")
    found = scan(tmp_path, "latest")
    assert [entry.name for entry in found.entries] == ["tiny"]
    assert "is not JSON" in found.problems[broken]


def test_one_version_twice_is_an_error(tmp_path, golden):
    put(tmp_path / "a", golden)
    put(tmp_path / "b", golden)
    with pytest.raises(UsageError, match="Two bundles hold 'tiny' version '1'"):
        scan(tmp_path, "latest")


def test_policies_stand_in_models_toml(tmp_path, golden):
    put(tmp_path, golden)
    (tmp_path / "models.toml").write_text('[tiny]\nversions = "all"\nlabels = { stable = "1" }\n')
    assert scan(tmp_path, "latest").policies == {"tiny": Policy("all", {"stable": "1"})}


@pytest.mark.parametrize("text", ["[tiny", "tiny = 3\n", '[tiny]\nversions = "some"\n'])
def test_a_wrong_models_toml_is_an_error(tmp_path, text):
    (tmp_path / "models.toml").write_text(text)
    with pytest.raises(UsageError, match=r"models\.toml"):
        scan(tmp_path, "latest")
