"""A person's login: asked for, waited for, kept and renewed; against the application, without a network."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO, TextIOWrapper

import httpx
import pytest

from adapters.identity import Keys
from adapters.login_file import Login, begin, read_login, renew, wait, write_login
from mappings.failures import Invalid, Unauthenticated, Unavailable
from server.web import app
from tests import builders
from tests.commands import run
from tests.house import House
from tests.signing_in import hidden, signed_in

URL = "http://127.0.0.1:8080"


@pytest.fixture
def house(tmp_path):
    runtime = builders.runtime(tmp_path, clock=builders.Clock())
    builders.seed(runtime)
    keys = Keys.load_or_make(tmp_path / "keys.json")
    yield House(runtime, keys, app.create(runtime, keys))
    runtime.close()


@pytest.fixture
def http(house):
    with httpx.Client(transport=httpx.WSGITransport(app=house.flask)) as client:
        yield client


@pytest.fixture
def kept(house, http, tmp_path, request):
    """A login file of bob, data manager."""
    bob = signed_in(house.runtime, house.flask, "bob", "data-manager", "hospital-a")
    waiting = begin(http, URL, getattr(request, "param", None))
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        house.runtime.clock.on(seconds)
        if len(pauses) == 3:
            shown = bob.fill("/device", user_code=waiting.user_code)
            bob.post("/device/answer", **(hidden(shown) | {"answer": "yes"}))

    write_login(tmp_path / "login.json", wait(http, waiting, pause))
    assert pauses == [5, 5, 5]
    return tmp_path / "login.json"


def test_a_login_is_kept_for_its_owner_alone_and_renewed(http, kept):
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    before = read_login(kept)
    token = renew(http, kept)
    assert http.get(f"{URL}/api/agreements", headers={"Authorization": f"Bearer {token}"}).json()["agreements"]
    assert read_login(kept).refresh_token != before.refresh_token
    assert before.refresh_token not in repr(before)


@pytest.fixture
def accord(house, monkeypatch, capsys):
    """A command line whose server is the house; (status, what it printed)."""
    monkeypatch.setattr(httpx, "Client", partial(httpx.Client, transport=httpx.WSGITransport(app=house.flask)))

    def ask(*arguments: object):
        status = run(*map(str, arguments))
        told = capsys.readouterr()
        return status, told.out + told.err

    return ask


@pytest.mark.parametrize("kept", ["system/*.cruds"], indirect=True)
def test_a_person_acts_by_the_command_line_as_by_the_api(accord, kept, tmp_path, monkeypatch):
    status, told = accord("api", "GET", "/api/agreements", "--as", kept)
    assert (status, [each["key"] for each in json.loads(told)["agreements"]]) == (0, ["DSA-LUNG"])
    (tmp_path / "stop.json").write_text('{"verb": "suspend", "reason": "a bed is wet"}')
    acts = "/api/agreements/DSA-LUNG/acts"
    status, told = accord("api", "POST", acts, "--as", kept, "--body", tmp_path / "stop.json")
    assert (status, json.loads(told)["state"]) == (0, "suspended")
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(b'{"verb": "activate"}')))
    assert accord("api", "POST", acts, "--as", kept, "--body", "-")[0] == 2
    monkeypatch.setattr("server.cli.api.MOST_BODY", 8)
    monkeypatch.setattr("sys.stdin", TextIOWrapper(BytesIO(bytes(9))))
    for more, why in ((("--body", "-"), "at most 8 bytes"), ((), "JSON")):
        status, told = accord("api", "POST", acts, "--as", kept, *more)
        assert (status, why in told) == (2, True), told
    assert accord("api", "GET", "/fhir/R4/Patient", "--as", kept)[0] == 2


def test_a_login_that_only_reads_acts_on_nothing(accord, kept, tmp_path):
    (tmp_path / "stop.json").write_text('{"verb": "suspend"}')
    status, told = accord("api", "POST", "/api/agreements/DSA-LUNG/acts", "--as", kept, "--body", tmp_path / "stop.json")
    assert (status, "scope" in told) == (2, True), told


def test_commands_at_once_do_not_end_it(http, kept):
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(lambda _: renew(http, kept), range(8)))


def test_a_copy_ends_it(http, kept, tmp_path):
    write_login(tmp_path / "copy.json", read_login(kept))
    renew(http, kept)
    for path in (tmp_path / "copy.json", kept):
        with pytest.raises(Unauthenticated, match="Sign in again"):
            renew(http, path)


def test_who_is_refused_or_too_late_hears_so(house, http):
    bob = signed_in(house.runtime, house.flask, "bob", "data-manager", "hospital-a")
    waiting = begin(http, URL, None)
    shown = bob.fill("/device", user_code=waiting.user_code)
    bob.post("/device/answer", **(hidden(shown) | {"answer": "no"}))
    with pytest.raises(Unauthenticated, match="refused"):
        wait(http, waiting, house.runtime.clock.on)
    with pytest.raises(Unauthenticated, match="expired"):
        wait(http, begin(http, URL, None), house.runtime.clock.on)


@pytest.mark.parametrize(
    "answer", [httpx.Response(200, text="<html>"), httpx.Response(200, json={}), httpx.Response(500, json={})]
)
def test_what_is_no_accord_is_told(answer):
    with httpx.Client(transport=httpx.MockTransport(lambda _: answer)) as client, pytest.raises(Unavailable):
        begin(client, URL, None)


def test_a_file_of_another_kind_is_no_login(tmp_path):
    (tmp_path / "client.json").write_text('{"keys": []}')
    (tmp_path / "text").write_text("x")
    assert read_login(tmp_path / "client.json") is read_login(tmp_path / "text") is None
    with pytest.raises(Invalid):
        read_login(tmp_path / "none")
    assert "secret" not in repr(Login(URL, "secret"))
