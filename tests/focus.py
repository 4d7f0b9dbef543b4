"""Focus 0.19 in its place: what samply/focus does with a task where `ENDPOINT_TYPE` is omop, byte for byte as it was recorded."""

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from tests.beam import APP, KEY
from tests.running import CLEAR

HEADERS = {"Content-Type": "application/json", "Accept": "*/*", "User-Agent": "Samply.Focus.focus/0.19.0"}
"""Beside Authorization, Host and Content-Length."""
PROVIDER, ICON = "Hospital", "aWNvbg=="
UNREAD, FAILED = "Cannot parse query.", "Failed to execute query."
"""What it reports instead of why."""
_TYPES = {"EQUALS", "NOT_EQUALS", "IN", "BETWEEN", "LOWER_THAN", "GREATER_THAN", "CONTAINS"}


@contextmanager
def focus(beam: str, endpoint: str, secret: str) -> Iterator[None]:
    """It works off what the proxy has, until the block ends."""
    made, ended = _Focus(beam, endpoint, secret), threading.Event()
    thread = threading.Thread(target=made.until, args=(ended,))
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@dataclass(frozen=True)
class _Focus:
    beam: str
    endpoint: str
    secret: str

    def until(self, ended: threading.Event) -> None:
        with httpx.Client(verify=CLEAR, timeout=30) as http:
            while not ended.is_set():
                self._round(http)

    def _round(self, http: httpx.Client) -> None:
        """One poll: 200 or 206 has tasks, 504 has none."""
        proof = {"Authorization": f"ApiKey {APP} {KEY}"}
        polled = http.get(f"{self.beam}/v1/tasks?filter=todo&wait_time=10s&wait_count=1", headers=proof)
        for task in polled.json() if polled.status_code in (200, 206) else ():
            result = {"from": APP, "to": [task["from"]], "task": task["id"], "metadata": None}
            to = f"{self.beam}/v1/tasks/{task['id']}/results/{APP}"
            http.put(to, json=result | {"status": "claimed", "body": None}, headers=proof)
            status, body = self._answered(http, task)
            http.put(to, json=result | {"status": status, "body": body}, headers=proof)

    def _answered(self, http: httpx.Client, task: dict[str, Any]) -> tuple[str, str]:
        """Exactly 200 is an answer; the provider's name and icon are written behind its first brace."""
        if task["metadata"]["project"] == "focus-healthcheck":
            return "succeeded", "healthy"
        try:
            question = posted(task["body"])
        except (ValueError, KeyError, TypeError):
            return "permfailed", UNREAD
        answer = http.post(self.endpoint, content=question, headers=HEADERS | {"Authorization": self.secret})
        if answer.status_code != 200:
            return "permfailed", FAILED
        named = answer.text.replace("{", f'{{"provider":"{PROVIDER}","provider_icon":"{ICON}",', 1)
        return "succeeded", base64.b64encode(named.encode()).decode()


def posted(body: str) -> str:
    """The question as it goes to the provider; raises ValueError, KeyError or TypeError for what Focus can't read."""
    asked = json.loads(base64.b64decode(json.loads(base64.b64decode(body))["query"]))
    return json.dumps({"ast": _operation(asked["ast"]), "id": asked["id"]}, indent=2, ensure_ascii=False)


def _operation(node: dict[str, Any]) -> dict[str, Any]:
    if node["operand"] not in ("AND", "OR"):
        raise ValueError(node["operand"])
    return {"operand": node["operand"], "children": [_child(each) for each in node["children"]]}


def _child(node: dict[str, Any]) -> dict[str, Any]:
    if "operand" in node:
        return _operation(node)
    if node["type"] not in _TYPES:
        raise ValueError(node["type"])
    return {"key": node["key"], "type": node["type"], "value": _value(node["value"])}


def _value(value: Any) -> object:
    """Numbers become decimals; an object is a range with both ends."""
    if isinstance(value, dict):
        return {end: _value(value[end]) for end in ("min", "max")}
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
