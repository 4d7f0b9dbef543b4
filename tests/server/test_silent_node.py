"""While a node keeps everybody waiting, who does not need it is served, and who does is told soon."""

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.identity import Keys
from adapters.nodes.folder import FolderNode
from server.web.bulkheads import Bulkhead
from tests import builders
from tests.house import CALLERS, House, build

USER, INSIDE, OPERATOR, PROVIDER = (CALLERS[name] for name in ("user", "inside", "operator", "provider"))
RENDERS = 4
ANY = 'multipart/related; type="application/dicom"; transfer-syntax=*'


class Gate:
    """Where every call to the node waits until it is let go."""

    def __init__(self) -> None:
        self.waiting, self.let = threading.Semaphore(0), threading.Event()

    def pass_through(self) -> None:
        self.waiting.release()
        assert self.let.wait(30)


@pytest.fixture
def gate(monkeypatch):
    made = Gate()
    for verb in ("open", "store", "check"):
        method = getattr(FolderNode, verb)

        def waits(self, *given, method=method):
            if self.name == "central":
                made.pass_through()
            return method(self, *given)

        monkeypatch.setattr(FolderNode, verb, waits)
    yield made
    made.let.set()


@pytest.fixture
def house(tmp_path, monkeypatch):
    settings = builders.runtime
    monkeypatch.setattr(builders, "runtime", lambda *given, **more: settings(*given, renders=RENDERS, **more))
    made = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"))
    yield made
    made.runtime.close()


def rendered(house: House) -> str:
    return f"/dicom-web/studies/{house.study}/series/{house.series}/instances/{house.instance}/rendered"


def test_who_searches_is_served_while_pictures_wait_for_the_node(house, gate):
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(house.ask, "GET", rendered(house), USER) for _ in range(RENDERS - 1)]
        for _ in waiting:
            assert gate.waiting.acquire(timeout=20)
        refused = house.ask("GET", rendered(house), USER)
        assert (refused.status_code, refused.json["title"]) == (503, "busy-share")
        assert int(refused.headers["Retry-After"]) > 0
        assert house.ask("GET", "/dicom-web/studies", USER).status_code == 200
        assert house.ask("GET", f"/dicom-web/studies/{house.study}/metadata", USER).status_code == 200
        ready = house.ask("GET", "/health/ready", OPERATOR)
        assert ready.json["troubles"] == ["Node central does not answer."]
        gate.let.set()
        assert Counter(answer.result().status_code for answer in waiting) == {200: RENDERS - 1}
    assert house.ask("GET", rendered(house), USER).status_code == 200


def test_a_stream_gives_its_share_back_when_it_has_ended(house):
    for _ in range(house.runtime.settings.streams + 1):
        study = house.ask("GET", f"/dicom-web/studies/{house.study}", INSIDE, headers={"Accept": ANY})
        assert study.status_code == 200
        study.close()
    bulkheads = house.flask.extensions["accord"].bulkheads
    assert not +bulkheads._held
    assert bulkheads._free[Bulkhead.STREAM] == house.runtime.settings.streams


def test_readiness_asks_a_silent_node_once_however_often_it_is_asked(house, gate):
    for _ in range(5):
        assert house.ask("GET", "/health/ready").status_code == 503
    assert gate.waiting.acquire(timeout=20)
    assert not gate.waiting.acquire(blocking=False)
