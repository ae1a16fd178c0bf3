"""What is told of a version that sleeps, without waking it."""

from types import SimpleNamespace

import msgspec
import pytest

from shipway.server.http.bodies import Bodies
from shipway.server.http.v2.statistics import Statistics
from shipway.server.http.v2.translator import V2Translator
from shipway.server.models.card import ModelCard, Sleeper
from shipway.server.service import Service, Waking
from shipway.types import DType, Signature, TensorSpec

SIGNATURE = Signature(
    inputs=(TensorSpec("x", DType.FP32, ("batch", 4)),), outputs=(TensorSpec("y", DType.FP32, ("batch", 3)),)
)
CARD = ModelCard("m", "2", SIGNATURE, "sha256:1", "fp32", "onnx", "fp32", "onnxruntime")


@pytest.fixture
def service():
    made = Service()
    made.sleepers = {"m": {"2": Sleeper(CARD, can_batch=True, max_batch_rows=16)}}
    made.wake = lambda name, _version: object() if name == "m" else None
    return made


def answer_of(service, path):
    answers = []
    exchange = SimpleNamespace(
        answer=lambda status, body, **_: answers.append((status, msgspec.json.decode(body)))
    )
    V2Translator(service, Bodies(10**6)).find(path.split("/")).handle(exchange)
    return answers[0]


@pytest.mark.parametrize("place", ["v2/models/m", "v2/models/m/versions/2"])
def test_who_asks_about_it_is_told(service, place):
    assert answer_of(service, f"{place}/ready") == (200, {"name": "m", "ready": True})
    status, metadata = answer_of(service, place)
    assert (status, metadata["versions"], metadata["properties"]["version"]) == (200, ["2"], "2")
    status, configuration = answer_of(service, f"{place}/config")
    assert (status, configuration["max_batch_size"]) == (200, 16)
    assert Statistics(service, None).find(f"{place}/stats".split("/")) is not None


@pytest.mark.parametrize("place", ["v2/models/m", "v2/models/m/versions/2"])
def test_inference_wakes_it(service, place):
    with pytest.raises(Waking):
        V2Translator(service, Bodies(10**6)).find(f"{place}/infer".split("/"))
