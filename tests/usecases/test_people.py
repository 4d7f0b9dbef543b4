"""What is kept of people, on both databases: one use each, counts that processes share, bounds, and work that goes on later."""

import threading
from datetime import timedelta

import pyotp
import pytest
from sqlalchemy import func, select

from adapters.sql import attempts as rows
from adapters.sql import tables as t
from consent.person import Actor, PersonRole
from consent.subject import Role
from mappings.failures import Failure, Throttled, Unauthenticated
from server.usecases.attempts import attempt
from server.usecases.identify import SessionCookie, identify, recall
from server.usecases.party import add_party
from server.usecases.person import add_person, block_person, give_role
from server.usecases.session import list_sessions
from server.usecases.sign_in import join, prove_code, prove_password, read_invitation
from tests import builders

HERE = Actor("local:test", None, frozenset({PersonRole.OPERATOR}), is_local=True)
PASSWORD = "correct horse battery"
ADDRESS = "192.0.2.7"


def invite(runtime, key: str, **more: object) -> str:
    return add_person(runtime, HERE, key, name=key, **({"role": "operator"} | more)).token


def accept(runtime, token: str) -> tuple[str, str]:
    """(the session's secret, that of the codes)."""
    shown = read_invitation(runtime, token)
    code = pyotp.TOTP(shown.secret).at(runtime.clock())
    known = {"password": PASSWORD, "sealed": shown.sealed, "code": code}
    return join(runtime, token, **known, address=ADDRESS, agent=""), shown.secret


def at_once(work, times: int = 4) -> list[str]:
    """What became of it, done so often at once."""
    said, ready = [], threading.Barrier(times)

    def run() -> None:
        ready.wait()
        try:
            work()
            said.append("done")
        except Failure as failure:
            said.append(failure.code)

    threads = [threading.Thread(target=run) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(said)


def test_an_invitation_is_used_once_however_many_come_at_once(anywhere):
    token = invite(anywhere, "ada")
    assert at_once(lambda: accept(anywhere, token)) == ["done", *["invitation-gone"] * 3]


def test_a_code_is_used_once_however_many_come_at_once(anywhere, clock):
    _, secret = accept(anywhere, invite(anywhere, "ada"))
    clock.on(60)
    person = prove_password(anywhere, "ada", PASSWORD, ADDRESS)
    code = pyotp.TOTP(secret).at(clock())
    assert at_once(lambda: prove_code(anywhere, person, code, ADDRESS, agent="")) == [*["code-refused"] * 3, "done"]


def test_failures_are_counted_for_all_processes_and_forgotten_in_time(doors, clock):
    def fail(runtime):
        with attempt(runtime, "password", "ada", ADDRESS):
            raise Unauthenticated("x", "x")

    for n in range(10):
        with pytest.raises(Unauthenticated):
            fail(doors[n % 2])
    for runtime in doors:
        with pytest.raises(Throttled) as told:
            fail(runtime)
        assert 0 < told.value.retry_after <= 900
    clock.on(900)
    with attempt(doors[0], "password", "ada", ADDRESS):
        pass
    with doors[0].store.read() as connection:
        assert connection.execute(select(func.count()).select_from(t.attempt)).scalar_one() == 1  # of the address


def test_what_strangers_make_fail_has_a_bound(anywhere, clock, monkeypatch):
    monkeypatch.setattr(rows, "MOST", 50)
    now = clock()
    with anywhere.store.write() as connection:
        for n in range(120):
            rows.count(connection, f"key {n}", now, now + timedelta(seconds=60 + n))
        assert connection.execute(select(func.count()).select_from(t.attempt)).scalar_one() <= 50
        kept = connection.execute(select(t.attempt.c.key)).scalars().all()
    assert "key 119" in kept
    assert "key 0" not in kept


def test_a_session_is_used_now_and_found_by_its_secret_alone(anywhere, clock):
    secret, _ = accept(anywhere, invite(anywhere, "ada"))
    clock.on(120)
    caller = identify(anywhere, SessionCookie(secret, ADDRESS))
    assert (caller.subject.id, caller.subject.role, caller.actor.id) == ("person:ada", Role.OPERATOR, "person:ada")
    assert [row.touched for row in list_sessions(anywhere, caller)] == [clock()]
    for other in ("", "x", caller.session, secret[:-1]):
        assert identify(anywhere, SessionCookie(other, ADDRESS)).subject.role is Role.ANONYMOUS


def test_what_a_person_began_goes_on_as_the_person_is_by_then(anywhere):
    add_party(anywhere, builders.ACTOR, "university", "University", "user")
    invite(anywhere, "alan", role="researcher", party="university", purposes=["AIRESEARCH"])
    invite(anywhere, "bob", role="data-manager", party="hospital-a")

    def recalled(key: str, purpose: str):
        with anywhere.store.read() as connection:
            return recall(anywhere, connection, f"person:{key}", inside=False, purpose=purpose, scopes=()).subject

    assert (recalled("alan", "AIRESEARCH").role, recalled("bob", "").role) == (Role.USER, Role.PROVIDER)
    block_person(anywhere, HERE, "bob")
    give_role(anywhere, HERE, "alan", "researcher", party="hospital-a", purposes=["AIRESEARCH"])
    for key, purpose in (("alan", "AITRAIN"), ("alan", "AIRESEARCH"), ("bob", ""), ("nobody", "")):
        with pytest.raises(Unauthenticated):
            recalled(key, purpose)
