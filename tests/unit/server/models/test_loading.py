"""From a folder to a version that may be served."""

import asyncio

import pytest

from served import bundles, models
from shipway.errors import BundleDigestError
from shipway.server.models import loading
from shipway.server.models.loading import load
from shipway.server.settings import ServerSettings


def load_one(path, **settings):
    async def run():
        model = await load(path, ServerSettings(**settings))
        found = model.is_ready, model.max_batch_rows
        await model.close()
        return found

    return asyncio.run(run())


@pytest.fixture
def bundle(tmp_path):
    made = models.mlp()
    return bundles.write_bundle(tmp_path, made, bundles.golden_of(made, {"x": bundles.rows(8, 4)}))


def test_a_tiny_model_joins_requests_unless_it_must_not(bundle):
    is_ready, rows = load_one(bundle.path)
    assert is_ready
    assert rows >= 8
    assert load_one(bundle.path, max_batch_rows=4)[1] <= 4
    assert load_one(bundle.path, batching=False) == (True, 1)


def test_weights_that_were_changed_are_found_though_they_are_hashed_beside_the_proof(
    bundle, tmp_path, monkeypatch
):
    monkeypatch.setattr(loading, "_VERIFY_BESIDE_BYTES", 10_000)
    heavy = bundles.with_ballast(tmp_path, bundle, 20_000)
    assert load_one(heavy.path)[0]
    next(heavy.path.rglob("ballast.bin")).write_bytes(b"\1" * 20_000)
    with pytest.raises(BundleDigestError, match="ballast"):
        load_one(heavy.path)
