"""Notices: one delivery for each party, acknowledged once; secrets in no listing; mail that is plain, bounded and tried again."""

from dataclasses import replace
from datetime import timedelta
from email import message_from_bytes
from email.policy import default
from mailbox import Maildir

import msgspec
import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import select

from adapters import mail
from adapters.mail import MailServer
from adapters.sql import jobs
from adapters.sql import tables as t
from consent.person import Actor, PersonRole
from mappings.failures import Conflict, Forbidden, Invalid, NotFound, Unavailable
from server.usecases import notice
from server.usecases.party import add_party
from server.usecases.terms import Draft, publish
from tests import builders
from tests.builders import ACTOR, OPERATOR
from tests.servers import free_port
from tests.usecases.test_stops import entries, work

MANAGER = Actor("person:mara", "hospital-a", frozenset({PersonRole.DATA_MANAGER}))
STRANGER = Actor("person:eve", "hospital-b", frozenset({PersonRole.DATA_MANAGER}))


class Box:
    """What a mail server took."""

    def __init__(self, refuses=0):
        self.refuses, self.taken = refuses, []

    async def handle_DATA(self, _server, _session, envelope):  # noqa: N802 - aiosmtpd's name
        if self.refuses:
            self.refuses -= 1
            return "451 later"
        self.taken.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"


@pytest.fixture
def box():
    with_box = Box()
    controller = Controller(with_box, hostname="127.0.0.1", port=free_port())
    controller.start()
    with_box.port = controller.port
    yield with_box
    controller.stop()


@pytest.fixture
def mailing(built, box):
    settings = {"mail_host": "127.0.0.1", "mail_port": box.port, "mail_tls": "none", "mail_sender": "accord@centre.example"}
    settings = msgspec.structs.replace(built.settings, **settings)
    builders.person(built, "mara", role="data-manager", party="hospital-a")
    builders.person(built, "olga")
    return replace(built, settings=settings)


def test_a_notice_is_read_and_acknowledged_by_whom_it_is_for(built):
    notice.announce(built, OPERATOR, "change", "New address", "See the README.", "hospital-a")
    (told,) = notice.list_notices(built, MANAGER)
    assert (told.title, told.party, told.acknowledged) == ("New address", "hospital-a", None)
    assert notice.list_notices(built, STRANGER) == []
    for other in (STRANGER, OPERATOR):
        with pytest.raises(NotFound):
            notice.acknowledge(built, other, told.id)
    notice.acknowledge(built, MANAGER, told.id)
    with pytest.raises(Conflict):
        notice.acknowledge(built, MANAGER, told.id)
    assert [e["party"] for e in entries(built, "govern.notice.acknowledge")] == ["hospital-a"]


def test_who_announces_is_the_operator_and_what_ends_is_said_before(built, clock):
    with pytest.raises(Forbidden):
        notice.announce(built, MANAGER, "change", "x", "", None)
    for kind, title, text, effective in (
        ("discontinuity", "x", "", None),
        ("discontinuity", "x", "", clock()),
        ("alone", "x", "", None),
        ("change", "a\nb", "", None),
        ("change", "x" * 201, "", None),
        ("change", "x", "y" * 10_001, None),
    ):
        with pytest.raises(Invalid):
            notice.announce(built, OPERATOR, kind, title, text, None, effective)
    notice.announce(built, OPERATOR, "discontinuity", "x", "", None, clock() + timedelta(days=30))


def test_mail_goes_to_each_person_of_the_party_in_plain_text(mailing, box):
    notice.announce(mailing, OPERATOR, "change", "New address ü", "See\nthe README.", "hospital-a")
    work(mailing, "mail")
    (message,) = box.taken
    assert (message["To"], message["From"]) == ("mara@people.example", "accord@centre.example")
    assert (message["Subject"], message.get_content_type()) == ("New address ü", "text/plain")
    assert message.get_content().splitlines() == ["See", "the README."]
    assert [str(each.state) for each in notice.list_notices(mailing, MANAGER)] == ["sent", "here"]


def test_mail_that_is_not_taken_is_tried_again_and_in_the_end_read_here(mailing, box, clock):
    box.refuses = 1
    notice.announce(mailing, OPERATOR, "change", "x", "", "hospital-a")
    work(mailing, "mail")
    assert box.taken == []
    clock.on(3600)
    work(mailing, "mail")
    assert len(box.taken) == 1
    box.refuses = 99
    notice.announce(mailing, OPERATOR, "change", "y", "", "hospital-a")
    for _ in range(notice.ATTEMPTS):
        clock.on(3600)
        work(mailing, "mail")
    assert str(notice.list_notices(mailing, MANAGER)[0].state) == "failed"


def test_a_secret_is_sent_once_and_then_nowhere(mailing, box):
    with mailing.store.write() as connection:
        notice.send_secret(mailing, connection, "person:mara", "Your code", "482911")
    every = notice.all_notices(mailing)
    assert [each.title for each in every] == ["Your code"]
    assert "482911" not in repr(every)
    work(mailing, "mail")
    assert box.taken[0].get_content().strip() == "482911"
    with mailing.store.read() as connection:
        assert connection.execute(select(t.delivery.c.secret)).scalars().all() == [None]
        assert "482911" not in repr(jobs.newest(connection))


def test_without_a_mail_server_nothing_secret_is_kept(built):
    builders.person(built, "mara", role="data-manager", party="hospital-a")
    with built.store.write() as connection, pytest.raises(Unavailable):
        notice.send_secret(built, connection, "person:mara", "Your code", "482911")
    with pytest.raises(Unavailable):
        notice.try_mail(built, "operator@centre.example")


def test_mail_goes_into_a_folder_of_its_owner_alone_where_that_takes_it(built, tmp_path):
    folder = tmp_path / "mail"
    filing = replace(built, settings=msgspec.structs.replace(built.settings, mail_folder=str(folder), mail_sender="a@b.example"))
    notice.try_mail(filing, "olga@people.example")
    (message,) = Maildir(folder, create=False)
    assert (message["To"], message["Subject"]) == ("olga@people.example", f"{built.settings.repository}: mail works")
    assert folder.stat().st_mode & 0o077 == 0
    folder.chmod(0o700)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(Unavailable):
        notice.try_mail(
            replace(filing, settings=msgspec.structs.replace(filing.settings, mail_folder=str(blocked))), "o@p.example"
        )


def test_a_word_is_sent_to_try_the_settings(mailing, box):
    notice.try_mail(mailing, "operator@centre.example")
    assert box.taken[0]["To"] == "operator@centre.example"


@pytest.mark.parametrize(
    "address",
    [
        "a@b.example\nBcc: c@d.example",
        "a@b.example, c@d.example",
        "a b@c.example",
        "nobody",
        "@b.example",
        f"{'a' * 250}@b.example",
    ],
)
def test_nothing_but_one_address_is_an_address(mailing, box, address):
    with pytest.raises(Invalid):
        notice.try_mail(mailing, address)
    assert box.taken == []


def test_a_title_becomes_no_header_and_a_server_that_is_silent_is_left(box):
    server = MailServer("127.0.0.1", box.port, "none", "accord@centre.example")
    mail.send(server, "a@b.example", "x\r\nBcc: c@d.example", "y")
    assert (box.taken[0]["Bcc"], box.taken[0]["Subject"]) == (None, "x Bcc: c@d.example")
    with pytest.raises(Unavailable):
        mail.send(replace(server, port=free_port()), "a@b.example", "x", "y")


def test_a_version_is_brought_to_those_who_are_asked_and_to_the_others(built):
    add_party(built, ACTOR, "university", "University", "user")
    later = built.clock() + timedelta(days=60)
    publish(built, OPERATOR, Draft(version="2.0.0", text=b"More.\n", needs_renewal=True, effective_at=later))
    (asked,), (other,) = (
        [each for each in notice.list_notices(built, Actor("person:x", party)) if "2.0.0" in each.title]
        for party in ("hospital-a", "university")
    )
    assert ("Accept or decline it" in asked.text, "Accept or decline it" in other.text) == (True, False)
    assert asked.effective == other.effective == later
