"""Models, versions and readiness, without a transport."""

import asyncio

import numpy as np
import pytest

from served import models
from shipway.errors import ModelNotFoundError, UnavailableError
from shipway.runtimes.onnx_runtime import OnnxRuntime
from shipway.server.models.card import ModelCard
from shipway.server.models.model import ServedModel
from shipway.server.service import Service
from shipway.server.settings import ServerSettings


@pytest.fixture
def session(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(models.mlp().SerializeToString())
    return OnnxRuntime().open(path, {})


def add(service, session, version="1", *, name="m", is_ready=True):
    card = ModelCard(name, version, session.signature, "id", "v", "onnx", "fp32", "onnxruntime")
    loop = asyncio.new_event_loop()
    model = ServedModel(card, session, None, settings=ServerSettings(), loop=loop)
    loop.close()
    if is_ready:
        model.accept()
    else:
        model.refuse("it answered otherwise")
    service.put(model)
    return model


def test_the_newest_version_is_the_default_and_ten_follows_nine(session):
    service = Service()
    for version in ("9", "10", "2"):
        add(service, session, version)
    assert service.versions("m") == ["2", "9", "10"]
    assert service.find("m").card.version == "10"
    assert service.find("m", "2").card.version == "2"


def test_a_newest_version_that_failed_its_proof_leaves_the_old_one_serving(session):
    service = Service()
    add(service, session, "1")
    add(service, session, "2", is_ready=False)
    assert service.find("m").card.version == "1"
    readiness = service.readiness()
    assert not readiness.is_ready
    assert "m version 2 is not ready: it answered otherwise" in readiness.reason


def test_unknown_names_and_versions_say_what_is_known(session):
    service = Service()
    add(service, session)
    with pytest.raises(ModelNotFoundError, match="No model 'x' here; known: m"):
        service.find("x")
    with pytest.raises(ModelNotFoundError, match="no version '7'; it has 1"):
        service.find("m", "7")


def test_while_bundles_load_nothing_is_unknown_yet():
    service = Service()
    service.begin_loading(2)
    with pytest.raises(UnavailableError, match="2 of the models"):
        service.find("m")
    assert "still being loaded" in service.readiness().reason


def test_an_empty_service_is_not_ready():
    assert Service().readiness().reason == "no model is loaded"


def test_draining_turns_readiness_off(session):
    service = Service()
    model = add(service, session)
    assert service.readiness().is_ready
    service.is_draining = True
    assert not service.readiness().is_ready
    assert not service.model_readiness(model).is_ready


def test_an_unready_model_does_not_answer(session):
    service = Service()
    model = add(service, session, is_ready=False)
    with pytest.raises(UnavailableError, match="it answered otherwise"):
        service.infer(model, {"x": np.zeros((1, 4), np.float32)}, lambda _: None)


def test_the_generation_changes_with_the_models(session):
    service = Service()
    before = service.generation
    add(service, session)
    assert service.generation != before
