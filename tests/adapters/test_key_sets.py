"""Key sets by URL: from listed hosts only, bounded, kept as their server says, and fetched once more for an unknown key."""

import json

import httpx
import pytest

from adapters.client_file import new_client_key
from adapters.key_sets import DEFAULT_SECONDS, LEAST_SECONDS, MOST_BYTES, MOST_URLS, NONE, KeySets
from mappings.failures import Invalid

URL = "https://lab.example/jwks.json"
KEYS = [new_client_key()[1] for _ in range(2)]
KIDS = [keys["keys"][0]["kid"] for keys in KEYS]


class Publisher:
    """A server of key sets, and a clock."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.now = 1000.0
        self.answer = self.published(KEYS[0])
        self.sets = KeySets(["lab.example"], transport=httpx.MockTransport(self._answered), clock=lambda: self.now)

    def published(self, keys: dict, **headers: str) -> httpx.Response:
        return httpx.Response(200, json=keys, headers={name.replace("_", "-"): value for name, value in headers.items()})

    def _answered(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def lab() -> Publisher:
    return Publisher()


@pytest.mark.parametrize(
    "url",
    [
        "http://lab.example/jwks.json",
        "https://other.example/jwks.json",
        "https://lab.example.evil.example/jwks.json",
        "https://user:x@lab.example/jwks.json",
        "https://lab.example/jwks.json#x",
        "https://169.254.169.254/latest",
        "file:///etc/passwd",
        "",
    ],
)
def test_keys_come_by_https_from_listed_hosts_only(lab, url):
    with pytest.raises(Invalid):
        lab.sets.check(url)
    assert lab.sets.read(url, KIDS[0]) == NONE
    assert lab.asked == []


def test_keys_are_fetched_once_and_kept(lab):
    lab.sets.check(URL)
    for _ in range(3):
        assert lab.sets.read(URL, KIDS[0]) == KEYS[0]
    assert lab.asked == [URL]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, DEFAULT_SECONDS),
        ({"Cache_Control": "public, max-age=900"}, 900),
        ({"Cache_Control": "max-age=1"}, LEAST_SECONDS),
        ({"Cache_Control": "no-store, max-age=900"}, LEAST_SECONDS),
        ({"Cache_Control": "max-age=999999999"}, 86_400),
    ],
)
def test_keys_are_kept_as_their_server_says(lab, headers, seconds):
    lab.answer = lab.published(KEYS[0], **headers)
    lab.sets.read(URL, KIDS[0])
    lab.now += seconds - 1
    lab.sets.read(URL, KIDS[0])
    assert len(lab.asked) == 1
    lab.now += 1
    lab.sets.read(URL, KIDS[0])
    assert len(lab.asked) == 2


def test_an_unknown_key_makes_them_be_fetched_once_more_and_not_over_and_over(lab):
    lab.sets.read(URL, KIDS[0])
    lab.now += LEAST_SECONDS
    lab.answer = lab.published({"keys": KEYS[0]["keys"] + KEYS[1]["keys"]})
    assert len(lab.sets.read(URL, KIDS[1])["keys"]) == 2
    for n in range(5):
        lab.sets.read(URL, f"stranger {n}")
    assert len(lab.asked) == 2
    lab.now += LEAST_SECONDS
    lab.sets.read(URL, "stranger")
    assert len(lab.asked) == 3


BAD = [
    httpx.Response(404),
    httpx.Response(302, headers={"Location": "https://lab.example/other"}),
    httpx.Response(200, text="no json"),
    httpx.Response(200, text="[" * 20_000),
    httpx.Response(200, json={"keys": []}),
    httpx.Response(200, json={"keys": [new_client_key()[0]]}),
    httpx.Response(200, text=" " * (MOST_BYTES + 1) + json.dumps(KEYS[0])),
    httpx.ConnectError("no route"),
]


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_what_is_no_key_set_proves_nobody_and_what_was_fetched_is_good_for_its_time(lab, bad, caplog):
    lab.answer = bad
    assert lab.sets.read(URL, KIDS[0]) == NONE
    assert "key set not fetched" in caplog.text
    lab.now += LEAST_SECONDS
    lab.answer = lab.published(KEYS[0])
    assert lab.sets.read(URL, KIDS[0]) == KEYS[0]
    lab.now += LEAST_SECONDS
    lab.answer = bad
    assert lab.sets.read(URL, "another") == KEYS[0]
    lab.now += DEFAULT_SECONDS
    assert lab.sets.read(URL, KIDS[0]) == NONE


def test_urls_are_kept_within_bounds():
    made = KeySets(["lab.example"], transport=httpx.MockTransport(lambda _request: httpx.Response(404)))
    for n in range(MOST_URLS + 10):
        made.read(f"https://lab.example/{n}", "x")
    assert len(made._kept) == MOST_URLS
