"""Keys files: what they may hold, who may read them, and that no key comes out of them again."""

import hashlib
import logging
import tomllib

import pytest

from shipway.errors import UsageError
from shipway.server.access.keys import make_key, reach_of, read_keys
from shipway.server.access.scopes import Scope

DIGEST = hashlib.sha256(b"a key of sixteen").hexdigest()
ENTRY = f'[[keys]]\nname = "a"\nsha256 = "{DIGEST}"\nscopes = ["infer"]\n'


def written(folder, text, mode=0o600):
    path = folder / "keys.toml"
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)
    return path


def test_digests_and_keys_reach_what_their_scopes_say(tmp_path):
    more = '[[keys]]\nname = "b"\nkey = "another key, longer"\nscopes = ["infer", "admin"]\n'
    keys = read_keys(written(tmp_path, ENTRY + more))
    assert reach_of(keys, b"a key of sixteen") is Scope.INFER
    assert reach_of(keys, b"another key, longer") is Scope.ADMIN
    assert reach_of(keys, b"a key of sixteem") is Scope.OPEN
    assert reach_of(keys, b"") is Scope.OPEN
    assert "another key" not in repr(keys)


def test_every_entry_is_compared_whichever_matches(tmp_path, monkeypatch):
    """How long it takes must not tell how far the right key stands in the file."""
    import hmac

    text = "".join(
        f'[[keys]]\nname = "{number}"\nkey = "the key with number {number}"\nscopes = ["infer"]\n'
        for number in range(5)
    )
    keys = read_keys(written(tmp_path, text))
    compared = []
    honest = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda *pair: compared.append(1) or honest(*pair))
    for number in (0, 4, 9):
        compared.clear()
        reach_of(keys, b"the key with number %d" % number)
        assert len(compared) == 5


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_keys_that_others_may_read_are_refused(tmp_path, mode):
    path = written(tmp_path, '[[keys]]\nname = "a"\nkey = "0123456789abcdef"\nscopes = ["infer"]\n', mode)
    with pytest.raises(UsageError, match="other users may read"):
        read_keys(path)
    assert read_keys(written(tmp_path, ENTRY, mode))  # a digest may be seen


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no \\[\\[keys\\]\\]"),
        ("keys = 3", "no \\[\\[keys\\]\\]"),
        ("keys = [3]", "no \\[\\[keys\\]\\]"),
        ("[[keys", "not TOML"),
        (ENTRY.replace('name = "a"\n', ""), "has no name"),
        (ENTRY.replace("infer", "root"), "scopes from infer, admin"),
        (ENTRY.replace('["infer"]', "[]"), "scopes"),
        (ENTRY.replace('scopes = ["infer"]', ""), "scopes"),
        (ENTRY.replace(DIGEST, DIGEST[:-1]), "64 hexadecimal"),
        (ENTRY.replace(DIGEST, "g" * 64), "64 hexadecimal"),
        (ENTRY + 'key = "0123456789abcdef"\n', "one of sha256 and key"),
        (ENTRY.replace("sha256", "sha1"), "unknown field 'sha1'"),
        (ENTRY + ENTRY, "share a name"),
        ('[[keys]]\nname = "a"\nkey = "short"\nscopes = ["infer"]\n', "16 or more"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, words):
    with pytest.raises(UsageError, match=words):
        read_keys(written(tmp_path, text))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"nowhere\.toml cannot be read"):
        read_keys(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    "text",
    [
        "secret-of-the-house\n",
        '[[keys]]\nname = "a"\nkey = "secret-of-the-house\n',
        '[[keys]]\nname = "a"\nkey = "secret-of-the-house"\n',
        '[[keys]]\nname = "a"\nkey = "secret-of-the-houseö"\nscopes = ["infer"]\n',
        '[[keys]]\nname = "a"\nsha256 = "secret-of-the-house"\nscopes = ["infer"]\n',
    ],
)
def test_no_error_holds_a_key(tmp_path, text, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(UsageError) as caught:
        read_keys(written(tmp_path, text))
    told = str(caught.value) + repr(caught.value.__cause__) + caplog.text
    assert "secret-of-the-house" not in told


def test_a_new_key_is_random_and_its_entry_knows_it(tmp_path):
    (first, entry), (second, _) = make_key('team "a"'), make_key("b")
    assert first != second
    assert first not in entry
    assert tomllib.loads(entry)["keys"][0]["name"] == 'team "a"'
    assert reach_of(read_keys(written(tmp_path, entry)), first.encode()) is Scope.INFER
