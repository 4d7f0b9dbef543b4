"""What is announced of an address is said by its answers, until then: what ends, and what is away for a while."""

from contextlib import contextmanager
from datetime import timedelta

import pytest
from werkzeug.http import http_date

from adapters.identity import Keys
from adapters.sql.store import Store
from mappings.failures import Invalid, Unavailable
from server.usecases import notice
from server.usecases.announced import RENEWED
from server.web import app
from tests import builders
from tests.builders import OPERATOR

R4, R5 = "/fhir/R4/metadata", "/fhir/R5/metadata"
YEAR, HOUR = timedelta(days=365), timedelta(hours=1)


@pytest.fixture
def built(tmp_path):
    runtime = builders.runtime(tmp_path, clock=builders.Clock())
    builders.seed(runtime)
    yield runtime
    runtime.close()


@pytest.fixture
def ask(built, tmp_path):
    return app.create(built, Keys.load_or_make(tmp_path / "signing.json")).test_client().get


def announce(runtime, kind, effective=None, **of):
    """Announce, and let every process come to know it."""
    at = runtime.clock()
    notice.announce(runtime, OPERATOR, kind, "It ends", "", None, effective, **of)
    runtime.clock.on(RENEWED.total_seconds())
    return at


def said(answer):
    return answer.headers.get("Deprecation"), answer.headers.get("Sunset")


def test_an_address_that_ends_says_since_when_and_when_until_it_has(built, ask):
    assert said(ask(R5)) == (None, None)
    ends = built.clock() + YEAR
    at = announce(built, "discontinuity", ends, address="/fhir/R5")
    told = (f"@{int(at.timestamp())}", http_date(ends))
    assert [said(ask(path)) for path in (R5, "/fhir/R5/Patient", R4)] == [told, told, (None, None)]
    built.clock.at = ends
    assert said(ask(R5)) == (None, None)


def test_all_of_it_ends_and_refusals_say_so_too(built, ask):
    announce(built, "discontinuity", built.clock() + YEAR, address="/")
    assert [all(said(ask(path))) for path in (R4, "/catalogue", "/nothing-here", "/health/live")] == [True] * 4


def test_what_was_announced_of_an_address_is_moved_and_taken_back(built, ask):
    for moved in (YEAR, 2 * YEAR):
        ends = built.clock() + moved
        announce(built, "discontinuity", ends, address="/fhir/R5")
        assert said(ask(R5))[1] == http_date(ends)
    announce(built, "change", address="/fhir/R5")
    assert said(ask(R5)) == (None, None)


def test_a_notice_that_is_of_no_address_is_in_no_answer(built, ask):
    announce(built, "discontinuity", built.clock() + YEAR)
    assert said(ask(R5)) == (None, None)


def test_what_is_away_says_when_it_is_back_and_has_no_sunset(built, ask, monkeypatch):
    begins = built.clock() + HOUR
    announce(built, "discontinuity", begins, address="/", until=begins + 2 * HOUR)
    monkeypatch.setattr("server.usecases.describe.harvest", _refusing)
    before = ask("/catalogue")
    built.clock.at = begins + HOUR
    during, well = ask("/catalogue"), ask(R4)
    assert [each.status_code for each in (before, during, well)] == [503, 503, 200]
    assert [each.headers.get("Retry-After") for each in (before, during, well)] == ["10", "3600", None]
    assert [said(each) for each in (before, during, well)] == [(None, None)] * 3


def _refusing(*_asked):
    raise Unavailable("database-down", "The database does not answer.")


def test_an_outage_is_told_of_while_the_database_is_the_one_that_is_away(built, ask, monkeypatch):
    begins = built.clock() + HOUR
    announce(built, "discontinuity", begins, address="/", until=begins + 2 * HOUR)
    assert ask(R4).status_code == 200

    @contextmanager
    def down(_store):
        raise Unavailable("database-down", "The database does not answer.")
        yield

    monkeypatch.setattr(Store, "read", down)
    built.clock.at = begins
    assert ask("/catalogue").headers["Retry-After"] == "7200"


def test_one_process_asks_what_is_announced_twice_a_minute_at_most(built, ask, monkeypatch):
    asked = []
    monkeypatch.setattr("adapters.sql.announcement.read_ahead", lambda *_: asked.append(1) or ())
    for _ in range(50):
        ask("/health/live")
    assert len(asked) == 1
    built.clock.on(RENEWED.total_seconds())
    ask("/health/live")
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("kind", "party", "hours", "of"),
    [
        ("discontinuity", "hospital-a", 1, {"address": "/fhir/R5"}),
        ("discontinuity", None, 1, {"address": "fhir/R5"}),
        ("discontinuity", None, 1, {"address": f"/{'a' * 200}"}),
        ("discontinuity", None, 2, {"until": HOUR}),
        ("discontinuity", None, 2, {"address": "/", "until": HOUR}),
        ("change", None, 1, {"address": "/"}),
    ],
)
def test_what_can_not_be_announced_of_an_address_is_refused_and_sent_to_nobody(built, kind, party, hours, of):
    now = built.clock()
    of = of | ({"until": now + of["until"]} if "until" in of else {})
    with pytest.raises(Invalid):
        notice.announce(built, OPERATOR, kind, "x", "", party, now + hours * HOUR, **of)
    assert notice.all_notices(built) == []
