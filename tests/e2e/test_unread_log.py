"""A standard error that nobody reads: its pipe is full after 64 KB; the server answers and ends all the same."""

import signal
import time

from served import process, zoo
from served.wire import Wire

LOG_ALL = {"SHIPWAY_SERVER_LOG_REQUESTS": "all"}
AUTHORIZED = {"Authorization": f"Bearer {zoo.KEY}"}


def test_a_full_pipe_holds_up_neither_requests_nor_the_end(tmp_path):
    zoo.write(tmp_path / "zoo", "mlp")
    keys = tmp_path / "keys.toml"
    with process.serving(tmp_path / "zoo", environment=LOG_ALL | zoo.with_repository(keys)) as running:
        with Wire(running.port) as wire:
            for _ in range(400):
                assert wire.request("GET", f"/v2/models/mlp?{'x' * 400}", headers=AUTHORIZED).status == 200
            time.sleep(0.3)  # until the thread that writes the lines has filled the pipe
            keys.write_text("no keys", encoding="utf-8")
            running.process.send_signal(signal.SIGHUP)  # the server tells that this file is wrong
            time.sleep(0.3)
            assert wire.request("GET", "/v2", headers=AUTHORIZED).status == 200
        assert running.stop(timeout=20) == 0
