"""Weights without a model can be looked at; what is asked of them is answered by the way that leads on."""

from __future__ import annotations

import pytest

from shipway.errors import SourceUnsupportedError
from shipway.sources.base import Hints
from shipway.sources.detect import open_source

pytestmark = pytest.mark.framework


def refuse(text: str) -> None:
    raise AssertionError(f"no child may start: {text}")


@pytest.mark.parametrize(
    ("name", "holds", "first"),
    [
        ("cnn.pt", "a state_dict", "0.weight: F32[8, 3, 3, 3]"),
        ("digits.safetensors", "safetensors", "F32"),
        ("checkpoint.pt", "a checkpoint", ""),
    ],
)
def test_weights_are_listed(torch_models, name, holds, first):
    source = open_source(torch_models / name)
    told = source.describe()
    assert holds in told.details["holds"]
    assert told.details["would_import"] == []
    assert told.details["state_dicts"] == (["state_dict"] if name == "checkpoint.pt" else [])
    assert not first or any(first in weight for weight in told.details["weights"])
    with pytest.raises(SourceUnsupportedError, match="The code of the model is not in it") as caught:
        source.learn_signature(refuse)
    assert f"module.py:factory --weights {name}" in caught.value.hint


@pytest.mark.parametrize("name", ["whole.pt", "whole_old.pt"])
def test_a_pickle_of_a_whole_module_is_refused_also_with_trust(torch_models, name):
    source = open_source(torch_models / name, hints=Hints(trust=True))
    told = source.describe()
    assert any("torch.nn.modules.linear.Linear" in finding for finding in told.details["would_import"])
    with pytest.raises(SourceUnsupportedError, match=r"imports torch\.nn") as caught:
        source.learn_signature(refuse)
    assert "torch.save(model.state_dict(), 'weights.pt')" in caught.value.hint
