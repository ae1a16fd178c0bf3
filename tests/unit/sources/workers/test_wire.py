"""How a framework's exception reaches the user."""

from __future__ import annotations

import pytest

from shipway.sources.workers.wire import TaskError, blame, summarize


def test_a_frameworks_colors_stay_out_of_messages() -> None:
    error = ValueError(
        "calling UpSampling2D.call().\n\n\x1b[1mUsing a symbolic tensor\x1b[0m\n\nArguments: x"
    )
    assert summarize(error) == "ValueError: calling UpSampling2D.call(). Using a symbolic tensor Arguments: x"


def test_a_long_text_is_cut_and_an_empty_one_named() -> None:
    assert summarize(RuntimeError()) == "RuntimeError"
    assert summarize(RuntimeError("x" * 700)).endswith("…")
    assert len(summarize(RuntimeError("x" * 700))) == 600


def test_blame_keeps_our_own_errors_and_memory() -> None:
    with pytest.raises(TaskError) as own, blame("export.no-way", "it failed"):
        raise TaskError("source.damaged", "as it is")
    assert own.value.code == "source.damaged"
    with pytest.raises(TaskError) as full, blame("export.no-way", "it failed"):
        raise MemoryError
    assert full.value.code == "worker.memory"
