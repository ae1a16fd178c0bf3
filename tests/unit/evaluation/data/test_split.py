"""The split by content: stable under order, growth, layout and byte order; copies in one part; shares as said."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from shipway.evaluation.data.split import PARTS, digest_of, hash_rows, part_of

rng = np.random.default_rng(11)

FROZEN_HASHES = ["ef60f9123fa3fae248d51d9effbd86ef", "a5432d46b1e06405bb567a03deb97859"]
FROZEN_DIGEST = "4dd26834dadfb5fc46eb4df9901beabae5d72708f9896c91f920f1f8bfc2b09c"

tables = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int8, np.uint16, np.bool_, np.complex64]),
    hnp.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=6),
)
texts = st.lists(st.text(max_size=8), min_size=1, max_size=20)


def as_texts(items) -> np.ndarray:
    array = np.empty(len(items), object)
    array[:] = items
    return array


@given(tables, st.randoms())
def test_a_row_hashes_by_itself_whatever_stands_around_it(table, random):
    whole = hash_rows({"x": table})
    assert whole.shape == (len(table), 16)
    order = list(range(len(table)))
    random.shuffle(order)
    np.testing.assert_array_equal(hash_rows({"x": table[order]}), whole[order])
    for row in order[:3]:
        np.testing.assert_array_equal(hash_rows({"x": table[row : row + 1]})[0], whole[row])


@given(tables)
def test_layout_and_byte_order_do_not_matter(table):
    expected = hash_rows({"x": table})
    np.testing.assert_array_equal(hash_rows({"x": np.asfortranarray(table)}), expected)
    swapped = table.astype(table.dtype.newbyteorder())
    np.testing.assert_array_equal(hash_rows({"x": swapped}), expected)
    np.testing.assert_array_equal(hash_rows({"x": np.repeat(table, 2, axis=0)[::2]}), expected)


@given(tables.filter(lambda table: len(table) > 1))
def test_rows_hash_equal_exactly_where_they_are_equal(table):
    hashes = hash_rows({"x": table})
    for one, other in zip(range(len(table)), range(1, len(table)), strict=False):
        same = np.array_equal(table[one], table[other], equal_nan=table.dtype.kind in "fc")
        assert np.array_equal(hashes[one], hashes[other]) == same


@given(texts)
def test_texts_hash_alike_in_every_array_that_holds_them(items):
    items = [item.replace("\0", "") for item in items]  # numpy's own text drops zeros at the end
    expected = hash_rows({"t": as_texts(items)})
    encodable = [item.encode("utf-8", "surrogatepass") for item in items]
    np.testing.assert_array_equal(hash_rows({"t": np.array(items, dtype=str)}), expected)
    np.testing.assert_array_equal(hash_rows({"t": as_texts(encodable)}), expected)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"t": as_texts(["ab"]), "u": as_texts(["c"])}, {"t": as_texts(["a"]), "u": as_texts(["bc"])}),
        ({"t": np.array([["ab", "c"]])}, {"t": np.array([["a", "bc"]])}),
        ({"x": np.zeros((1, 4), np.float32)}, {"x": np.zeros((1, 2, 2), np.float32)}),
        ({"x": np.zeros((1, 2), np.float32)}, {"x": np.zeros((1, 2), np.int32)}),
        ({"x": np.zeros((1, 2), np.float32)}, {"y": np.zeros((1, 2), np.float32)}),
        ({"a": np.ones(1), "b": np.zeros(1)}, {"a": np.zeros(1), "b": np.ones(1)}),
        ({"t": as_texts([""])}, {"t": as_texts([None])}),
    ],
    ids=["across columns", "across cells", "shape", "dtype", "name", "swapped", "empty and missing"],
)
def test_rows_that_only_look_alike_in_their_bytes_differ(one, other):
    assert not np.array_equal(hash_rows(one), hash_rows(other))


def test_the_order_in_which_inputs_are_given_does_not_matter():
    a, b = rng.normal(size=(5, 3)), np.array(list("abcde"))
    np.testing.assert_array_equal(hash_rows({"a": a, "b": b}), hash_rows({"b": b, "a": a}))


def test_zeros_and_nans_have_one_spelling():
    odd = np.array([0x7FC00001, 0xFFC00000, 0x80000000], np.uint32).view(np.float32)
    plain = np.array([np.nan, np.nan, 0.0], np.float32)
    np.testing.assert_array_equal(hash_rows({"x": odd}), hash_rows({"x": plain}))


def test_a_hash_never_changes_between_releases():
    """Rows that chose a model once must never judge it later: a new hash would move them."""
    rows = {"x": np.arange(6, dtype=np.float32).reshape(2, 3), "t": np.array(["a", "ü"])}
    assert [bytes(row).hex() for row in hash_rows(rows)] == FROZEN_HASHES
    assert digest_of(hash_rows(rows)) == FROZEN_DIGEST


def test_what_has_no_rows_is_refused():
    with pytest.raises(ValueError, match="no input"):
        hash_rows({})
    with pytest.raises(ValueError, match=r"one number of rows, found \[2, 3\]"):
        hash_rows({"a": np.zeros(2), "b": np.zeros(3)})
    with pytest.raises(TypeError, match="found dict"):
        hash_rows({"a": as_texts([{}])})
    with pytest.raises(TypeError, match="no values to hash"):
        hash_rows({"a": np.zeros(2, [("b", "f4")])})


def test_parts_have_their_shares():
    parts = part_of(hash_rows({"x": np.arange(50_000)}))
    shares = np.bincount(parts, minlength=3) / 50_000
    np.testing.assert_allclose(shares, [0.2, 0.2, 0.6], atol=0.01)
    assert parts.dtype == np.int8
    assert PARTS == ("calibration", "tuning", "gate")


@settings(max_examples=30)
@given(hnp.arrays(np.int8, st.tuples(st.integers(1, 60), st.just(2)), elements=st.integers(0, 3)))
def test_copies_lie_in_one_part_and_growth_moves_no_row(table):
    parts = part_of(hash_rows({"x": table}))
    by_row: dict[bytes, int] = {}
    for row, part in zip(table, parts, strict=True):
        assert by_row.setdefault(row.tobytes(), int(part)) == part
    grown = np.concatenate([rng.integers(0, 9, (7, 2)).astype(np.int8), table])
    np.testing.assert_array_equal(part_of(hash_rows({"x": grown}))[7:], parts)


@given(hnp.arrays(np.int16, st.integers(0, 30)), st.randoms())
def test_the_digest_names_the_rows_and_not_their_order(values, random):
    shuffled = values.copy()
    random.shuffle(shuffled)
    digest = digest_of(hash_rows({"x": values}))
    assert digest == digest_of(hash_rows({"x": shuffled}))
    if len(values):
        assert digest != digest_of(hash_rows({"x": values[:-1]}))
        assert digest != digest_of(hash_rows({"x": np.append(values, values[-1])}))
