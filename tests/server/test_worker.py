"""The worker's chores and jobs do not wait for each other, and it leaves in time."""

import threading
import time

from server.worker import loop
from tests.running import eventually


def test_a_chore_that_hangs_on_its_node_keeps_no_other_waiting(monkeypatch) -> None:
    hangs, done, stopping = threading.Event(), threading.Event(), threading.Event()
    hung = loop.Chore("recover", 1, lambda _runtime: int(hangs.wait(30)))
    other = loop.Chore("rebuild", 0.01, lambda _runtime: done.set() or 0)
    monkeypatch.setattr(loop, "chores", lambda: [other, hung])
    monkeypatch.setattr(loop, "jobs", lambda _leaving: [])
    worker = threading.Thread(target=loop.run, args=(None, stopping))
    worker.start()
    try:
        assert all(eventually(done.is_set, 5) and not done.clear() for _ in range(3))
        stopping.set()
        worker.join(5)
        assert not worker.is_alive(), "a node that hangs must not keep the worker from stopping"
    finally:
        stopping.set()
        hangs.set()
        worker.join()


def test_a_worker_that_stops_waits_for_its_jobs_to_put_themselves_back(monkeypatch) -> None:
    begun, left, stopping = threading.Event(), threading.Event(), threading.Event()

    def work(_runtime) -> int:
        begun.set()
        stopping.wait()
        time.sleep(0.2)
        left.set()
        return 0

    monkeypatch.setattr(loop, "chores", lambda: [loop.Chore("sequence", 1, lambda _runtime: 0)])
    monkeypatch.setattr(loop, "jobs", lambda _leaving: [loop.Chore("job", 1, work)])
    worker = threading.Thread(target=loop.run, args=(None, stopping))
    worker.start()
    assert begun.wait(5)
    stopping.set()
    worker.join(5)
    assert left.is_set()
