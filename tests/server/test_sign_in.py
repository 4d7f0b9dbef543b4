"""Signing in by pages: invitations, two factors, sessions, forms; and what is tried against them."""

import re
from base64 import b64encode
from dataclasses import replace
from hashlib import sha256

import pytest
from msgspec import structs
from sqlalchemy import select

from adapters.identity import Keys
from adapters.sql import tables as t
from server.cli import demo_data
from server.usecases.demo import token_file
from server.usecases.party import add_party
from server.usecases.person import add_person, block_person, give_role, invite_again, take_role
from server.usecases.session import end_sessions_of
from server.web import app, browser
from tests import builders
from tests.house import CALLERS, House, build
from tests.signing_in import LOCAL, PASSWORD, Browser, code_at, hidden, invited, join, path_of, signed_in
from tests.signing_in import browser as opened


@pytest.fixture(scope="module")
def signing(tmp_path_factory):
    return Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json")


@pytest.fixture
def house(tmp_path, signing):
    """An application with two agreements and a university, and nothing under them."""
    runtime = builders.runtime(tmp_path, clock=builders.Clock())
    builders.seed(runtime)
    builders.seed(runtime, alias="BREAST", provider="hospital-b")
    add_party(runtime, builders.ACTOR, "university", "University", "user")
    yield House(runtime, signing, app.create(runtime, signing))
    runtime.close()


@pytest.fixture
def filled(tmp_path, signing):
    """A house with a study in it."""
    made = build(tmp_path, signing)
    yield made
    made.runtime.close()


@pytest.fixture
def ada(house):
    return signed_in(house.runtime, house.flask, "ada", "operator")


def cookie(page, name: str = "accord") -> str:
    return next((c for c in page.headers.getlist("Set-Cookie") if c.startswith(f"{name}=")), "")


def sign_in(house, key: str, secret: str, **known) -> Browser:
    house.runtime.clock.on(60)
    one = opened(house.flask, **known)
    assert one.fill("/sign-in", name=key, password=PASSWORD).headers["Location"] == "/sign-in/code"
    done = one.fill("/sign-in/code", code=code_at(secret, house.runtime.clock()))
    assert done.headers.get("Location") == "/account", done.text
    return one


def refused(page, status: int, words: str) -> None:
    assert (page.status_code, words in page.text) == (status, True), page.text


# --- invitations


def test_who_is_invited_makes_an_account_and_is_signed_in(house, ada):
    page = ada.get("/account")
    assert page.status_code == 200
    assert "<code>ada</code>" in page.text
    assert "operator of this repository" in page.text


def test_a_mail_scanner_that_follows_the_link_uses_nothing_up(house):
    link = invited(house.runtime, "ada", "operator")
    for _ in range(3):
        assert opened(house.flask).get(link).status_code == 200
        assert opened(house.flask).client.head(link).status_code == 200
    join(house.runtime, house.flask, link)


def test_a_link_is_good_once(house):
    link = invited(house.runtime, "ada", "operator")
    late = opened(house.flask)
    page = late.get(link)
    join(house.runtime, house.flask, link)
    secret = re.search(r"secret=([A-Z2-7]+)", page.text)[1]
    said = hidden(page) | {"password": PASSWORD, "code": code_at(secret, house.runtime.clock())}
    refused(late.post(link, **said), 410, "not good any more")
    refused(late.get(link), 410, "not good any more")


def test_a_link_expires_and_a_newer_one_replaces_it(house):
    first = invited(house.runtime, "ada", "operator")
    second = path_of(invite_again(house.runtime, LOCAL, "ada").url)
    refused(opened(house.flask).get(first), 410, "not good")
    house.runtime.clock.on(48 * 3600 + 1)
    refused(opened(house.flask).get(second), 410, "not good")


def test_an_invitation_is_kept_as_its_digest_alone(house):
    token = invited(house.runtime, "ada", "operator").rpartition("/")[2].encode()
    with house.runtime.store.read() as connection:
        rows = connection.execute(select(t.invitation)).all()
    assert rows
    assert token not in repr(rows).encode()


@pytest.mark.parametrize(("password", "words"), [("short", "12 to 256"), ("x" * 257, "12 to 256"), ("ada@example.org", "names")])
def test_a_password_that_is_too_easy_is_refused_and_the_same_form_comes_again(house, password, words):
    link = invited(house.runtime, "ada", "operator", email="ada@example.org")
    one = opened(house.flask)
    page = one.get(link)
    secret = re.search(r"secret=([A-Z2-7]+)", page.text)[1]
    again = one.post(link, **(hidden(page) | {"password": password, "code": code_at(secret, house.runtime.clock())}))
    refused(again, 400, words)
    assert secret in again.text
    done = one.post(link, **(hidden(again) | {"password": PASSWORD, "code": code_at(secret, house.runtime.clock())}))
    assert done.status_code == 303


def test_a_secret_of_codes_that_was_sealed_for_another_is_none(house):
    theirs = hidden(opened(house.flask).get(invited(house.runtime, "mallory", "operator")))["sealed"]
    link = invited(house.runtime, "ada", "operator")
    one = opened(house.flask)
    said = hidden(one.get(link)) | {"sealed": theirs, "password": PASSWORD, "code": "123456"}
    refused(one.post(link, **said), 401, "code")


# --- two factors


def test_a_person_signs_in_by_password_and_code(house):
    _, secret = join(house.runtime, house.flask, invited(house.runtime, "ada", "operator"))
    assert sign_in(house, "ada", secret).get("/account").status_code == 200


@pytest.mark.parametrize(
    ("name", "password"), [("ada", "wrong password"), ("nobody", PASSWORD), ("", ""), ("ada\0", "x"), ("x" * 999, "y")]
)
def test_whatever_is_wrong_is_told_alike(house, name, password):
    join(house.runtime, house.flask, invited(house.runtime, "ada", "operator"))
    page = opened(house.flask).fill("/sign-in", name=name, password=password)
    refused(page, 401, "Name and password don&#39;t fit together.")
    assert not cookie(page)


def test_a_password_alone_opens_nothing(house):
    join(house.runtime, house.flask, invited(house.runtime, "ada", "operator"))
    one = opened(house.flask)
    one.fill("/sign-in", name="ada", password=PASSWORD)
    assert one.get("/account").headers["Location"] == "/sign-in"
    assert one.get("/api/agreements").status_code == 401


def test_a_code_is_good_once_and_in_its_time(house):
    _, secret = join(house.runtime, house.flask, invited(house.runtime, "ada", "operator"))
    now = house.runtime.clock()
    one = opened(house.flask)
    one.fill("/sign-in", name="ada", password=PASSWORD)
    refused(one.fill("/sign-in/code", code=code_at(secret, now)), 401, "was used")  # as it made the account
    house.runtime.clock.on(90)
    refused(one.fill("/sign-in/code", code=code_at(secret, now)), 401, "not the one of now")
    for wrong in ("", "12345", "abcdef", "\u0661\u0662\u0663\u0664\u0665\u0666"):
        refused(one.fill("/sign-in/code", code=wrong), 401, "not the one of now")
    assert one.fill("/sign-in/code", code=code_at(secret, house.runtime.clock())).status_code == 303


def test_the_second_step_needs_the_first_of_this_browser_and_of_now(house):
    _, secret = join(house.runtime, house.flask, invited(house.runtime, "ada", "operator"))
    assert opened(house.flask).get("/sign-in/code").headers["Location"] == "/sign-in"
    one = opened(house.flask)
    one.fill("/sign-in", name="ada", password=PASSWORD)
    page = one.get("/sign-in/code")
    house.runtime.clock.on(601)
    done = one.post("/sign-in/code", **(hidden(page) | {"code": code_at(secret, house.runtime.clock())}))
    assert done.headers["Location"] == "/sign-in"
    one.client.set_cookie("accord-step", "forged")
    assert one.get("/sign-in/code").headers["Location"] == "/sign-in"


def test_who_is_blocked_is_out_at_once_and_does_not_come_back(house, ada):
    _, secret = join(house.runtime, house.flask, invited(house.runtime, "bob", "operator"))
    block_person(house.runtime, LOCAL, "ada")
    assert ada.get("/account").headers["Location"] == "/sign-in"
    refused(opened(house.flask).fill("/sign-in", name="ada", password=PASSWORD), 401, "fit together")
    assert sign_in(house, "bob", secret)


# --- guessing


def test_who_guesses_from_one_place_is_stopped_there_and_nowhere_else(house):
    """By every process: what is counted lies in the database."""
    _, secret = join(house.runtime, house.flask, invited(house.runtime, "ada", "operator"))
    flasks = [house.flask, app.create(house.runtime, house.keys)]
    for n in range(10):
        refused(opened(flasks[n % 2]).fill("/sign-in", name="ada", password="guess"), 401, "fit together")
    page = opened(flasks[0]).fill("/sign-in", name="ada", password=PASSWORD)
    refused(page, 429, "Too many failed attempts")
    assert page.headers["Retry-After"]
    sign_in(house, "ada", secret, address="198.51.100.9")
    house.runtime.clock.on(15 * 60)
    sign_in(house, "ada", secret)


def test_who_tries_every_name_from_one_place_is_stopped(house):
    for n in range(50):
        refused(opened(house.flask).fill("/sign-in", name=f"name{n}", password="guess"), 401, "fit together")
    refused(opened(house.flask).fill("/sign-in", name="name51", password="guess"), 429, "Too many")


def test_codes_are_guessed_ten_times_at_most(house):
    join(house.runtime, house.flask, invited(house.runtime, "ada", "operator"))
    house.runtime.clock.on(60)
    one = opened(house.flask)
    one.fill("/sign-in", name="ada", password=PASSWORD)
    for _ in range(10):
        refused(one.fill("/sign-in/code", code="000000"), 401, "not the one")
    refused(one.fill("/sign-in/code", code="000000"), 429, "Too many")


# --- sessions


def test_an_id_is_new_at_sign_in_so_that_nobody_fixes_one(house):
    _, secret = join(house.runtime, house.flask, invited(house.runtime, "ada", "operator"))
    one = opened(house.flask)
    one.client.set_cookie("accord", "chosen-by-somebody")
    one.fill("/sign-in", name="ada", password=PASSWORD)
    house.runtime.clock.on(60)
    done = one.fill("/sign-in/code", code=code_at(secret, house.runtime.clock()))
    assert "chosen-by-somebody" not in cookie(done)
    assert cookie(done)
    other = opened(house.flask)
    other.client.set_cookie("accord", "chosen-by-somebody")
    assert other.get("/account").headers["Location"] == "/sign-in"


def test_signing_in_ends_the_session_before(house):
    one, secret = join(house.runtime, house.flask, invited(house.runtime, "ada", "operator"))
    kept = one.client.get_cookie("accord").value
    house.runtime.clock.on(60)
    one.fill("/sign-in", name="ada", password=PASSWORD)
    one.fill("/sign-in/code", code=code_at(secret, house.runtime.clock()))
    old = opened(house.flask)
    old.client.set_cookie("accord", kept)
    assert old.get("/account").headers["Location"] == "/sign-in"


def test_a_session_is_kept_as_its_digest_alone(house, ada):
    secret = ada.client.get_cookie("accord").value
    with house.runtime.store.read() as connection:
        assert secret not in repr(connection.execute(select(t.session)).all())


def test_a_session_ends_when_it_is_idle_and_at_its_end(house, ada):
    for _ in range(3):
        house.runtime.clock.on(29 * 60)
        assert ada.get("/account").status_code == 200
    house.runtime.clock.on(30 * 60)
    assert ada.get("/account").headers["Location"] == "/sign-in"


def test_a_session_ends_at_its_end_however_much_it_is_used(house, ada):
    for _ in range(24):
        house.runtime.clock.on(29 * 60)
        assert ada.get("/account").status_code == 200
    house.runtime.clock.on(29 * 60)
    assert ada.get("/account").headers["Location"] == "/sign-in"


def test_a_change_of_role_is_a_new_id_and_the_old_one_is_nobody(house):
    give = {"role": "researcher", "party": "university", "purposes": ["AIRESEARCH", "AITRAIN"]}
    ada = signed_in(house.runtime, house.flask, "ada", **give)
    kept = ada.client.get_cookie("accord").value
    page = ada.get("/account")
    role = hidden(page)["role"]
    done = ada.post("/account/role", **(hidden(page) | {"role": role, "purpose": "AITRAIN"}))
    assert done.headers["Location"] == "/account"
    assert ada.client.get_cookie("accord").value != kept
    assert "for AITRAIN" in ada.get("/account").text
    old = opened(house.flask)
    old.client.set_cookie("accord", kept)
    assert old.get("/account").headers["Location"] == "/sign-in"


@pytest.mark.parametrize("said", [{"role": "999", "purpose": ""}, {"role": "x", "purpose": ""}, {"purpose": "TREAT"}])
def test_nobody_acts_by_a_role_or_purpose_that_is_not_theirs(house, said):
    ada = signed_in(house.runtime, house.flask, "ada", "researcher", "university", purposes=["AIRESEARCH", "AITRAIN"])
    page = ada.get("/account")
    assert ada.post("/account/role", **(hidden(page) | said)).status_code in (400, 404)


def test_sessions_are_listed_and_ended_by_their_owner(house):
    one, secret = join(house.runtime, house.flask, invited(house.runtime, "ada", "operator"))
    other = sign_in(house, "ada", secret)
    page = one.get("/account")
    keys = re.findall(r'name="session" value="(\w+)"', page.text)
    assert (len(keys), page.text.count("Test/1.0")) == (2, 2)
    one.fill("/account", "/account/sessions/end", session=keys[1])
    assert other.get("/account").headers["Location"] == "/sign-in"
    assert one.get("/account").status_code == 200


def test_nobody_ends_anothers_session(house, ada):
    bob = signed_in(house.runtime, house.flask, "bob", "operator")
    key = re.search(r'name="session" value="(\w+)"', ada.get("/account").text)[1]
    assert bob.fill("/account", "/account/sessions/end", session=key).status_code == 404
    assert ada.get("/account").status_code == 200


def test_an_operator_ends_every_session_of_a_person(house, ada):
    assert end_sessions_of(house.runtime, LOCAL, "ada") == 1
    assert ada.get("/account").headers["Location"] == "/sign-in"


def test_a_role_that_is_taken_ends_its_sessions(house):
    bob = signed_in(house.runtime, house.flask, "bob", "data-manager", "hospital-a")
    give_role(house.runtime, LOCAL, "bob", "signatory", party="hospital-a")
    assert bob.get("/api/agreements").json["agreements"]
    take_role(house.runtime, LOCAL, "bob", "data-manager", party="hospital-a")
    assert bob.get("/api/agreements").status_code == 401


def test_a_person_has_twenty_sessions_at_most(house):
    first, secret = join(house.runtime, house.flask, invited(house.runtime, "ada", "operator"))
    for _ in range(20):
        sign_in(house, "ada", secret)
        first.get("/account")
    assert first.get("/account").headers["Location"] == "/sign-in"


def test_who_lost_a_factor_comes_back_by_another_and_what_was_before_ends(house):
    ada, secret = join(house.runtime, house.flask, invited(house.runtime, "ada", "operator"))
    house.runtime.clock.on(60)
    _, new = join(house.runtime, house.flask, path_of(invite_again(house.runtime, LOCAL, "ada").url))
    assert ada.get("/account").headers["Location"] == "/sign-in"
    house.runtime.clock.on(60)
    one = opened(house.flask)
    one.fill("/sign-in", name="ada", password=PASSWORD)
    refused(one.fill("/sign-in/code", code=code_at(secret, house.runtime.clock())), 401, "not the one")
    sign_in(house, "ada", new)


def test_signing_out_ends_the_session_and_not_only_its_cookie(house, ada):
    kept = ada.client.get_cookie("accord").value
    assert ada.fill("/account", "/sign-out").headers["Location"] == "/sign-in"
    ada.client.set_cookie("accord", kept)
    assert ada.get("/account").headers["Location"] == "/sign-in"


# --- forms


FORMS = (
    "/sign-in",
    "/sign-in/code",
    "/sign-in/openid",
    "/sign-out",
    "/account/role",
    "/account/sessions/end",
    "/device",
    "/device/answer",
)


@pytest.mark.parametrize("path", [*FORMS, "/invitation/x", "/invitation/x/openid"])
def test_a_form_without_the_token_of_its_own_browser_is_refused(house, ada, path):
    other = hidden(signed_in(house.runtime, house.flask, "bob", "operator").get("/account"))["csrf_token"]
    nonce, _, mark = hidden(ada.get("/account"))["csrf_token"].partition(".")
    for token in (None, "", "x", ".", other, f"{nonce}.", f"{nonce}.{mark[:-1]}0x", f"{'0' * 32}.{mark}", "é.é"):
        page = ada.post(path, **({"other": "x"} if token is None else {"csrf_token": token}))
        refused(page, 403, "not from a page of ours")
    assert ada.get("/account").status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://[::"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_form_that_another_site_sends_is_refused_even_with_its_token(house, ada, headers):
    said = hidden(ada.get("/account"))
    ada.headers |= headers
    refused(ada.post("/sign-out", **said), 403, "not from a page of ours")


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8080", "http://localhost:8080"])
def test_a_form_of_this_machine_is_ours_by_any_of_its_names(house, ada, origin):
    said = hidden(ada.get("/account"))
    ada.headers["Origin"] = origin
    assert ada.post("/sign-out", **said).status_code == 303


def test_a_pages_token_never_stands_there_twice(ada):
    tokens = {hidden(ada.get("/account"))["csrf_token"] for _ in range(5)}
    assert len(tokens) == 5


def test_a_session_changes_something_by_api_only_with_its_token(house):
    bob = signed_in(house.runtime, house.flask, "bob", "data-manager", "hospital-a")
    asked = {"json": {"dataset": "LUNG"}, "environ_base": {"REMOTE_ADDR": bob.address}}
    refused_ = bob.client.post("/api/batches", **asked)
    assert (refused_.status_code, refused_.json["title"]) == (403, "csrf")
    token = hidden(bob.get("/account"))["csrf_token"]
    assert bob.client.post("/api/batches", headers={"X-CSRF-Token": token}, **asked).status_code == 201
    evil = {"X-CSRF-Token": token, "Origin": "https://evil.example"}
    assert bob.client.post("/api/batches", headers=evil, **asked).status_code == 403


def test_a_bearer_token_goes_before_a_cookie(filled):
    house, ada = filled, signed_in(filled.runtime, filled.flask, "ada", "operator")
    token = {"Authorization": f"Bearer {house.token(CALLERS['provider'])}"}
    assert [a["key"] for a in ada.client.get("/api/agreements", headers=token).json["agreements"]] == ["DSA-LUNG"]
    assert ada.client.get("/api/agreements", headers={"Authorization": "Basic x"}).status_code == 401


# --- pages


def test_a_page_is_plain_stored_nowhere_and_framed_by_nobody(house, ada):
    link = invited(house.runtime, "bob", "operator")
    for path in ("/account", "/sign-in", "/device", link):
        page = ada.get(path)
        said = page.headers["Content-Security-Policy"]
        assert "<script" not in page.text
        assert "default-src 'none'" in said
        assert "frame-ancestors 'none'" in said
        assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
        assert 'style="' not in page.text
        assert page.text.count("<style>") == 1


def test_the_style_of_a_page_is_the_one_its_policy_names(ada):
    page = ada.get("/account")
    style = re.search(r"<style>(.*?)</style>", page.text, re.DOTALL)[1]
    assert b64encode(sha256(style.encode()).digest()).decode() in page.headers["Content-Security-Policy"]


def test_what_people_are_called_is_escaped(house):
    told = add_person(house.runtime, LOCAL, "eve", name="<script>alert(1)</script>", role="operator")
    page = opened(house.flask).get(path_of(told.url))
    assert "<script" not in page.text
    assert "&lt;script&gt;" in page.text


def test_cookies_are_for_this_site_and_no_script_and_by_https_for_this_host_alone(house):
    plain = cookie(opened(house.flask).get("/sign-in"), "accord-form")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(plain.split("; "))
    assert "Secure" not in plain
    settings = structs.replace(house.runtime.settings, public_url="https://accord.example.org")
    secure = app.create(replace(house.runtime, settings=settings), house.keys)
    said = cookie(opened(secure).get("/sign-in"), "__Host-accord-form")
    assert {"HttpOnly", "SameSite=Lax", "Path=/", "Secure"} <= set(said.split("; "))
    assert "Domain" not in said


def test_nobody_signs_in_where_cookies_would_go_in_the_clear(house):
    settings = structs.replace(house.runtime.settings, public_url="http://accord.example.org")
    clear = app.create(replace(house.runtime, settings=settings), house.keys)
    refused(opened(clear).get("/sign-in"), 403, "by https")


@pytest.mark.parametrize("next_page", ["https://evil.example", "//evil.example", "/api", "javascript:alert(1)"])
def test_a_sign_in_leads_nowhere_else(house, next_page):
    _, secret = join(house.runtime, house.flask, invited(house.runtime, "ada", "operator"))
    house.runtime.clock.on(60)
    one = opened(house.flask)
    one.fill(f"/sign-in?next={next_page}", name="ada", password=PASSWORD)
    assert one.fill("/sign-in/code", code=code_at(secret, house.runtime.clock())).headers["Location"] == "/account"


def test_a_token_for_forms_is_bound_to_its_secret():
    token = browser.token_for("a")
    assert browser.fits(token, "a")
    assert not browser.fits(token, "b")
    assert not browser.fits(token, "")


# --- a person's requests


def test_a_session_sees_what_its_role_sees(filled):
    house = filled
    give = {"role": "researcher", "party": "university", "purposes": ["AIRESEARCH"]}
    alan = signed_in(house.runtime, house.flask, "alan", **give)
    bob = signed_in(house.runtime, house.flask, "bob", "data-manager", "hospital-a")
    eve = signed_in(house.runtime, house.flask, "eve", "data-manager", "hospital-b")
    ada = signed_in(house.runtime, house.flask, "ada", "operator")
    found = {name: len(one.get("/dicom-web/studies").json) for name, one in {"bob": bob, "eve": eve, "ada": ada}.items()}
    assert found == {"bob": 1, "eve": 0, "ada": 1}
    assert alan.get("/dicom-web/studies").json == []  # who has not accepted the terms
    general = next(one for one in alan.get("/api/documents").json["documents"] if one["kind"] == "general")
    accepted = {"kind": "general", "version": general["version"], "sha256": general["sha256"]}
    token = hidden(alan.get("/account"))["csrf_token"]
    assert alan.client.post("/api/acceptances", json=accepted, headers={"X-CSRF-Token": token}).status_code == 201
    assert len(alan.get("/dicom-web/studies").json) == 1
    for one in (alan, bob, ada):
        assert one.get("/fhir/R4/ImagingStudy").status_code == 200


def test_who_has_several_roles_and_chose_none_asks_as_anybody(house):
    link = invited(house.runtime, "bob", "data-manager", "hospital-a")
    give_role(house.runtime, LOCAL, "bob", "signatory", party="hospital-a")
    bob, _ = join(house.runtime, house.flask, link)
    assert bob.get("/dicom-web/studies").status_code == 403
    assert bob.get("/api/agreements").status_code == 403
    assert "Choose as what you act" in bob.get("/account").text


# --- the demo


@pytest.fixture
def demo(house):
    """A demo's token, as the file of one that runs has it."""
    add_party(house.runtime, builders.ACTOR, "demo-hospital", "H", "provider")
    add_party(house.runtime, builders.ACTOR, "demo-university", "U", "user")
    demo_data.people(house.runtime)
    demo_data.people(house.runtime)  # at every start
    token_file(house.runtime).write_text("this-run")
    return "/demo/this-run"


def test_whoever_has_this_runs_token_may_be_any_of_the_demos_people(house, demo):
    one = opened(house.flask)
    page = one.get(demo)
    assert len(re.findall(r'name="person"', page.text)) == 5
    assert page.text.count("operator ") >= 2
    assert one.fill(demo, person="demo-marie").headers["Location"] == "/account"
    assert "data-manager of demo-hospital" in one.get("/account").text
    alan = opened(house.flask)
    alan.fill(demo, person="demo-alan")
    assert [told["version"] for told in alan.get("/api/acceptances").json["acceptances"]] == ["1.0.0"]


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "[::", ""])
def test_another_name_that_leads_to_this_machine_is_no_demo(house, demo, host):
    assert opened(house.flask).get(demo, Host=host).status_code in (400, 404)


@pytest.mark.parametrize(
    "settings", [{"database_url": "postgresql://x/y"}, {"public_url": "https://a.example"}, {"public_url": "http://a.example"}]
)
def test_another_database_or_address_is_no_demo(house, demo, settings):
    other = replace(house.runtime, settings=structs.replace(house.runtime.settings, **settings))
    assert opened(app.create(other, house.keys)).get(demo).status_code == 404


def test_another_token_or_person_or_a_demo_that_ended_lets_nobody_in(house, demo, ada):
    one = opened(house.flask)
    assert one.get("/demo/another-run").status_code == 404
    assert one.fill(demo, person="ada").status_code == 404
    assert one.fill(demo, "/demo/another-run", person="demo-ada").status_code == 404
    token_file(house.runtime).write_text("")
    assert one.get("/demo/").status_code == 404
    token_file(house.runtime).unlink()
    assert one.get(demo).status_code == 404
