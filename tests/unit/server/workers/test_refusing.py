"""The supervisor's own answers."""

import socket
import threading

from served.wire import Wire
from shipway.server.workers.loop import Loop
from shipway.server.workers.refusing import DEAD_WORKER, Refusals


def refuse(client_side):
    """Runs `client_side` with a wire to a connection that is refused; the refusals, when all is over."""
    loop = Loop()
    refusals = Refusals(loop)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def run():
            with Wire(listener.getsockname()[1]) as wire:
                client_side(wire)

        thread = threading.Thread(target=run)
        thread.start()
        refusals.refuse(listener.accept()[0], DEAD_WORKER)
        loop.call_later(0, lambda: stop_when_idle(loop, refusals))
        loop.run()
        thread.join(20)
    loop.close()
    return refusals


def stop_when_idle(loop, refusals):
    if refusals.is_idle:
        loop.stop()
    else:
        loop.call_later(0.01, lambda: stop_when_idle(loop, refusals))


def test_the_answer_has_the_form_of_every_error():
    answers = []
    refusals = refuse(lambda wire: answers.append((wire.read(), wire.is_ended())))
    ((answer, is_ended),) = answers
    assert (answer.status, is_ended, refusals.count) == (503, True, 1)
    assert (answer.headers["retry-after"], answer.headers["connection"]) == ("1", "close")
    assert answer.json == {
        "error": f"{DEAD_WORKER.message} {DEAD_WORKER.hint}",
        "code": "request.unavailable",
    }


def test_a_client_that_still_sends_reads_it():
    answers = []

    def send_much(wire):
        wire.send(b"x" * 30 * 2**20)
        answers.append(wire.read().status)

    refuse(send_much)
    assert answers == [503]


def test_a_client_that_is_gone_counts_for_nothing():
    loop = Loop()
    refusals = Refusals(loop)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        served = listener.accept()[0]
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.close()  # a reset
        refusals.refuse(served, DEAD_WORKER)
    assert (refusals.count, refusals.is_idle) == (0, True)
    loop.close()
