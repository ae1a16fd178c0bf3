"""Names of models: made from a file's name, or given and checked."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipway.actions.subject import check_name, default_name


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("digits.keras", "digits"),
        ("my model (1).onnx", "my-model-1"),
        ("a.b_c-1.onnx", "a.b_c-1"),
        ("日本.onnx", "model"),
        ("_x", "_x"),
        ("..x.onnx", "x"),
    ],
)
def test_a_name_from_a_file(file: str, expected: str) -> None:
    assert default_name(Path("folder") / file) == expected


@given(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_name_from_any_file_may_be_given_too(file: str) -> None:
    name = default_name(Path("/folder") / file)
    assert check_name(name) == name
