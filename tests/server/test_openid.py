"""Signing in at an OpenID provider that somebody else wrote, by the real application; and what else may come back from there."""

import subprocess
import sys
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from sqlalchemy import select

from adapters.identity import Keys
from adapters.sql import tables as t
from server.usecases.person import block_person, invite_again
from server.web import app
from tests import builders
from tests.house import House
from tests.openid_server import CLIENT, SECRET
from tests.running import TOP, eventually
from tests.servers import free_port
from tests.signing_in import LOCAL, Browser, browser, invited, path_of


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    """(issuer, folder) of a running provider."""
    folder, port = tmp_path_factory.mktemp("provider"), free_port()
    (folder / "subject").write_text("ada")
    command = [
        sys.executable,
        "-W",
        "ignore",
        "-m",
        "tests.openid_server",
        str(port),
        "http://127.0.0.1:8080/sign-in/openid/return",
    ]
    with subprocess.Popen(command, cwd=folder, env={"PYTHONPATH": str(TOP)}, stderr=subprocess.PIPE) as running:
        issuer = f"http://127.0.0.1:{port}"
        assert eventually(lambda: _answers(issuer) or running.poll() is not None, 30)
        assert running.poll() is None, running.stderr.read()
        yield issuer, folder
        running.kill()


def _answers(issuer: str) -> bool:
    try:
        return httpx.get(f"{issuer}/jwks", trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def house(tmp_path, provider):
    known = {"openid_issuer": provider[0], "openid_client_id": CLIENT, "openid_client_secret": SECRET}
    runtime = builders.runtime(tmp_path, **known)
    (provider[1] / "subject").write_text("ada")
    keys = Keys.load_or_make(tmp_path / "keys.json")
    yield House(runtime, keys, app.create(runtime, keys))
    runtime.close()


def at_provider(url: str) -> str:
    """Where the provider sends a browser back to, as a path."""
    back = httpx.get(url, trust_env=False)
    assert back.status_code == 302, back.text
    return path_of(back.headers["Location"])


def leave(one: Browser, page: str = "/sign-in", to: str = "/sign-in/openid") -> str:
    """To the provider and back: the path that it sends the browser to."""
    away = one.fill(page, to)
    assert away.status_code == 303, away.text
    return at_provider(away.headers["Location"])


def joined(house) -> Browser:
    link = invited(house.runtime, "ada", "operator")
    one = browser(house.flask)
    assert one.get(leave(one, link, f"{link}/openid")).headers["Location"] == "/account"
    return one


def test_who_was_invited_is_linked_and_signs_in_again(house):
    one = joined(house)
    assert "<code>ada</code>" in one.get("/account").text
    other = browser(house.flask)
    assert other.get(leave(other)).headers["Location"] == "/account"
    assert other.get("/account").status_code == 200


def test_what_is_asked_has_pkce_a_nonce_and_a_state_of_its_own(house, provider):
    away = [browser(house.flask).fill("/sign-in", "/sign-in/openid").headers["Location"] for _ in range(2)]
    asked = [{name: value[0] for name, value in parse_qs(urlsplit(url).query).items()} for url in away]
    assert all(url.startswith(f"{provider[0]}/authorization?") for url in away)
    assert {a["code_challenge_method"] for a in asked} == {"S256"}
    assert {a["redirect_uri"] for a in asked} == {"http://127.0.0.1:8080/sign-in/openid/return"}
    assert all(len({a[name] for a in asked}) == 2 for name in ("state", "nonce", "code_challenge"))
    assert SECRET not in str(away)


def test_who_is_known_there_and_not_here_needs_an_invitation(house, provider):
    """Whatever the e-mail address: it is the same as somebody's."""
    joined(house)
    (provider[1] / "subject").write_text("eve")
    page = browser(house.flask)
    told = page.get(leave(page))
    assert (told.status_code, "Open the link of your invitation first" in told.text) == (401, True)


def test_an_identity_is_one_persons(house):
    joined(house)
    link = invited(house.runtime, "bob", "operator")
    one = browser(house.flask)
    told = one.get(leave(one, link, f"{link}/openid"))
    assert (told.status_code, "linked to another person" in told.text) == (409, True)
    assert one.get(link).status_code == 200  # nothing was used up


def test_an_invitation_is_used_up_by_the_link(house):
    link = invited(house.runtime, "ada", "operator")
    one, late = browser(house.flask), browser(house.flask)
    back = leave(late, link, f"{link}/openid")
    one.get(leave(one, link, f"{link}/openid"))
    assert late.get(back).status_code == 410


def test_who_is_invited_anew_may_link_the_same_identity_again(house):
    one = joined(house)
    link = path_of(invite_again(house.runtime, LOCAL, "ada").url)
    other = browser(house.flask)
    assert other.get(leave(other, link, f"{link}/openid")).headers["Location"] == "/account"
    assert one.get("/account").headers["Location"] == "/sign-in"


def test_an_answer_is_good_once_and_in_the_browser_that_asked(house):
    joined(house)
    one = browser(house.flask)
    back = leave(one)
    stranger = browser(house.flask)
    assert stranger.get(back).headers["Location"] == "/sign-in"
    asked = browser(house.flask)
    leave(asked)
    assert (told := asked.get(back)).status_code == 401
    assert "no sign-in of this browser" in told.text
    assert one.get(back).headers["Location"] == "/account"
    assert one.get(back).headers["Location"] == "/sign-in"  # the step is done


def test_a_code_that_was_used_signs_nobody_in(house):
    joined(house)
    one = browser(house.flask)
    back = leave(one)
    step = one.client.get_cookie("accord-step").value
    one.get(back)
    one.client.set_cookie("accord-step", step)
    assert one.get(back).status_code == 401


@pytest.mark.parametrize("instead", ["https://evil.example", "", None])
def test_an_answer_of_another_issuer_is_refused(house, provider, instead):
    """RFC 9207: the provider says that it names itself in each answer."""
    joined(house)
    one = browser(house.flask)
    path, _, _ = leave(one).rpartition("&iss=")
    told = one.get(path if instead is None else f"{path}&iss={instead}")
    assert (told.status_code, "not of the provider that was asked" in told.text) == (401, True)


def test_who_is_blocked_is_not_let_in_by_a_provider(house):
    one = joined(house)
    block_other = invited(house.runtime, "bob", "operator")
    assert block_other
    block_person(house.runtime, LOCAL, "ada")
    assert one.get("/account").headers["Location"] == "/sign-in"
    other = browser(house.flask)
    assert other.get(leave(other)).status_code == 401


def test_the_record_names_the_provider_and_no_subject(house):
    joined(house)
    with house.runtime.store.read() as connection:
        bodies = [bytes(row.body) for row in connection.execute(select(t.ledger_body))]
        (linked,) = connection.execute(select(t.person_identity)).all()
    (said,) = [b for b in bodies if b"govern.person.join" in b]
    assert linked.issuer.encode() in said
    assert all(linked.subject.encode() not in body for body in bodies)


def test_a_form_may_lead_to_the_provider_and_nowhere_else(house, provider):
    policy = browser(house.flask).get("/sign-in").headers["Content-Security-Policy"]
    assert f"form-action 'self' {provider[0]};" in policy
