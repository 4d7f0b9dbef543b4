"""Who asks, by whatever credential: each proves what is registered now, or nothing."""

from dataclasses import replace

import pytest
from msgspec import structs

from consent.subject import ANONYMOUS, FEDERATION, Role
from mappings.failures import Forbidden, NotFound, Throttled, Unauthenticated
from server.throttle import FAILURES
from server.usecases.batch import sender_origin
from server.usecases.identify import AeTitle, BearerToken, Nobody, Rejection, SharedSecret, identify
from server.usecases.runtime import Registration
from server.usecases.sender import attest_sender, remove_sender
from tests import builders

SENDER = AeTitle("LUNG", "STORESCU", "127.0.0.1")


def test_nobody_is_anonymous(built):
    assert (identify(built, Nobody(), "r1").subject, identify(built, Nobody(), "r1").request) == (ANONYMOUS, "r1")


def test_a_sender_is_known_by_dataset_title_and_address(built):
    caller = identify(built, replace(SENDER, address="::ffff:127.0.0.1"))
    assert (caller.subject.role, caller.subject.party, caller.address) == (Role.SENDER, "hospital-a", "127.0.0.1")
    assert replace(caller.registration, dataset=0, sender=0) == Registration(0, "LUNG", "STORESCU", attested=False, sender=0)
    attest_sender(built, builders.ACTOR, "LUNG", "STORESCU", "Dr. A", "2026-11-01")
    assert identify(built, SENDER).registration.attested
    assert identify(built, SENDER) != caller


@pytest.mark.parametrize(
    ("titles", "code"),
    [
        (replace(SENDER, called="BRAIN"), Rejection.UNKNOWN_CALLED),
        (replace(SENDER, calling="OTHER"), Rejection.UNKNOWN_CALLING),
        (replace(SENDER, address="10.0.0.1"), Rejection.UNKNOWN_CALLING),
    ],
)
def test_titles_that_are_not_registered_are_refused_by_which_it_was(built, titles, code):
    with pytest.raises(Unauthenticated) as refused:
        identify(built, titles)
    assert refused.value.code == code


def test_a_sender_that_is_removed_is_nobody_at_its_next_object(built):
    identify(built, SENDER)
    remove_sender(built, builders.ACTOR, "LUNG", "STORESCU")
    with pytest.raises(Unauthenticated):
        identify(built, SENDER)


def test_an_origin_is_its_senders(built):
    origin = sender_origin(identify(built, SENDER))
    assert (origin.door, origin.alias, origin.peer, origin.calling, origin.called, origin.attested) == (
        ("dimse", "LUNG", "127.0.0.1", "STORESCU", "LUNG", False)
    )
    with pytest.raises(Forbidden):
        sender_origin(builders.caller(Role.PROVIDER))


def test_a_shared_secret_proves_the_federation_where_one_is_configured(built):
    with pytest.raises(NotFound):
        identify(built, SharedSecret(b"", ""))
    runtime = replace(built, settings=structs.replace(built.settings, federation_secret="Bearer of é"))
    assert identify(runtime, SharedSecret("Bearer of é".encode(), "")).subject == FEDERATION
    for header in (b"", b"Bearer of e", b"Bearer"):
        with pytest.raises(Unauthenticated):
            identify(runtime, SharedSecret(header, ""))


def test_a_shared_secret_is_not_guessed_for_ever(built):
    runtime = replace(built, settings=structs.replace(built.settings, federation_secret="Bearer of é"))
    codes = []
    for _ in range(FAILURES + 1):
        with pytest.raises((Unauthenticated, Throttled)) as refused:
            identify(runtime, SharedSecret(b"guess", "192.0.2.7"))
        codes.append(refused.value.code)
    assert codes == ["federation-secret"] * FAILURES + ["throttled"]
    assert identify(runtime, SharedSecret("Bearer of é".encode(), "192.0.2.8")).subject == FEDERATION


def test_each_secret_proves_the_caller_it_belongs_to(built):
    callers = {"federation_secret": "Secret a", "federation_callers": "biobank Secret b\nother Secret c\nbiobank Secret new"}
    runtime = replace(built, settings=structs.replace(built.settings, **callers))
    proven = [identify(runtime, SharedSecret(f"Secret {x}".encode(), "")).subject for x in ("a", "b", "c", "new")]
    assert [subject.id for subject in proven] == [f"federation:{name}" for name in ("eucaim", "biobank", "other", "biobank")]
    assert {subject.role for subject in proven} == {Role.FEDERATION}
    for header in (b"Secret d", b"biobank Secret b", b"Secret b\nother Secret c"):
        with pytest.raises(Unauthenticated):
            identify(runtime, SharedSecret(header, ""))


def test_a_door_without_keys_takes_no_token(built):
    with pytest.raises(Unauthenticated) as refused:
        identify(built, BearerToken("a.b.c", "127.0.0.1"))
    assert refused.value.code == "token-invalid"
