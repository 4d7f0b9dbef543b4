"""Reminders: of agreements that end and of documents named at signing, to the provider and the operators, once each."""

from datetime import UTC, datetime, time, timedelta

import pytest

from server.usecases.agreement import move_agreement
from server.usecases.application import apply_for_agreement
from server.usecases.draft import draft_version
from server.usecases.notice import list_notices
from server.usecases.remind import remind
from tests import builders
from tests.agreed import CONTENT, DOCUMENTS, MANAGER, OPERATOR, STRANGER, agreed, sending
from tests.builders import ACTOR

ETHICS = DOCUMENTS[0]


def midnight(day):
    return datetime.combine(day, time(), UTC)


def told(runtime, actor):
    """Title and moment of each reminder as it is read here, the newest first."""
    every = list_notices(runtime, actor)
    return [(each.title, each.effective) for each in every if (each.kind, each.state) == ("expiry", "here")]


def test_both_sides_are_reminded_once_of_an_agreement_that_ends_soon(tmp_path, clock):
    runtime = builders.runtime(tmp_path, clock=clock)
    builders.seed(runtime, ends=clock() + timedelta(days=31))
    assert remind(runtime) == 0
    clock.on(2 * 86_400)
    assert [remind(runtime), remind(runtime)] == [1, 0]
    assert len(told(runtime, MANAGER)) == len(told(runtime, OPERATOR)) == 1
    move_agreement(runtime, ACTOR, "DSA-LUNG", "suspend")
    assert remind(runtime) == 0
    runtime.close()


@pytest.fixture
def declared(built):
    """An agreement in force, whose provider named its documents when it signed."""
    mailing, outbox = sending(built)
    apply_for_agreement(mailing, MANAGER, "DSA-NEW", contacts="Mara", data="CT", deviations="")
    draft_version(mailing, MANAGER, "DSA-NEW", CONTENT)
    agreed(mailing, outbox, "DSA-NEW")
    return mailing


def test_both_sides_are_told_when_a_document_is_due_and_when_it_has_expired_once_each(declared, clock):
    ended = midnight(ETHICS.expires + timedelta(days=1))
    due = (f"The ethics document of DSA-NEW (hospital-a) expires on {ETHICS.expires}", ended)
    over = ("The ethics document of DSA-NEW (hospital-a) has expired", ended)
    clock.at = midnight(ETHICS.remind) - timedelta(seconds=1)
    assert remind(declared) == 0
    clock.at = midnight(ETHICS.remind)
    assert [remind(declared), remind(declared)] == [1, 0]
    assert told(declared, MANAGER) == told(declared, OPERATOR) == [due]
    clock.at = midnight(ETHICS.expires)
    assert remind(declared) == 0
    clock.at = ended
    assert [remind(declared), remind(declared)] == [1, 0]
    assert told(declared, MANAGER) == told(declared, OPERATOR) == [over, due]
    assert told(declared, STRANGER) == []


def test_no_reminder_names_a_person_or_the_document(declared, clock):
    clock.at = midnight(ETHICS.remind)
    remind(declared)
    said = repr(list_notices(declared, OPERATOR)[0])
    assert [each for each in (ETHICS.owner, ETHICS.name) if each in said] == []


def test_of_an_agreement_that_is_over_no_document_is_due(declared, clock):
    move_agreement(declared, ACTOR, "DSA-NEW", "terminate", circumstance="breach")
    clock.at = midnight(ETHICS.expires + timedelta(days=9))
    assert remind(declared) == 0
