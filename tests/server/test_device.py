"""The device grant, from the command line's asking to the last of its tokens, and what is tried against each."""

import pytest
from sqlalchemy import func, select

from adapters.identity import Keys
from adapters.sql import tables as t
from server.usecases import device
from server.usecases.person import block_person, give_role
from server.web import app, oauth
from tests import builders
from tests.house import House
from tests.signing_in import LOCAL, Browser, browser, hidden, invited, join, signed_in

ADDRESS = "192.0.2.7"


@pytest.fixture(scope="module")
def signing(tmp_path_factory):
    return Keys.load_or_make(tmp_path_factory.mktemp("keys") / "keys.json")


@pytest.fixture
def house(tmp_path, signing):
    runtime = builders.runtime(tmp_path, clock=builders.Clock())
    builders.seed(runtime)
    yield House(runtime, signing, app.create(runtime, signing))
    runtime.close()


@pytest.fixture
def bob(house):
    return signed_in(house.runtime, house.flask, "bob", "data-manager", "hospital-a")


def post(house, path: str, address: str = ADDRESS, **fields: str):
    return house.flask.test_client().post(path, data=fields, environ_base={"REMOTE_ADDR": address})


def begin(house, address: str = ADDRESS, **more: str):
    return post(house, "/oauth/device", address, **({"client_id": device.CLIENT_ID} | more))


def poll(house, waiting, wait: float = 5):
    house.runtime.clock.on(wait)
    fields = {"grant_type": oauth.DEVICE_GRANT, "client_id": device.CLIENT_ID, "device_code": waiting["device_code"]}
    return post(house, "/oauth/token", **fields)


def renew(house, token: str, **more: str):
    return post(
        house, "/oauth/token", **({"grant_type": "refresh_token", "client_id": device.CLIENT_ID, "refresh_token": token} | more)
    )


def confirm(one: Browser, waiting, answer: str = "yes"):
    shown = one.fill("/device", user_code=waiting["user_code"])
    assert shown.status_code == 200, shown.text
    return one.post("/device/answer", **(hidden(shown) | {"answer": answer}))


def granted(house, one: Browser, **more: str):
    waiting = begin(house, **more).json
    confirm(one, waiting)
    return poll(house, waiting).json


def ask(house, token: str, path: str = "/api/agreements"):
    return house.flask.test_client().get(path, headers={"Authorization": f"Bearer {token}"})


def test_a_command_line_acts_as_who_confirmed_its_code(house, bob):
    waiting = begin(house).json
    assert waiting["verification_uri"] == "http://127.0.0.1:8080/device"
    assert poll(house, waiting).json["error"] == "authorization_pending"
    shown = bob.fill("/device", user_code=waiting["user_code"].lower().replace("-", " "))
    assert "data-manager of hospital-a" in shown.text
    assert ADDRESS in shown.text
    assert confirm(bob, waiting).status_code == 200
    told = poll(house, waiting).json
    assert (told["token_type"], told["scope"], told["expires_in"]) == ("Bearer", "system/*.rs", 300)
    assert [a["key"] for a in ask(house, told["access_token"]).json["agreements"]] == ["DSA-LUNG"]
    assert ask(house, told["access_token"], "/api/batches").status_code == 403  # not of its scope


def test_tokens_are_given_once(house, bob):
    waiting = begin(house).json
    confirm(bob, waiting)
    assert poll(house, waiting).status_code == 200
    assert poll(house, waiting).json["error"] == "expired_token"


def test_who_asks_too_often_is_slowed_down(house):
    waiting = begin(house).json
    poll(house, waiting)
    assert poll(house, waiting, 4).json["error"] == "slow_down"
    assert poll(house, waiting, 6).json["error"] == "slow_down"
    assert poll(house, waiting, 16).json["error"] == "authorization_pending"


def test_a_code_that_is_refused_or_too_old_gives_nothing(house, bob):
    waiting = begin(house).json
    confirm(bob, waiting, "no")
    assert poll(house, waiting).json["error"] == "access_denied"
    late = begin(house).json
    house.runtime.clock.on(601)
    assert poll(house, late).json["error"] == "expired_token"
    assert bob.fill("/device", user_code=late["user_code"]).status_code == 401


def test_a_code_is_answered_once(house, bob):
    waiting = begin(house).json
    shown = bob.fill("/device", user_code=waiting["user_code"])
    said = hidden(shown) | {"answer": "yes"}
    assert bob.post("/device/answer", **said).status_code == 200
    assert bob.post("/device/answer", **said).status_code == 401


def test_opening_the_page_confirms_nothing_and_needs_a_session(house):
    assert browser(house.flask).get("/device").headers["Location"] == "/sign-in?next=device"


def test_codes_are_guessed_ten_times_at_most(house, bob):
    waiting = begin(house).json
    for _ in range(10):
        assert bob.fill("/device", user_code="BBBB-BBBB").status_code == 401
    assert bob.fill("/device", user_code=waiting["user_code"]).status_code == 429


def test_who_has_chosen_no_role_lets_nothing_act(house):
    link = invited(house.runtime, "eve", "data-manager", "hospital-a")
    give_role(house.runtime, LOCAL, "eve", "signatory", party="hospital-a")
    eve, _ = join(house.runtime, house.flask, link)
    assert eve.fill("/device", user_code=begin(house).json["user_code"]).status_code == 403


def test_devices_that_wait_have_bounds(house, monkeypatch):
    for _ in range(device.MOST_OF_ADDRESS):
        assert begin(house).status_code == 200
    assert begin(house).status_code == 503
    assert begin(house, "198.51.100.9").status_code == 200
    monkeypatch.setattr(device, "MOST", device.MOST_OF_ADDRESS + 1)
    assert begin(house, "198.51.100.10").status_code == 503
    house.runtime.clock.on(601)
    assert begin(house).status_code == 200


def test_another_client_and_a_scope_that_is_none_are_refused(house):
    assert begin(house, client_id="other").json["error"] == "invalid_client"
    assert begin(house, scope="system/Nothing").json["error"] == "invalid_scope"
    assert renew(house, "x", client_id="other").json["error"] == "invalid_client"


# --- refresh


def test_a_refresh_token_is_good_once_and_gives_the_next(house, bob):
    first = granted(house, bob)
    second = renew(house, first["refresh_token"]).json
    assert second["refresh_token"] != first["refresh_token"]
    assert ask(house, second["access_token"]).status_code == 200
    assert renew(house, second["refresh_token"]).status_code == 200


def test_one_that_comes_again_ends_all_that_came_of_it(house, bob):
    first = granted(house, bob)
    second = renew(house, first["refresh_token"]).json
    again = renew(house, first["refresh_token"])
    assert (again.status_code, again.json["error"]) == (400, "invalid_grant")
    assert renew(house, second["refresh_token"]).json["error"] == "invalid_grant"
    assert ask(house, second["access_token"]).status_code == 401
    assert bob.get("/account").status_code == 200  # the browser's own session goes on


def test_a_token_is_kept_as_its_digest_alone(house, bob):
    told = granted(house, bob)
    with house.runtime.store.read() as connection:
        rows = connection.execute(select(t.refresh_token)).all() + connection.execute(select(t.device_grant)).all()
    assert len(rows) == 1
    assert told["refresh_token"] not in repr(rows)


@pytest.mark.parametrize("end", ["block", "owner", "revoke", "idle", "age"])
def test_what_ends_a_session_ends_its_tokens_at_once(house, bob, end):
    told = granted(house, bob)
    if end == "block":
        block_person(house.runtime, LOCAL, "bob")
    if end == "owner":
        (key,) = [row.key for row in _sessions(house) if row.kind == "device"]
        bob.fill("/account", "/account/sessions/end", session=key)
    if end == "revoke":
        assert post(house, "/oauth/revoke", token=told["refresh_token"]).status_code == 200
    if end == "idle":
        house.runtime.clock.on(7 * 86_400)
    for _ in range(6 if end == "age" else 0):
        house.runtime.clock.on(6 * 86_400)
        told = renew(house, told["refresh_token"]).json | {"access_token": told["access_token"]}
        if "refresh_token" not in told:
            told["refresh_token"] = "spent"
    assert ask(house, told["access_token"]).status_code == 401
    assert renew(house, told["refresh_token"]).json["error"] == "invalid_grant"


def _sessions(house):
    with house.runtime.store.read() as connection:
        return connection.execute(select(t.session)).all()


def test_revoking_what_is_not_known_is_no_error(house):
    assert post(house, "/oauth/revoke", token="x").status_code == 200


def test_a_persons_token_is_active_while_its_session_is(house, bob):
    from server.usecases.identify import active  # noqa: PLC0415

    told = granted(house, bob)
    assert active(house.runtime, house.keys, told["access_token"])["sub"] == "person:bob"
    block_person(house.runtime, LOCAL, "bob")
    assert active(house.runtime, house.keys, told["access_token"]) is None


@pytest.mark.parametrize(
    "changed", [{"sid": "other"}, {"sid": ""}, {"sid": None}, {"sid": 7}, {"sid": ["x"]}, {"iss": "x"}, {"aud": "x"}]
)
def test_a_token_that_names_another_session_or_server_is_nobodys(house, bob, changed):
    token = granted(house, bob)["access_token"]
    claims = house.keys.read(token, house.runtime.settings.base_url, house.runtime.clock())
    assert ask(house, house.keys.mint({**claims, **changed})).status_code == 401


def test_a_sessions_secret_is_no_token_and_a_refresh_token_opens_nothing(house, bob):
    secret, told = bob.client.get_cookie("accord").value, granted(house, bob)
    for text in (secret, told["refresh_token"], *(row.key for row in _sessions(house))):
        assert ask(house, text).status_code == 401
        other = browser(house.flask)
        other.client.set_cookie("accord", text if text != secret else "x")
        assert other.get("/account").headers["Location"] == "/sign-in"


def test_sessions_that_are_long_over_are_forgotten_with_their_tokens(house, bob):
    granted(house, bob)
    house.runtime.clock.on(61 * 86_400)
    signed_in(house.runtime, house.flask, "eve", "data-manager", "hospital-a")
    with house.runtime.store.read() as connection:
        counts = [
            connection.execute(select(func.count()).select_from(table)).scalar_one() for table in (t.session, t.refresh_token)
        ]
    assert counts == [1, 0]
