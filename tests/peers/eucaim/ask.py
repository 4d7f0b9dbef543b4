"""Asks as the explorer's page does: a question is posted to Spot, and answers come as server-sent events."""

import base64
import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from tests.beam import encoded
from tests.peers.eucaim.expected import Counts
from tests.running import CLEAR

SECONDS = 60


@dataclass(frozen=True)
class Answer:
    """How a site's task ended, and each dataset's studies and subjects where it succeeded."""

    status: str
    counts: Counts


def ask(spot: str, ast: dict[str, Any]) -> Answer:
    """One question, until the one site has ended it."""
    name = str(uuid4())
    query = encoded({"lang": "ast", "query": encoded({"ast": ast, "id": f"{name}__search__{name}"})})
    try:
        with httpx.Client(base_url=spot, timeout=SECONDS, verify=CLEAR) as http:
            asked = http.post("/beam", json={"id": name, "query": query})
            if asked.status_code != 201:
                return Answer(f"status {asked.status_code}", {})
            with http.stream("GET", f"/beam/{name}", headers={"Accept": "text/event-stream"}) as events:
                return _last(events)
    except httpx.HTTPError as error:
        return Answer(type(error).__name__, {})


def _last(events: httpx.Response) -> Answer:
    """A task is claimed first, mostly."""
    for line in events.iter_lines():
        result = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
        if result.get("status", "claimed") != "claimed":
            return Answer(result["status"], _counts(result) if result["status"] == "succeeded" else {})
    return Answer("no answer", {})


def _counts(result: dict[str, Any]) -> Counts:
    told = json.loads(base64.b64decode(result["body"]))
    return {each["id"]: (each["studies_count"], each["subjects_count"]) for each in told["collections"]}
