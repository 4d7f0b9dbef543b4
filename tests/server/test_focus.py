"""What Focus makes of EUCAIM's questions, and what it reports of our answers: as recorded with Focus itself, byte for byte.

`focus.jsonl` was written by `python -m tests.peers.eucaim.golden`: each row of the explorer's catalogue, each trap, each status.
"""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from werkzeug.serving import make_server

from mappings.eucaim import PATH
from server.usecases.dataset import set_dataset
from tests import builders
from tests.beam import Beam, beam, task
from tests.focus import focus
from tests.server.test_federation import client, study

SECRET = "Secret s3cr3t"
GOLDEN = Path(__file__).with_name("focus.jsonl")
SERIES = {
    "LUNG": [("CT", "LUNG", "SIEMENS"), ("MR", "BREAST", "Philips Medical Systems"), ("PT", "PELVIS", "GE MEDICAL SYSTEMS")],
    "BREAST": [("MR", "BREAST", "TOSHIBA"), ("NM", "PROSTATE", "Other"), ("CT", "COLON", "")],
}
Sent = list[dict[str, Any]]


@contextmanager
def accord(folder: Path, **settings: object) -> Iterator[tuple[str, Sent]]:
    """Two datasets behind their door on loopback: its address, and what was sent to it, with each answer's status."""
    runtime = builders.runtime(
        folder, clock=builders.Clock(), **({"federation_secret": SECRET, "federation_minute": 1000} | settings)
    )
    for alias, condition in (("LUNG", "CLIN1000065"), ("BREAST", "CLIN1000060")):
        builders.seed(runtime, alias=alias, provider=f"hospital-{alias.lower()}")
        set_dataset(runtime, builders.ACTOR, alias, {"condition": condition, "title": f"{alias} É"})
        for number, series in enumerate(SERIES[alias]):
            study(runtime, alias, f"{alias}{number}", series, sex="MF"[number % 2] if number < 2 else None, age=30 + 20 * number)
    application, sent = client(runtime).application, []
    server = make_server("127.0.0.1", 0, _heard(application, sent), threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.port}", sent
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        runtime.close()


def _heard(application: Any, sent: Sent) -> Any:
    """The same, with what is asked kept, and the status of its answer."""
    names = {"HTTP_ACCEPT": "Accept", "HTTP_USER_AGENT": "User-Agent", "HTTP_AUTHORIZATION": "Authorization"}

    def heard(environ: dict[str, Any], start: Any) -> Any:
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        headers = {name: environ[key] for key, name in names.items()} | {"Content-Type": environ["CONTENT_TYPE"]}
        asked = {"path": environ["PATH_INFO"], "headers": headers, "body": body.decode()}

        def started(status: str, *more: Any) -> Any:
            sent.append(asked | {"status": int(status[:3])})
            return start(status, *more)

        return application(environ | {"wsgi.input": BytesIO(body)}, started)

    return heard


def told(results: list[dict[str, Any]]) -> dict[str, str]:
    """How the last result ends: its status and its body, in the clear where it succeeded."""
    last = results[-1]
    clear = last["status"] == "succeeded" and last["body"] != "healthy"
    return {"status": last["status"], "body": base64.b64decode(last["body"]).decode() if clear else last["body"]}


# Beyond the catalogue: the AST, and what else is otherwise: the task, Focus' path and secret, Accord's settings, questions before

CT = {"key": "RID10311", "type": "EQUALS", "value": "RID10321"}
LUNG = {"key": "SNOMEDCT123037004", "type": "EQUALS", "value": "SNOMEDCT39607008"}


def some(*children: object) -> dict[str, Any]:
    return {"operand": "OR", "children": list(children)}


def age(value: object, kind: str = "BETWEEN") -> dict[str, Any]:
    return {"key": "SNOMEDCT423493009", "type": kind, "value": value}


TRAPS: dict[str, tuple[Any, dict[str, Any]]] = {
    "one-sided range": (some(age({"min": 40})), {}),
    "XOR": ({"operand": "XOR", "children": [CT]}, {}),
    "unknown type": (some(age(40, "LIKE")), {}),
    "no AST": (CT, {}),
    "several values": (some({"key": "RID10311", "type": "IN", "value": ["RID10321", "RID10312"]}), {}),
    "a number": (some(age(30, "GREATER_THAN")), {}),
    "a decimal": (some(age(30.5, "LOWER_THAN")), {}),
    "true": (some({"key": "RID10311", "type": "EQUALS", "value": True}), {}),
    "letters beyond ASCII": (some({"key": "K", "type": "EQUALS", "value": "É"}), {}),
    "five bars": (some(*[{"operand": "AND", "children": [age(n), CT]} for n in range(5)]), {}),
    "another secret": (some(), {"secret": "Secret other"}),
    "a slash more": (some(), {"path": f"{PATH}/"}),
    "no such door": (some(), {"settings": {"federation_secret": ""}}),
    "too often": (some(), {"settings": {"federation_minute": 1}, "before": 1}),
    "healthcheck": (some(), {"task": {"metadata": {"project": "focus-healthcheck"}}}),
}


def asked(proxy: Beam, name: str, ast: object, **more: object) -> dict[str, str]:
    return told(proxy.ask(task(name, ast) | more))


def lines(kind: str) -> list[dict[str, Any]]:
    return [each for each in map(json.loads, GOLDEN.read_text().splitlines()) if each["kind"] == kind]


@pytest.fixture(scope="module")
def exchanged(tmp_path_factory) -> dict[str, tuple[Sent, dict[str, str]]]:
    """Every row, asked through a proxy: what was sent to Accord, and what Focus told of its answer."""
    found = {}
    with accord(tmp_path_factory.mktemp("focus")) as (url, sent), beam() as proxy, focus(proxy.url, url + PATH, SECRET):
        for row in lines("row"):
            sent.clear()
            ended = asked(proxy, row["name"], row["ast"])
            found[row["name"]] = (list(sent), ended)
    return found


@pytest.mark.parametrize("row", lines("row"), ids=lambda row: row["name"])
def test_a_row_of_the_explorers_catalogue_is_asked_and_answered_as_recorded(exchanged, row):
    assert exchanged[row["name"]] == (row["sent"], row["told"])


@pytest.mark.parametrize("trap", lines("trap"), ids=lambda trap: trap["name"])
def test_a_trap_or_another_status_ends_as_recorded(tmp_path, trap):
    ast, more = TRAPS[trap["name"]]
    assert trapped(tmp_path, trap["name"], ast, more, focus) == (trap["sent"], trap["told"])


def trapped(folder: Path, name: str, ast: object, more: dict[str, Any], runs: Any) -> tuple[Sent, dict[str, str]]:
    """Ask a trap of an Accord of its own, through whatever plays Focus; where a minute has one question, the second one."""
    before = more.get("before", 0)
    with accord(folder, **more.get("settings", {})) as (url, sent), beam() as proxy:
        with runs(proxy.url, url + more.get("path", PATH), more.get("secret", SECRET)):
            for number in range(before):
                asked(proxy, f"{name} {number}", ast)
            ended = asked(proxy, name, ast, **more.get("task", {}))
        return sent[before:], ended


def test_every_trap_was_recorded():
    assert [trap["name"] for trap in lines("trap")] == list(TRAPS)
