"""The depth of a JSON text, against the same count over what `json` reads."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.errors import MalformedRequestError
from shipway.server.http.v2.depth import check_depth

texts = st.text(alphabet='[]{}"\\a')
values = st.recursive(
    texts | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20
)


def depth_of(value):
    if isinstance(value, dict):
        value = list(value.values())
    return 1 + max(map(depth_of, value), default=0) if isinstance(value, list) else 0


@given(values)
def test_brackets_in_text_do_not_count(value):
    text, depth = json.dumps(value).encode(), depth_of(value)
    check_depth(text, depth)
    if depth:
        with pytest.raises(MalformedRequestError, match=rf"max_json_depth \({depth - 1}\)"):
            check_depth(text, depth - 1)


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'[{"[":', b"[1,"])
def test_an_endless_nesting_is_refused(opening):
    with pytest.raises(MalformedRequestError, match="max_json_depth"):
        check_depth(opening * 2_000_000, 64)


def test_a_text_over_several_pieces():
    long = b'["' + b"[" * 3 * 2**20 + b'",' + b"[],{}," * 10**6 + b"[[1]]]"
    check_depth(long, 3)
    with pytest.raises(MalformedRequestError):
        check_depth(long, 2)
