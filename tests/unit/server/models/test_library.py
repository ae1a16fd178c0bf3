"""Versions come, are replaced and go, while requests are answered."""

import asyncio
import shutil

import numpy as np
import pytest

from served import bundles, models
from shipway.errors import BundleNotFoundError, LoadRefusedError, ModelNotFoundError, ShipwayError
from shipway.server.models.library import Library
from shipway.server.service import Service, Waking
from shipway.server.settings import ServerSettings

ROW = np.full((1, 4), 0.5, np.float32)


@pytest.fixture(scope="module")
def makings():
    """Four sound models, and golden samples for each; a fifth answers otherwise than its samples say."""
    x = {"x": bundles.rows(8, 4)}
    made = {
        number: (models.mlp(seed=number), bundles.golden_of(models.mlp(seed=number), x))
        for number in range(4)
    }
    made["wrong"] = (models.mlp(seed=9), made[0][1])
    return made


class Shelf:
    """A repository folder, a service and a library over it."""

    def __init__(self, folder, makings, **settings):
        self.folder, self._makings = folder, makings
        self.service = Service()
        self.library = Library(self.service, ServerSettings(**settings))

    def put(self, number, version, name="tiny"):
        made, golden = self._makings[number]
        path = self.folder / f"{name}-{version}.bundle"
        shutil.rmtree(path, ignore_errors=True)
        return bundles.write_bundle(self.folder, made, golden, name=name, version=version)

    def expected(self, number):
        return bundles.reference(self._makings[number][0], {"x": ROW})["y"]

    async def ask(self, name="tiny", version=None):
        model = self.service.find(name, version)
        answer = asyncio.get_running_loop().create_future()
        self.service.infer(model, {"x": ROW}, answer.set_result)
        outcome = await answer
        if isinstance(outcome, ShipwayError):
            raise outcome
        return outcome["y"]

    def states(self):
        return {(row["name"], row["version"]): row["state"] for row in self.library.catalog.index()}


def run(test):
    async def bounded():
        async with asyncio.timeout(30):
            await test

    asyncio.run(bounded())


def test_the_newest_is_served_and_a_newer_one_takes_its_place(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings)
        shelf.put(0, "1")
        shelf.put(1, "2")
        await shelf.library.start([tmp_path])
        assert shelf.states() == {("tiny", "1"): "UNAVAILABLE", ("tiny", "2"): "READY"}
        np.testing.assert_allclose(await shelf.ask(), shelf.expected(1), rtol=1e-5)
        shelf.put(2, "3")
        await shelf.library.load("tiny")
        np.testing.assert_allclose(await shelf.ask(), shelf.expected(2), rtol=1e-5)
        assert shelf.states()[("tiny", "2")] == "UNAVAILABLE"
        assert shelf.service.versions("tiny") == ["3"]

    run(test())


def test_a_version_that_fails_its_proof_leaves_the_old_one_serving_and_says_why(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings)
        shelf.put(0, "1")
        await shelf.library.start([tmp_path])
        shelf.put("wrong", "2")
        with pytest.raises(LoadRefusedError, match=r"tiny version 2 is not served: golden samples alone"):
            await shelf.library.load("tiny")
        np.testing.assert_allclose(await shelf.ask(), shelf.expected(0), rtol=1e-5)
        assert shelf.service.readiness().is_ready
        rows = {row["version"]: row for row in shelf.library.catalog.index()}
        assert rows["2"]["state"] == "UNAVAILABLE"
        assert "golden samples" in rows["2"]["reason"]

    run(test())


def test_a_start_whose_newest_version_fails_serves_the_one_before(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings)
        shelf.put(0, "1")
        shelf.put("wrong", "2")
        await shelf.library.start([tmp_path])
        np.testing.assert_allclose(await shelf.ask(), shelf.expected(0), rtol=1e-5)
        assert shelf.service.readiness().is_ready

    run(test())


def test_a_start_with_nothing_fit_is_unready_and_says_why(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings)
        shelf.put("wrong", "1")
        await shelf.library.start([tmp_path])
        assert "tiny version 1 is not ready: golden samples" in shelf.service.readiness().reason

    run(test())


def test_another_bundle_of_the_same_version_replaces_it_without_losing_a_request(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings)
        shelf.put(0, "1")
        await shelf.library.start([tmp_path])
        answers, is_over = [], False

        async def keep_asking():
            while not is_over:
                answers.append(await shelf.ask())
                await asyncio.sleep(0)

        asking = asyncio.create_task(keep_asking())
        for number in (1, 2, 0, 3):
            shelf.put(number, "1")
            await shelf.library.load("tiny")
            seen = len(answers)
            while len(answers) < seen + 3:
                await asyncio.sleep(0)
            np.testing.assert_allclose(answers[-1], shelf.expected(number), rtol=1e-5)
        is_over = True
        await asking
        sound = [shelf.expected(number) for number in range(4)]
        assert all(any(np.allclose(answer, one, rtol=1e-5) for one in sound) for answer in answers)
        await shelf.library.close()

    run(test())


def test_loading_what_is_there_already_changes_nothing(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings)
        shelf.put(0, "1")
        await shelf.library.start([tmp_path])
        before = shelf.service.find("tiny")
        await shelf.library.load("tiny")
        assert shelf.service.find("tiny") is before

    run(test())


def test_unloaded_is_gone_and_can_come_back(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings)
        shelf.put(0, "1")
        await shelf.library.start([tmp_path])
        await shelf.library.unload("tiny")
        with pytest.raises(ModelNotFoundError):
            shelf.service.find("tiny")
        assert not shelf.service.readiness().is_ready
        await shelf.library.load("tiny", "1")
        np.testing.assert_allclose(await shelf.ask(), shelf.expected(0), rtol=1e-5)

    run(test())


def test_unknown_names_are_told(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings)
        shelf.put(0, "1")
        await shelf.library.start([tmp_path])
        for change in (shelf.library.load, shelf.library.unload):
            with pytest.raises(ModelNotFoundError, match="'nobody'"):
                await change("nobody")
        with pytest.raises(ModelNotFoundError, match="version '7' is known; of it there are 1"):
            await shelf.library.load("tiny", "7")

    run(test())


def test_an_empty_folder_is_an_error(tmp_path, makings):
    async def test():
        with pytest.raises(BundleNotFoundError, match="No bundle in"):
            await Shelf(tmp_path, makings).library.start([tmp_path])

    run(test())


def test_labels_lead_to_their_versions(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings)
        shelf.put(0, "1")
        shelf.put(1, "2")
        (tmp_path / "models.toml").write_text('[tiny]\nlabels = { stable = "1", canary = "2" }\n')
        await shelf.library.start([tmp_path])
        assert shelf.service.find("tiny", label="stable").card.version == "1"
        assert shelf.service.find("tiny", label="canary").card.version == "2"
        assert shelf.service.find("tiny").card.version == "2"
        with pytest.raises(ModelNotFoundError, match="no label 'old'; it has stable, canary"):
            shelf.service.find("tiny", label="old")

    run(test())


def test_under_a_limit_the_least_recently_used_makes_room_and_wakes_when_asked_for(tmp_path, makings):
    """triton#3583, #4188, #7279."""

    async def test():
        shelf = Shelf(tmp_path, makings, max_model_bytes=1)
        for name in "ab":
            shelf.put(0, "1", name=name)
        one = sum(file.stat().st_size for file in (tmp_path / "a-1.bundle").rglob("*") if file.is_file())
        shelf = Shelf(tmp_path, makings, max_model_bytes=one + 50 * 2**20)
        await shelf.library.start([tmp_path])
        assert set(shelf.states().values()) == {"READY"}  # both fit
        for entry in shelf.library.catalog.entries.values():
            entry.size_bytes = 30 * 2**20  # as if they were large
        shelf.put(1, "1", name="c")
        await shelf.ask("a")
        await shelf.library.load("c")
        assert shelf.states() == {("a", "1"): "READY", ("b", "1"): "UNAVAILABLE", ("c", "1"): "READY"}
        asked = [("b",), ("b", "1"), ("b", "2"), ("a",), ("x",)]
        assert [shelf.service.is_asleep(*one) for one in asked] == [
            True, True, False, False, False,
        ]  # fmt: skip
        assert (shelf.service.sleeping("b"), shelf.service.sleeping("a")) == (["1"], [])
        sleeper = shelf.service.find_asleep("b")
        assert (sleeper.card.name, sleeper.card.version, sleeper.can_batch) == ("b", "1", True)
        assert shelf.states()["b", "1"] == "UNAVAILABLE"  # asking so woke nothing
        with pytest.raises(Waking) as waking:
            shelf.service.find("b")
        with pytest.raises(Waking) as again:
            shelf.service.find("b", "1")
        assert again.value.done is waking.value.done  # it is loaded once for all that ask
        await waking.value.done
        np.testing.assert_allclose(await shelf.ask("b"), shelf.expected(0), rtol=1e-5)
        assert not shelf.service.is_asleep("b")
        assert shelf.library.evictions >= 1

    run(test())


def test_folders_are_followed(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings, repository_poll_seconds=0.05)
        shelf.put(0, "1")
        await shelf.library.start([tmp_path])
        shelf.put("wrong", "2")
        await asyncio.sleep(0.3)
        np.testing.assert_allclose(await shelf.ask(), shelf.expected(0), rtol=1e-5)
        shelf.put(1, "3")
        while shelf.service.versions("tiny") != ["3"]:
            await asyncio.sleep(0.01)
        np.testing.assert_allclose(await shelf.ask(), shelf.expected(1), rtol=1e-5)
        shelf.put(0, "1", name="other")
        while "other" not in shelf.service.names():
            await asyncio.sleep(0.01)
        shutil.rmtree(tmp_path / "other-1.bundle")
        while "other" in shelf.service.names():
            await asyncio.sleep(0.01)
        await shelf.library.close()

    run(test())


def test_operations_speak_json(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings)
        shelf.put(0, "1")
        await shelf.library.start([tmp_path])
        operations = shelf.library.operations()
        row = {"name": "tiny", "version": "1", "state": "READY", "reason": ""}
        assert await operations["index"]({"ready": True}) == [row]
        assert (await operations["unload"]({"name": "tiny"}))[0]["reason"] == "it was unloaded"
        assert await operations["index"]({"ready": True}) == []
        assert await operations["load"]({"name": "tiny"}) == [row]

    run(test())


def test_what_is_unloaded_while_it_is_being_loaded_is_not_served_after_it(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings)
        shelf.put(0, "1")
        await shelf.library.start([tmp_path])
        shelf.put(1, "1")
        loading = asyncio.create_task(shelf.library.load("tiny"))
        while shelf.states()[("tiny", "1")] != "LOADING":
            await asyncio.sleep(0)
        await shelf.library.unload("tiny")
        await loading
        assert shelf.states() == {("tiny", "1"): "UNAVAILABLE"}
        assert shelf.service.names() == []

    run(test())


def test_a_policy_that_is_taken_back_does_not_stay(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings)
        shelf.put(0, "1")
        shelf.put(1, "2")
        policy = tmp_path / "models.toml"
        policy.write_text('[tiny]\nversions = ["1"]\nlabels = { stable = "1" }\n')
        await shelf.library.start([tmp_path])
        assert shelf.service.versions("tiny") == ["1"]
        policy.unlink()
        await shelf.library.load("tiny")
        assert shelf.service.versions("tiny") == ["2"]
        with pytest.raises(ModelNotFoundError, match="label"):
            shelf.service.find("tiny", label="stable")

    run(test())


def test_a_version_that_comes_again_goes_on_counting(tmp_path, makings):
    async def test():
        shelf = Shelf(tmp_path, makings)
        shelf.put(0, "1")
        await shelf.library.start([tmp_path])
        for number in (1, 2):
            await shelf.ask()
            shelf.put(number, "1")
            await shelf.library.load("tiny")
        await shelf.ask()
        await shelf.library.unload("tiny")
        ((key, metrics),) = shelf.service.counted().items()
        assert (key, metrics.snapshot()["success"]) == (("tiny", "1"), 3)
        await shelf.library.load("tiny")
        await shelf.ask()
        assert shelf.service.find("tiny").metrics.snapshot()["success"] == 4

    run(test())
