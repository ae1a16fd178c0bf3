"""Whatever comes in whatever order: each job is answered once, runs never overlap, and `close` ends.

The loop and the thread are played by hand, so that every order of their events can be tried.
"""

from collections import deque
from time import perf_counter

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from shipway.errors import OverloadedError, SessionRunError
from shipway.server.scheduling.batching import Batcher
from shipway.server.scheduling.execution import Execution
from shipway.server.scheduling.jobs import Job

SMALL, LARGE = 2, 2**20
"""Elements: of runs that stay on the loop, and of those in the thread."""


class Future:
    def __init__(self):
        self.callbacks = []
        self.value = None
        self.is_done = False

    def add_done_callback(self, callback):
        self.callbacks.append(callback)

    def set_result(self, value):
        assert not self.is_done
        self.value, self.is_done = value, True
        for callback in self.callbacks:
            callback(self)

    def result(self):
        return self.value

    def __await__(self):
        while not self.is_done:
            yield
        return self.value


class Timer:
    def __init__(self, call):
        self.call = call
        self.is_over = False

    def cancel(self):
        self.is_over = True


class Loop:
    """What an execution asks of an event loop."""

    def __init__(self):
        self.ready = deque()
        self.timers = []
        self.threads = []

    def call_soon(self, call):
        self.ready.append(call)

    def call_later(self, _seconds, call):
        self.timers.append(Timer(call))
        return self.timers[-1]

    def create_future(self):
        return Future()

    def run_in_executor(self, _thread, work, *arguments):
        future = Future()
        self.threads.append((future, work, arguments))
        return future


class Session:
    signature = None

    def __init__(self):
        self.is_closed = False
        self.runs_after_closing = 0
        """Counted, because whatever a run raises is taken for its outcome."""

    def run(self, inputs):
        self.runs_after_closing += self.is_closed
        if (inputs["x"] < 0).any():
            raise SessionRunError("negative")
        return {"y": inputs["x"]}

    def close(self):
        assert not self.is_closed
        self.is_closed = True


class Recorder:
    def record_run(self, jobs, started, ended, written, answered):
        pass

    def count_failure(self, code):
        pass


class Executions(RuleBasedStateMachine):
    @initialize(
        can_batch=st.booleans(), max_batch_rows=st.sampled_from([1, 4, 32]), rows=st.sampled_from([4, 1000])
    )
    def begin(self, can_batch, max_batch_rows, rows):
        self.loop = Loop()
        self.session = Session()
        self.batcher = Batcher(
            can_batch=can_batch,
            max_batch_rows=max_batch_rows,
            max_queue_rows=rows,
            max_queue_bytes=10**9,
            inline_seconds=0.001,
        )
        self.batcher.times.record(SMALL, 1e-9)
        self.batcher.times.record(LARGE, 1e9)
        self.execution = Execution(self.session, self.batcher, self.loop, Recorder())
        self.jobs = []
        self.answers = {}
        self.refused = set()
        self.dropped = set()
        self.closing = None
        self.is_closed = False

    @precondition(lambda self: self.closing is None)
    @rule(
        rows=st.integers(0, 3),
        elements=st.sampled_from([SMALL, LARGE]),
        is_bad=st.booleans(),
        priority=st.sampled_from([1, 5, 9]),
        has_deadline=st.booleans(),
        is_broken=st.booleans(),
    )
    def arrive(self, rows, elements, is_bad, priority, has_deadline, is_broken):
        number = len(self.jobs)

        def done(outcome):
            self.answers.setdefault(number, []).append(outcome)
            if is_broken:
                raise ZeroDivisionError

        now = perf_counter()
        job = Job({"x": np.full((rows, 1), -1 if is_bad else 1)}, done, rows, elements, None)
        job.priority, job.queued_at = priority, now - 1e12
        if has_deadline:
            job.deadline = now
        self.jobs.append(job)
        try:
            self.execution.submit(job)
        except OverloadedError:
            self.refused.add(number)

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def drop(self, data):
        """The client goes away."""
        number = data.draw(st.integers(0, len(self.jobs) - 1))
        if not self.jobs[number].is_over:
            self.jobs[number].is_over = True
            self.dropped.add(number)

    @precondition(lambda self: self.loop.ready)
    @rule()
    def turn(self):
        self.loop.ready.popleft()()

    @precondition(lambda self: self.loop.timers)
    @rule(data=st.data())
    def ring(self, data):
        """A hold or a deadline is over."""
        timer = self.loop.timers.pop(data.draw(st.integers(0, len(self.loop.timers) - 1)))
        if not timer.is_over:
            timer.call()

    @precondition(lambda self: self.loop.threads)
    @rule(seconds=st.sampled_from([0.0, 0.001, 10.0]))
    def finish(self, seconds):
        """The thread has ended its run."""
        assert len(self.loop.threads) == 1, "two runs at a time"
        future, work, arguments = self.loop.threads.pop()
        outcomes, started, _ = work(*arguments)
        future.set_result((outcomes, started, started + seconds))

    @precondition(lambda self: self.closing is None)
    @rule(rows=st.integers(1, 32))
    def limit(self, rows):
        """The measuring of a slow model ends while it answers."""
        self.batcher.max_batch_rows = rows
        self.batcher.can_batch = self.batcher.can_batch and rows > 1

    @precondition(lambda self: self.closing is None)
    @rule()
    def close(self):
        self.closing = self.execution.close()
        self.go_on_closing()

    @precondition(lambda self: self.closing is not None)
    @rule()
    def go_on_closing(self):
        if not self.is_closed:
            try:
                self.closing.send(None)
            except StopIteration:
                self.is_closed = True

    def teardown(self):
        """What has begun ends, with no timer's help but its own: then all is answered and closed."""
        if not hasattr(self, "loop"):
            return
        if self.closing is None:
            self.close()
        for _ in range(10 * len(self.jobs) + 10):
            if self.loop.threads:
                self.finish(0.001)
            if self.loop.ready:
                self.turn()
            self.go_on_closing()
        assert self.is_closed, self.batcher.state
        assert self.session.is_closed
        assert self.session.runs_after_closing == 0
        assert (self.batcher.queue.rows, self.batcher.queue.size_bytes, self.batcher.running_rows) == (
            0,
            0,
            0,
        )
        assert not self.loop.ready
        assert not self.loop.threads
        for number in range(len(self.jobs)):
            expected = 0 if number in self.refused or number in self.dropped else 1
            assert len(self.answers.get(number, [])) == expected, number


TestExecutions = Executions.TestCase
TestExecutions.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)
