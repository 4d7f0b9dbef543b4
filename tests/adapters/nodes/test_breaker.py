"""A node that keeps its callers waiting in vain is left alone for a while, then tried by one of them."""

import threading
from collections.abc import Callable
from io import BytesIO
from itertools import count

import pytest

from adapters.nodes import breaker
from adapters.nodes.breaker import FAILURES, REST_SECONDS, BreakerNode
from adapters.nodes.port import Health, NodeFile, silent
from mappings.failures import Busy, Failure, NotFound, Unavailable

FILE = NodeFile("1.2.3.1.1", "1.2.3", "1.2.3.1", "P1", b"", 10)


class Body(BytesIO):
    """What an object's bytes are read from; silent when told so."""

    def __init__(self) -> None:
        super().__init__(b"answered")
        self.fails: Failure | None = None

    def read(self, size: int | None = -1, /) -> bytes:
        if self.fails is not None:
            raise self.fails
        return super().read(size)

    def close(self) -> None:
        self.seek(0)


class Scripted:
    """A node that does as it is told, and counts what it was asked."""

    name = "site"

    def __init__(self) -> None:
        self.asked = 0
        self.fails: Failure | None = silent("site")
        self.meanwhile: Callable[[], None] = lambda: None
        self.body = Body()

    def __getattr__(self, verb: str) -> Callable[..., object]:
        return lambda *_: self.answered(verb)

    def answered(self, verb: str) -> object:
        self.asked += 1
        self.meanwhile()
        if self.fails is not None and verb != "check":
            raise self.fails
        return {"places": ["a"], "check": Health(self.fails is None, "", ""), "open": self.body}.get(verb, "answered")


class Hands:
    """A clock that is turned by hand."""

    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at


def opened(node: BreakerNode) -> bytes:
    with node.open("a", 10) as body:
        return body.read()


CALLS: dict[str, Callable[[BreakerNode], object]] = {
    "store": lambda node: node.store(FILE, memoryview(b"")),
    "open": opened,
    "size": lambda node: node.size("a"),
    "delete": lambda node: node.delete("a"),
    "places": lambda node: list(node.places()),
    "probe": lambda node: node.probe(),
}


@pytest.fixture
def scripted() -> Scripted:
    return Scripted()


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def node(scripted: Scripted, clock: Hands) -> BreakerNode:
    return BreakerNode(scripted, clock)  # type: ignore[arg-type]


def fails(node: BreakerNode, call: Callable[[BreakerNode], object] = CALLS["open"]) -> str:
    with pytest.raises(Failure) as caught:
        call(node)
    return caught.value.code


def tire(node: BreakerNode) -> None:
    for _ in range(FAILURES):
        fails(node)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_after_some_silence_every_call_fails_at_once_and_names_the_node(node, scripted, call):
    tire(node)
    with pytest.raises(Unavailable) as caught:
        call(node)
    assert "site" in caught.value.sentence
    assert scripted.asked == FAILURES


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_every_call_counts(node, scripted, call):
    for _ in range(FAILURES + 3):
        fails(node, call)
    assert scripted.asked == FAILURES


def test_one_answer_between_them_is_no_silence(node, scripted):
    for failure in (silent("site"), silent("site"), NotFound("node-lacks", "-"), silent("site"), silent("site"), silent("site")):
        scripted.fails = failure
        fails(node)
    assert scripted.asked == 6
    assert fails(node) == "node-unavailable"
    assert scripted.asked == 6


@pytest.mark.parametrize("failure", [Unavailable("node-failed", "-"), Busy("node-busy", "-"), NotFound("node-lacks", "-")])
def test_what_a_node_answers_at_once_costs_nobody_time(node, scripted, failure):
    scripted.fails = failure
    for _ in range(FAILURES + 3):
        fails(node)
    assert scripted.asked == FAILURES + 3


def test_after_its_rest_one_call_tries_it_and_the_others_do_not_wait_for_that(node, scripted, clock):
    tire(node)
    clock.at += REST_SECONDS
    codes: list[str] = []
    scripted.meanwhile = lambda: codes.append(fails(node))  # while the one that tries is under way
    assert fails(node) == "node-unavailable"
    assert (codes, scripted.asked) == (["node-unavailable"], FAILURES + 1)
    scripted.meanwhile = lambda: None
    assert fails(node) == "node-unavailable"
    assert scripted.asked == FAILURES + 1, "it rests again"
    clock.at += REST_SECONDS
    scripted.fails = None
    assert [CALLS["open"](node) for _ in range(3)] == [b"answered"] * 3


def test_a_try_that_breaks_is_over(node, scripted, clock):
    tire(node)
    clock.at += REST_SECONDS
    scripted.fails = ValueError("a fault of ours")  # type: ignore[assignment]
    with pytest.raises(ValueError, match="ours"):
        CALLS["open"](node)
    scripted.fails = None
    assert CALLS["open"](node) == b"answered"


def test_a_yes_to_the_question_how_it_is_lets_the_next_call_through(node, scripted):
    tire(node)
    assert not node.check().ok
    assert fails(node) == "node-unavailable"
    scripted.fails = None
    assert node.check().ok
    assert CALLS["open"](node) == b"answered"


def test_a_yes_to_that_question_is_not_enough_where_objects_are_not_given(node, scripted):
    tire(node)
    scripted.fails = None
    assert node.check().ok
    scripted.fails, before = silent("site"), scripted.asked
    for _ in range(3):
        fails(node)
    assert scripted.asked == before + 1


def test_many_at_once_are_counted_each(node, scripted):
    barrier = threading.Barrier(FAILURES)
    scripted.meanwhile = barrier.wait
    threads = [threading.Thread(target=fails, args=(node,)) for _ in range(FAILURES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    scripted.meanwhile = lambda: None
    assert fails(node) == "node-unavailable"
    assert scripted.asked == FAILURES


def test_a_node_that_begins_to_answer_and_then_is_silent_is_silent(node, scripted):
    """The head of an answer is none yet: each of its readers would wait for the rest."""
    scripted.fails, scripted.body.fails = None, silent("site")
    for _ in range(FAILURES):
        assert fails(node) == "node-unavailable"
    asked = scripted.asked
    assert fails(node) == "node-unavailable"
    assert scripted.asked == asked, "it is left alone"


def test_a_listing_without_end_ends(node, scripted, monkeypatch):
    scripted.fails = None
    monkeypatch.setattr(breaker, "MOST_PLACES", 3)
    monkeypatch.setattr(scripted, "places", lambda: map(str, count()), raising=False)
    with pytest.raises(Unavailable) as caught:
        list(node.places())
    assert caught.value.code == "node-endless"
    monkeypatch.setattr(scripted, "places", lambda: ["a", "b", "c"])
    assert list(node.places()) == ["a", "b", "c"]


def test_a_reader_that_stops_early_and_one_that_is_told_more_than_once_say_nothing_against_a_node(node, scripted):
    scripted.fails = None
    for _ in range(FAILURES):
        node.open("a", 10).close()
    scripted.body.fails = Unavailable("node-broke-off", "-")
    for _ in range(FAILURES):
        fails(node)
    scripted.body.fails = None
    assert opened(node) == b"answered"
