"""Folders that resist removal: deeper than the stack, longer than a path, locked, linked to elsewhere."""

import os

from shipway.sources.workers.removal import remove_tree


def test_nested_deeper_than_python_recurses_and_a_path_may_be_long(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    descriptor = os.open(root, os.O_RDONLY)
    name = "d" * 50
    for depth in range(3000):
        os.mkdir(name, dir_fd=descriptor)
        below = os.open(name, os.O_RDONLY, dir_fd=descriptor)
        if depth % 1000 == 0:
            os.close(os.open("file", os.O_CREAT | os.O_WRONLY, dir_fd=descriptor))
        os.close(descriptor)
        descriptor = below
    os.close(descriptor)
    remove_tree(root)
    assert list(tmp_path.iterdir()) == []


def test_locked_folders(tmp_path):
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").write_text("x")
    for folder in (root / "a" / "b", root / "a", root):
        folder.chmod(0)
    remove_tree(root)
    assert list(tmp_path.iterdir()) == []


def test_links_are_removed_and_not_followed(tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "file").write_text("x")
    root = tmp_path / "root"
    root.mkdir()
    (root / "to-folder").symlink_to(kept)
    (root / "to-file").symlink_to(kept / "file")
    remove_tree(root)
    assert not root.exists()
    assert (kept / "file").read_text() == "x"


def test_what_is_not_there_or_is_a_link_is_no_error(tmp_path):
    remove_tree(tmp_path / "nothing")
    kept = tmp_path / "kept"
    kept.mkdir()
    (tmp_path / "link").symlink_to(kept)
    remove_tree(tmp_path / "link")
    assert kept.is_dir()
