"""A version as Triton's clients read it."""

from __future__ import annotations

import asyncio

import pytest

from served import bundles, models
from shipway.server.http.v2.configuration import configuration_document
from shipway.server.models.loading import load
from shipway.server.settings import ServerSettings


def configuration(folder, made, inputs, **settings):
    bundle = bundles.write_bundle(folder, made, bundles.golden_of(made, inputs), version="7")

    async def ask():
        model = await load(bundle.path, ServerSettings(**settings))
        document = configuration_document(model)
        await model.close()
        return document

    return asyncio.run(ask())


def test_a_model_with_rows_is_described_by_one(tmp_path) -> None:
    found = configuration(tmp_path, models.mlp(), {"x": bundles.rows(8, 4)}, tuning_seconds=0)
    assert (found["name"], found["platform"], found["backend"]) == ("tiny", "onnxruntime_onnx", "onnxruntime")
    assert found["max_batch_size"] >= 1
    assert found["input"][0]["data_type"] == "TYPE_FP32"
    assert found["input"][0]["dims"] == [4]
    assert found["output"] == [{"name": "y", "data_type": "TYPE_FP32", "dims": [3]}]
    assert found["version_policy"] == {"specific": {"versions": [7]}}
    assert found["default_model_filename"] == "model.onnx"


@pytest.mark.parametrize("batching", [True, False])
def test_batching_is_told_as_it_is(tmp_path, batching) -> None:
    found = configuration(
        tmp_path, models.mlp(), {"x": bundles.rows(8, 4)}, tuning_seconds=0, batching=batching
    )
    assert ("dynamic_batching" in found) is (batching and found["max_batch_size"] > 1)


def test_a_model_without_rows_cannot_be_batched(tmp_path) -> None:
    found = configuration(tmp_path, models.mlp(batch=1), {"x": bundles.rows(1, 4)})
    assert found["max_batch_size"] == 0
    assert found["input"][0]["dims"] == [1, 4]
    assert "dynamic_batching" not in found
