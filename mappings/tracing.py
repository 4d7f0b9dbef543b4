"""Ledger entries as traces of EUCAIM's tracing-service v2: datasets made, changed and used; what it has no event for stays here.

A trace of a dataset that is made holds the SHA3-256 of its entry's leaf, so that the service vouches for our ledger.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha3_256
from typing import Any

Trace = dict[str, object]
PATH = "/api/v2/traces/"
TOOL = "Accord"
LEAF = "ledger-leaf"
CREATED = "govern.dataset.add"
DESCRIBED = "govern.dataset.set"
_USED = ("use.opened", "use.exported")
_DETAILS = {"identifier": "PID_UPDATED", "contact": "CONTACT_INFORMATION_UPDATED"}
_MOVES = {
    "govern.agreement.suspend": "INVALIDATE",
    "govern.agreement.terminate": "INVALIDATE",
    "govern.agreement.resume": "REACTIVATE",
}
KINDS = (CREATED, DESCRIBED, *_USED, *_MOVES)
"""The kinds of entries that are told."""


def to_traces(
    kind: str, body: Mapping[str, Any], leaf: bytes, ids: Mapping[str, str], under: Mapping[str, Sequence[str]], version: str
) -> list[Trace]:
    """The traces of an entry of one of KINDS: bodies of `POST /api/v2/traces/`.

    `ids`: alias → what EUCAIM calls the dataset; `under`: agreement → aliases of its datasets.
    """
    user = str(body["actor"])
    if kind in _MOVES:
        if kind == "govern.agreement.resume" and body.get("state") != "active":
            return []  # the other side's stop stands
        return [_updated(user, ids[alias], _MOVES[kind]) for alias in under.get(str(body["agreement"]), ())]
    dataset = ids.get(str(body["dataset"]), str(body["dataset"]))
    if kind == CREATED:
        content = {"id": LEAF, "contentHash": b64encode(sha3_256(leaf).digest()).decode(), "contentHashType": "SHA3_256"}
        return [{"userAction": "CREATE_DATASET", "userId": user, "datasetId": dataset, "resources": [content]}]
    if kind == DESCRIBED:
        said = body.get("details", body)
        return [_updated(user, dataset, detail) for key, detail in _DETAILS.items() if key in said]
    used = {"userAction": "USE_DATASETS", "userId": user, "datasetsIds": [dataset]}
    return [{**used, "toolName": TOOL, "toolVersion": version}]


def _updated(user: str, dataset: str, details: str) -> Trace:
    return {"userAction": "UPDATE_DATASET", "userId": user, "datasetId": dataset, "details": details}


def is_use(trace: Trace) -> bool:
    """Whether it tells of a use."""
    return trace["userAction"] == "USE_DATASETS"
