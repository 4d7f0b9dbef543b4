"""Client files: private, never overwritten, and older forms of them still followed."""

import json
import stat
from dataclasses import replace

import pytest

from adapters.client_file import ClientFile, new_client_key, read_client, write_client
from mappings.failures import Conflict, Invalid

KEY, _ = new_client_key()
BASE = "https://accord.example"
CLIENT = ClientFile("c1", BASE, "system/*.rs", "AITRAIN", KEY)
OLDER = {
    "client_id": "c1",
    "token_url": f"{BASE}/oauth/token",
    "scope": "",
    "purpose": None,
    "private_jwk": KEY,
    "audience": None,
}


def test_a_client_file_is_its_owners_only_is_never_overwritten_and_tells_no_key(tmp_path):
    path = tmp_path / "c1.json"
    write_client(path, CLIENT)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_client(path) == CLIENT
    assert KEY["d"] not in repr(CLIENT)
    with pytest.raises(Conflict):
        write_client(path, CLIENT)


def test_a_client_file_names_the_base_url_and_no_token_endpoint(tmp_path):
    write_client(tmp_path / "c1.json", CLIENT)
    said = json.loads((tmp_path / "c1.json").read_text())
    assert said["base_url"] == BASE
    assert "token_url" not in said


def test_a_client_file_is_a_key_set_whose_one_key_signs_as_the_registered_one_says(tmp_path):
    """What smart-fetch looks for in a key set: `kid`, `alg`, and "sign" in `key_ops`."""
    private, registered = new_client_key()
    write_client(tmp_path / "c1.json", replace(CLIENT, private_jwk=private))
    (key,) = json.loads((tmp_path / "c1.json").read_text())["keys"]
    (public,) = registered["keys"]
    assert (key["key_ops"], "use" in key, "d" in public, "key_ops" in public) == (["sign"], False, False, False)
    assert {name: key[name] for name in ("kid", "alg", "kty", "crv", "x", "y")} | {"use": "sig"} == public


def test_a_client_file_of_before_goes_on_naming_its_token_endpoint(tmp_path):
    (tmp_path / "c1.json").write_text(json.dumps(OLDER))
    expected = replace(CLIENT, scope="", purpose=None, token_url=f"{BASE}/oauth/token")
    assert read_client(tmp_path / "c1.json") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"client_id": 1}',
        '{"client_id":"c","token_url":"u","scope":"","purpose":null,"private_jwk":{}}',
        json.dumps(OLDER | {"token_url": 1}),
        json.dumps(OLDER | {"further": 1}),
        json.dumps(OLDER | {"keys": [KEY, KEY]}),
    ],
)
def test_what_is_no_client_file_is_refused(tmp_path, text):
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises(Invalid) as refused:
        read_client(path)
    assert refused.value.code == "client-file"


def test_a_client_file_that_is_not_there_is_said_to_be_missing(tmp_path):
    with pytest.raises(Invalid, match="No such file"):
        read_client(tmp_path / "none.json")
