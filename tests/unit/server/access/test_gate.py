"""Who may ask: by the headers of a request."""

import pytest

from shipway.errors import ForbiddenError, UnauthorizedError, UsageError
from shipway.server.access.gate import Gate
from shipway.server.access.scopes import Scope

INFER_KEY, ADMIN_KEY = "a key for requests", "a key for the operator"
TEXT = (
    f'[[keys]]\nname = "a"\nkey = "{INFER_KEY}"\nscopes = ["infer"]\n'
    f'[[keys]]\nname = "b"\nkey = "{ADMIN_KEY}"\nscopes = ["admin"]\n'
)


@pytest.fixture
def path(tmp_path):
    made = tmp_path / "keys.toml"
    made.touch(mode=0o600)
    made.write_text(TEXT)
    return made


@pytest.mark.parametrize(
    ("headers", "reach"),
    [
        ({}, Scope.OPEN),
        ({b"authorization": b"Bearer " + INFER_KEY.encode()}, Scope.INFER),
        ({b"authorization": b"bearer   " + ADMIN_KEY.encode() + b" "}, Scope.ADMIN),
        ({b"x-api-key": INFER_KEY.encode()}, Scope.INFER),
        ({b"authorization": b"Basic Zm9v", b"x-api-key": ADMIN_KEY.encode()}, Scope.ADMIN),
        ({b"authorization": b"Bearer wrong", b"x-api-key": ADMIN_KEY.encode()}, Scope.OPEN),
        ({b"authorization": b"Bearer"}, Scope.OPEN),
        ({b"authorization": INFER_KEY.encode()}, Scope.OPEN),
        ({b"x-api-key": b"\xff\x00"}, Scope.OPEN),
    ],
)
def test_a_key_is_read_from_either_header(path, headers, reach):
    assert Gate(path).reach_of(headers) is reach


def test_refusals_say_what_is_missing_and_never_the_key(path):
    gate = Gate(path)
    none = gate.refusal({}, Scope.INFER)
    assert isinstance(none, UnauthorizedError)
    assert "scope infer" in none.message
    unknown = gate.refusal({b"x-api-key": b"guess-guess-guess"}, Scope.INFER)
    assert isinstance(unknown, UnauthorizedError)
    assert "guess" not in str(unknown)
    short = gate.refusal({b"x-api-key": INFER_KEY.encode()}, Scope.ADMIN)
    assert isinstance(short, ForbiddenError)
    assert "admin" in short.message
    assert INFER_KEY not in str(short)


def test_new_keys_count_once_they_are_read(path):
    gate = Gate(path)
    path.write_text(TEXT.replace(INFER_KEY, "the key after the change"))
    assert gate.reach_of({b"x-api-key": INFER_KEY.encode()}) is Scope.INFER
    gate.read_anew()
    assert gate.reach_of({b"x-api-key": INFER_KEY.encode()}) is Scope.OPEN
    assert gate.reach_of({b"x-api-key": b"the key after the change"}) is Scope.INFER


def test_a_broken_file_leaves_the_keys_that_were(path):
    gate = Gate(path)
    path.write_text("[[")
    with pytest.raises(UsageError):
        gate.read_anew()
    assert gate.reach_of({b"x-api-key": INFER_KEY.encode()}) is Scope.INFER


def test_without_keys_all_pass_but_web_pages():
    """A page of another site can make the operator's browser ask a port of the operator's machine."""
    gate = Gate(None)
    assert gate.reach_of({}) is Scope.ADMIN
    page = {b"origin": b"https://elsewhere.example"}
    assert gate.reach_of(page) is Scope.OPEN
    assert isinstance(gate.refusal(page, Scope.ADMIN), ForbiddenError)
