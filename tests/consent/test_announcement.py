"""Announcements: which path they are of, what is wrong with one, and what counts now."""

from datetime import UTC, datetime, timedelta

import pytest

from consent.announcement import EVERYTHING, MOST_ADDRESS, Announcement, away_until, ending, wrong
from consent.notice import NoticeKind

NOW = datetime(2027, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
ENDS = Announcement("/fhir/R5", NOW - HOUR, NOW + HOUR)
AWAY = Announcement(EVERYTHING, NOW - 2 * HOUR, NOW - HOUR, NOW + HOUR)


@pytest.mark.parametrize(
    ("announced", "kind"),
    [
        (Announcement("fhir", NOW, NOW + HOUR), "discontinuity"),
        (Announcement("/é", NOW, NOW + HOUR), "discontinuity"),
        (Announcement("/a\nb", NOW, NOW + HOUR), "discontinuity"),
        (Announcement(f"/{'a' * MOST_ADDRESS}", NOW, NOW + HOUR), "discontinuity"),
        (Announcement("", NOW, NOW + HOUR, NOW + 2 * HOUR), "discontinuity"),
        (Announcement("/", NOW, NOW + HOUR, NOW + HOUR), "discontinuity"),
        (Announcement("/", NOW, None, NOW + HOUR), "discontinuity"),
        (Announcement("/", NOW, NOW + HOUR), "change"),
        (Announcement("/", NOW, None, NOW + HOUR), "change"),
    ],
)
def test_what_can_not_be_announced_of_an_address_is_said(announced, kind):
    assert wrong(announced, NoticeKind(kind))


def test_an_end_an_outage_and_their_being_taken_back_can_be_announced():
    assert [wrong(each, NoticeKind.DISCONTINUITY) for each in (ENDS, AWAY)] == [None, None]
    assert wrong(Announcement("/", NOW), NoticeKind.CHANGE) is None


@pytest.mark.parametrize(
    ("path", "covered"),
    [("/fhir/R5", True), ("/fhir/R5/", True), ("/fhir/R5/Patient", True), ("/fhir/R50", False), ("/fhir", False), ("/", False)],
)
def test_an_announcement_is_of_its_address_and_what_is_below(path, covered):
    assert (ENDS.covers(path), AWAY.covers(path)) == (covered, True)
    assert ending(path, NOW, (AWAY, ENDS)) == (ENDS if covered else None)


def test_the_first_end_is_told_until_it_has_come_and_an_outage_is_none():
    sooner = Announcement(EVERYTHING, NOW, NOW + HOUR / 2)
    assert ending("/fhir/R5", NOW, (ENDS, sooner, AWAY)) == sooner
    assert ending("/fhir/R5", NOW + HOUR, (ENDS, sooner, AWAY)) is None


def test_what_is_away_is_back_when_its_last_outage_is_over():
    longer = Announcement("/fhir", NOW, NOW, NOW + 2 * HOUR)
    assert away_until("/fhir/R5", NOW, (AWAY, longer, ENDS)) == NOW + 2 * HOUR
    assert away_until("/dicom-web", NOW, (AWAY, longer, ENDS)) == NOW + HOUR
    assert [away_until("/", at, (AWAY,)) for at in (NOW - 2 * HOUR, NOW + HOUR)] == [None, None]
