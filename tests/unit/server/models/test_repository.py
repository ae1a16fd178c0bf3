"""Which versions are served, and what gives way."""

from pathlib import Path

import pytest

from shipway.errors import UsageError
from shipway.server.models.repository import Entry, EntryState, Policy, choose_evictions, version_order


@pytest.mark.parametrize(
    ("policy", "chosen"),
    [
        (Policy(), ["10"]),
        (Policy("all"), ["2", "9", "10"]),
        (Policy(("9", "7")), ["9"]),
        (Policy("latest", {"stable": "2"}), ["2", "10"]),  # a label that leads nowhere would be a trap
        (Policy("latest", {"stable": "7"}), ["10"]),
    ],
)
def test_a_policy_chooses_versions_oldest_first(policy, chosen):
    assert policy.choose(["9", "10", "2"]) == chosen


def test_no_versions_choose_none():
    assert Policy().choose([]) == []


def test_ten_follows_nine_and_text_follows_numbers():
    assert sorted(["1.10", "1.9", "a", "2"], key=version_order) == ["1.9", "1.10", "2", "a"]


@pytest.mark.parametrize(
    "table",
    [
        {"versions": "newest"},
        {"versions": [1, 2]},
        {"version": "all"},
        {"labels": ["stable"]},
        {"labels": {"stable": 1}},
    ],
)
def test_a_wrong_table_says_what_is_expected(table):
    with pytest.raises(UsageError, match=r"models\.toml, \[digits\]: expected"):
        Policy.from_table("digits", table, "latest")


def test_a_right_table():
    assert Policy.from_table("m", {"labels": {"stable": "1"}}, "all") == Policy("all", {"stable": "1"})
    assert Policy.from_table("m", {"versions": ["1", "2"]}, "all").versions == ("1", "2")


def entry(name, size, used, state=EntryState.READY):
    return Entry(name, "1", Path(name), state=state, size_bytes=size, last_used=used)


def test_the_least_recently_used_give_way_and_no_more_than_needed():
    """triton#3583, #4188: asked for since 2021."""
    entries = [entry("a", 40, 3), entry("b", 30, 1), entry("c", 20, 2), entry("d", 90, 0, EntryState.ASLEEP)]
    found = choose_evictions(entries, needed_bytes=50, limit_bytes=100, keep=("e", "1"))
    assert [one.name for one in found] == ["b", "c"]
    assert choose_evictions(entries, needed_bytes=10, limit_bytes=100, keep=("e", "1")) == []


def test_what_never_fits_evicts_nothing():
    assert choose_evictions([entry("a", 40, 3)], needed_bytes=101, limit_bytes=100, keep=("b", "1")) is None


def test_the_old_one_of_the_coming_version_does_not_count():
    entries = [entry("a", 80, 3), entry("b", 10, 1)]
    assert choose_evictions(entries, needed_bytes=80, limit_bytes=100, keep=("a", "1")) == []
