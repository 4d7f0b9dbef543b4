"""How a node is, is known without waiting for it, by one question at a time."""

import threading

from adapters.nodes import watch
from adapters.nodes.port import Health
from adapters.nodes.watch import Watch

WELL, FULL = Health(ok=True, sentence="well", version="1"), Health(ok=True, sentence="full", version="1", free=0)


class Hanging:
    """A node that answers when it is let go."""

    def __init__(self) -> None:
        self.asked, self.let = 0, threading.Event()

    def __call__(self) -> Health:
        self.asked += 1
        assert self.let.wait(20)
        return WELL


def test_a_node_that_answers_is_as_it_says():
    assert Watch().look("site", lambda: WELL) == WELL


def test_a_node_that_hangs_is_asked_once_however_often_somebody_looks(monkeypatch):
    monkeypatch.setattr(watch, "BRIEF_SECONDS", 0.01)
    hanging, looked = Hanging(), Watch()
    said = {looked.look("site", hanging).sentence for _ in range(50)}
    assert (said, hanging.asked) == ({"Node site does not answer."}, 1)
    assert looked.look("other", lambda: WELL) == WELL
    hanging.let.set()


def test_what_it_answers_late_is_known_then(monkeypatch):
    monkeypatch.setattr(watch, "BRIEF_SECONDS", 0.01)
    monkeypatch.setattr(watch, "FRESH_SECONDS", 60)
    hanging, looked = Hanging(), Watch()
    assert not looked.look("site", hanging).ok
    hanging.let.set()
    assert looked._last["site"].answered.wait(20)
    assert looked.look("site", hanging) == WELL
    assert hanging.asked == 1


def test_an_answer_is_believed_for_a_moment_only():
    at = [0.0]
    looked = Watch(lambda: at[0])
    assert looked.look("site", lambda: WELL) == WELL
    assert looked.look("site", lambda: FULL) == WELL
    at[0] += watch.FRESH_SECONDS
    assert looked.look("site", lambda: FULL) == FULL
