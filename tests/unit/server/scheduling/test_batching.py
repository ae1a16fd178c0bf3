"""The rules of turn-batching, without a loop."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.errors import OverloadedError
from shipway.server.scheduling.batching import Batcher, State
from shipway.server.scheduling.jobs import Job

FAST, SLOW = 1e-5, 0.1


def job(rows=1, *, group=None, elements=None):
    return Job({"x": np.zeros((rows, 4))}, lambda _: None, rows, elements or rows * 4, group)


def batcher(*, seconds=FAST, can_batch=True, most=32, queue=100, queue_bytes=10**9, measured=(4, 128)):
    made = Batcher(
        can_batch=can_batch,
        max_batch_rows=most,
        max_queue_rows=queue,
        max_queue_bytes=queue_bytes,
        inline_seconds=0.001,
    )
    for elements in measured:
        made.times.record(elements, seconds)
    return made


def arrive(made, *jobs):
    return [made.arrive(one)[0] for one in jobs]


def test_one_turn_is_one_batch():
    made, jobs = batcher(), [job(), job(2), job()]
    assert arrive(made, *jobs) == [True, False, False]  # one end of turn is asked for
    plan = made.end_turn()
    assert (plan.runs, plan.is_inline) == ([jobs], True)
    assert not made.finish_inline()
    assert made.is_idle


def test_nothing_measured_goes_to_the_thread():
    made = batcher(measured=())
    arrive(made, job())
    assert not made.end_turn().is_inline


def test_a_slow_model_goes_to_the_thread_and_collects_meanwhile():
    made, first, later = batcher(seconds=SLOW), job(), [job(), job(3)]
    arrive(made, first)
    assert made.end_turn().runs == [[first]]
    assert arrive(made, *later) == [False, False]
    assert made.state is State.BUSY
    made.finish_thread(SLOW)
    assert made.end_turn().runs == [later]
    made.finish_thread(SLOW)
    assert made.end_turn() is None
    assert made.is_idle


def test_those_who_were_just_answered_are_waited_for_a_twentieth_of_their_run():
    """Else each turn of eight clients is two runs, the first of them for the one who is quickest to ask again."""
    made = batcher(seconds=SLOW)
    arrive(made, *(job() for _ in range(8)))
    made.end_turn()
    arrive(made, job())
    assert made.finish_thread(0.1) == pytest.approx(0.005)
    assert made.state is State.HOLDING
    assert arrive(made, *(job() for _ in range(8))) == [False] * 7 + [True]
    assert len(made.end_turn().runs[0]) == 9


def test_when_the_hold_is_over_whoever_came_is_run():
    made = batcher(seconds=SLOW)
    arrive(made, job(), job())
    made.end_turn()
    assert made.finish_thread(0.1) > 0
    late = job()
    assert arrive(made, late) == [False]
    assert made.end_turn().runs == [[late]]


def test_a_single_client_never_waits():
    made = batcher(seconds=SLOW)
    for _ in range(3):
        assert arrive(made, job()) == [True]
        made.end_turn()
        made.finish_thread(0.1)


def test_a_full_batch_does_not_wait_for_more():
    made = batcher(seconds=SLOW, most=4)
    arrive(made, *(job() for _ in range(4)))
    made.end_turn()
    arrive(made, *(job() for _ in range(4)))
    assert made.finish_thread(0.1) == 0


def test_a_hold_is_short_whatever_the_run():
    made = batcher(seconds=SLOW)
    arrive(made, job(), job())
    made.end_turn()
    assert made.finish_thread(60.0) == 0.02


def test_batches_end_at_their_rows():
    made, jobs = batcher(most=4), [job(3), job(2), job(2), job(9), job()]
    arrive(made, *jobs)
    found = []
    while not made.is_idle:
        found += made.end_turn().runs
        made.finish_inline()
    assert found == [[jobs[0]], [jobs[1], jobs[2]], [jobs[3]], [jobs[4]]]


def test_shapes_are_not_mixed():
    made, jobs = batcher(), [job(group="a"), job(group="a"), job(group="b")]
    arrive(made, *jobs)
    assert made.end_turn().runs == [jobs[:2]]
    assert made.finish_inline()
    assert made.end_turn().runs == [jobs[2:]]


def test_without_a_batch_axis_each_runs_alone():
    made, jobs = batcher(can_batch=False), [job(), job(), job()]
    arrive(made, *jobs)
    assert made.end_turn().runs == [[one] for one in jobs]


def test_a_run_on_the_loop_stays_within_its_time():
    """16 rows of 784 take 0.7 ms, 32 would take 1.4: the loop must look at its sockets in between."""
    made = batcher(seconds=0.0007, measured=(16 * 784,))
    arrive(made, *(job(elements=784) for _ in range(32)))
    plan = made.end_turn()
    assert plan.is_inline
    assert sum(one.elements for one in plan.runs[0]) < 2**14
    assert made.finish_inline()


def test_runs_one_by_one_share_the_time_of_a_turn():
    made = batcher(seconds=0.0004, can_batch=False, measured=(1000,))
    arrive(made, *(job(elements=1000) for _ in range(10)))
    plan = made.end_turn()
    assert plan.is_inline
    assert 1 <= len(plan.runs) < 10


def test_a_large_request_among_small_ones_goes_to_the_thread():
    made = batcher(seconds=0.0009, measured=(1000,))
    arrive(made, job(elements=900), job(8, elements=50_000))
    assert made.end_turn().is_inline
    assert made.finish_inline()
    assert not made.end_turn().is_inline


def test_the_queue_is_bounded_by_rows():
    made = batcher(queue=10)
    arrive(made, job(6), job(4))
    with pytest.raises(OverloadedError, match="max_queue_rows is 10"):
        made.arrive(job())
    made.end_turn()
    made.finish_inline()
    made.arrive(job())


def test_an_empty_queue_takes_a_request_of_any_size():
    made = batcher(queue=10)
    made.arrive(job(500))
    assert made.end_turn().runs[0][0].rows == 500


def test_dropped_jobs_do_not_run():
    made, jobs = batcher(), [job(2), job(3), job(4)]
    arrive(made, *jobs)
    jobs[0].is_over = jobs[1].is_over = True
    assert made.end_turn().runs == [[jobs[2]]]
    assert made.queue.rows == 0


def test_all_dropped_is_idle():
    made, only = batcher(), job()
    made.arrive(only)
    only.is_over = True
    assert made.end_turn() is None
    assert made.is_idle
    assert made.arrive(job())[0]


@given(
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from("ab"), st.booleans()), max_size=40),
    st.booleans(),
    st.sampled_from([FAST, 0.0005, SLOW]),
)
@settings(deadline=None)
def test_every_job_runs_once_in_order_and_within_limits(given_jobs, can_batch, seconds):
    made = batcher(seconds=seconds, can_batch=can_batch, queue=10**6)
    jobs = [job(rows, group=group, elements=rows * 4) for rows, group, _ in given_jobs]
    arrive(made, *jobs)
    for one, (_, _, is_over) in zip(jobs, given_jobs, strict=True):
        one.is_over = is_over
    ran = []
    while not made.is_idle:
        plan = made.end_turn()
        if plan is None:
            break
        for run in plan.runs:
            assert len({one.group for one in run}) == 1
            assert len(run) == 1 or (can_batch and sum(one.rows for one in run) <= 32)
            ran += run
        made.finish_inline() if plan.is_inline else made.finish_thread(SLOW)
    assert ran == [one for one in jobs if not one.is_over]
    assert made.queue.rows == 0


def test_a_more_urgent_job_runs_first_and_the_others_in_their_order():
    made, jobs = batcher(seconds=SLOW, can_batch=False), [job() for _ in range(5)]
    for one, priority in zip(jobs, (5, 9, 5, 1, 1), strict=True):
        one.priority = priority
    arrive(made, *jobs)
    ran = []
    while (plan := made.end_turn()) is not None:
        ran += plan.runs[0]
        made.finish_thread(SLOW)
    assert ran == [jobs[3], jobs[4], jobs[0], jobs[2], jobs[1]]
    assert made.queue.rows == 0


def test_a_more_urgent_job_takes_the_place_of_the_newest_of_the_least_urgent():
    made, jobs = batcher(queue=3), [job(), job(), job()]
    arrive(made, *jobs)
    urgent = job()
    urgent.priority = 2
    assert made.arrive(urgent) == (False, jobs[2])
    with pytest.raises(OverloadedError):
        made.arrive(job())
    assert made.end_turn().runs == [[urgent]]
    made.finish_inline()
    assert made.end_turn().runs == [jobs[:2]]
    assert made.queue.rows == 0


def test_the_queue_is_bounded_by_bytes():
    made, first, second = batcher(queue_bytes=100), job(), job()
    first.size_bytes, second.size_bytes = 90, 20
    made.arrive(first)
    with pytest.raises(OverloadedError, match="90 bytes wait, the limit max_queue_bytes is 100"):
        made.arrive(second)
    made.end_turn()
    assert made.queue.size_bytes == 0


def test_a_full_queue_says_when_to_come_back():
    """At 0.1 s a row: sent again after a second, four of five would only be refused again."""
    made = batcher(seconds=SLOW, queue=50, measured=(4,))
    for _ in range(50):
        made.arrive(job())
    with pytest.raises(OverloadedError) as refused:
        made.arrive(job())
    assert refused.value.retry_seconds == 5


def test_a_job_whose_turn_would_come_too_late_is_refused_at_once():
    made = batcher(seconds=SLOW, measured=(4,))
    arrive(made, *(job() for _ in range(20)))
    hurried, patient = job(), job()
    hurried.deadline, patient.deadline = 1.0, 3.0
    with pytest.raises(OverloadedError, match="20 rows are before this request, about 2 s; it gives 1 s"):
        made.arrive(hurried)
    made.arrive(patient)
