"""Operations on all workers: answered by each, or failed; and what later workers do again."""

import pytest

from shipway.errors import LoadRefusedError
from shipway.server.workers.asking import Asking, Finished, Journal
from shipway.server.workers.messages import read_error, spell_error

ERROR = spell_error(LoadRefusedError("worse than before"))


def test_it_is_finished_with_the_last_answer():
    asking = Asking()
    number = asking.begin("a", 7, "index", {"ready": True}, ["a", "b", "c"])
    assert asking.answer(number, "b", result=2) is None
    assert asking.answer(number, "a", result=1) is None
    finished = asking.answer(number, "c", result=3)
    assert finished == Finished("a", 7, "index", {"ready": True}, [2, 1, 3], None)


def test_the_first_error_is_what_it_came_to_and_the_others_are_waited_for():
    asking = Asking()
    number = asking.begin("a", 1, "load", {}, ["a", "b", "c"])
    assert asking.answer(number, "a", error=ERROR) is None
    assert asking.answer(number, "b", error=spell_error(LoadRefusedError("another"))) is None
    assert asking.answer(number, "c", result=1).error == ERROR


def test_a_worker_that_dies_fails_what_waits_for_it_and_nothing_else():
    """The one that asks must not wait forever."""
    asking = Asking()
    first = asking.begin("a", 1, "load", {}, ["a", "b"])
    second = asking.begin("a", 2, "index", {}, ["a"])
    third = asking.begin("b", 3, "index", {}, ["a", "b"])
    asking.answer(first, "a", result=1)
    asking.answer(third, "b", result=1)
    (finished,) = asking.lose("b")
    assert finished.ticket == 1
    assert "ended in the middle" in read_error(finished.error).message
    assert asking.lose("b") == []
    assert asking.answer(second, "a", result=1).ticket == 2
    assert asking.answer(third, "a", result=1).results == [1, 1]


def test_answers_that_nobody_waits_for():
    asking = Asking()
    number = asking.begin("a", 1, "index", {}, ["a", "b"])
    asking.answer(number, "a", result=1)
    assert asking.answer(number, "a", result=2) is None
    assert asking.answer(99, "a", result=2) is None
    assert asking.answer(number, "b", result=3).results == [1, 3]


@pytest.mark.parametrize(("operation", "is_lasting"), [("load", True), ("unload", True), ("snapshot", False)])
def test_what_may_take_its_time(operation, is_lasting):
    asking = Asking()
    number = asking.begin("a", 1, operation, {}, ["a", "b"])
    assert asking.is_lasting("a") is is_lasting
    asking.answer(number, "a", result=1)
    assert not asking.is_lasting("a")
    assert asking.is_lasting("b") is is_lasting


def finished(operation, arguments, error=None):
    return Finished("a", 1, operation, arguments, [], error)


def test_the_journal_keeps_the_last_change_of_each_kind():
    journal = Journal()
    journal.note(finished("load", {"name": "x"}))
    journal.note(finished("load", {"name": "y"}))
    journal.note(finished("snapshot", {}))
    journal.note(finished("load", {"name": "z"}, ERROR))
    journal.note(finished("unload", {"name": "x"}))
    assert [(entry["operation"], entry["arguments"]["name"]) for entry in journal.since(0)] == [
        ("load", "y"),
        ("unload", "x"),
    ]


def test_what_was_noted_since():
    journal = Journal()
    journal.note(finished("load", {"name": "x"}))
    (first,) = journal.since(0)
    assert journal.since(first["number"]) == []
    journal.note(finished("unload", {"name": "x"}))
    assert [entry["operation"] for entry in journal.since(first["number"])] == ["unload"]
