"""One timer answers every job whose time is over."""

import asyncio
from time import perf_counter

import numpy as np

from shipway.server.scheduling import deadlines
from shipway.server.scheduling.deadlines import Deadlines
from shipway.server.scheduling.jobs import Job


def job(seconds):
    made = Job({"x": np.zeros(1)}, lambda _: None, 1, 1, None)
    made.deadline = perf_counter() + seconds
    return made


def test_each_expires_at_its_own_time_whatever_the_order_they_came_in():
    async def run():
        expired = []
        made = Deadlines(
            asyncio.get_running_loop(), lambda one: expired.append(one.deadline - perf_counter())
        )
        for seconds in (0.06, 0.02, 0.04):
            made.watch(job(seconds))
        await asyncio.sleep(0.12)
        assert len(expired) == 3
        assert all(late <= 0 for late in expired)

    asyncio.run(run())


def test_what_is_over_does_not_expire():
    async def run():
        expired = []
        made = Deadlines(asyncio.get_running_loop(), expired.append)
        answered, other = job(0.01), job(0.02)
        made.watch(answered)
        made.watch(other)
        answered.is_over = True
        await asyncio.sleep(0.06)
        assert expired == [other]

    asyncio.run(run())


def test_answered_jobs_with_far_deadlines_are_not_held():
    async def run():
        made = Deadlines(asyncio.get_running_loop(), lambda _: None)
        for _ in range(5 * deadlines._FEWEST_SWEPT):
            one = job(3600)
            made.watch(one)
            one.is_over = True
        assert len(made._watched) <= deadlines._FEWEST_SWEPT + 1

    asyncio.run(run())
