"""The processors that a container really has."""

import os

import pytest

from shipway.runtimes.cpu_quota import usable_processors

ALLOWED = len(os.sched_getaffinity(0))


def v2(folder, text):
    (folder / "cpu.max").write_text(text)
    return folder


def v1(folder, quota, period):
    (folder / "cpu").mkdir()
    (folder / "cpu" / "cpu.cfs_quota_us").write_text(quota)
    (folder / "cpu" / "cpu.cfs_period_us").write_text(period)
    return folder


@pytest.mark.parametrize("text", ["max 100000\n", "", "nonsense", "100000 0"])
def test_no_readable_limit_leaves_the_affinity(tmp_path, text):
    assert usable_processors(v2(tmp_path, text)) == ALLOWED


def test_a_quota_of_one_processor_is_kept(tmp_path):
    assert usable_processors(v2(tmp_path, "100000 100000\n")) == 1


def test_a_part_of_a_processor_counts_as_one(tmp_path):
    assert usable_processors(v2(tmp_path, "10000 100000\n")) == 1


def test_a_generous_quota_does_not_exceed_the_affinity(tmp_path):
    assert usable_processors(v2(tmp_path, "6400000 100000\n")) == ALLOWED


def test_cgroup_v1(tmp_path):
    assert usable_processors(v1(tmp_path, "50000\n", "100000\n")) == 1


def test_cgroup_v1_without_limit(tmp_path):
    assert usable_processors(v1(tmp_path, "-1\n", "100000\n")) == ALLOWED


def test_no_cgroup_at_all(tmp_path):
    assert usable_processors(tmp_path / "nothing") == ALLOWED
