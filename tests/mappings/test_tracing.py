"""Entries of the ledger as EUCAIM's tracing service takes them: exactly the members that its v2 allows."""

from base64 import b64encode
from hashlib import sha3_256

import pytest

from consent.entries import KINDS as ENTRIES
from mappings.tracing import KINDS, to_traces

IDS, UNDER = {"LUNG": "1a1a6653", "BREAST": "BREAST"}, {"DSA": ["LUNG", "BREAST"]}
HASH = b64encode(sha3_256(b"leaf").digest()).decode()
UPDATED = {"userAction": "UPDATE_DATASET", "userId": "u", "datasetId": "1a1a6653"}
USED = {"userAction": "USE_DATASETS", "userId": "u", "datasetsIds": ["1a1a6653"], "toolName": "Accord", "toolVersion": "1.0"}


@pytest.mark.parametrize(
    ("kind", "body", "traces"),
    [
        (
            "govern.dataset.add",
            {"dataset": "LUNG", "agreement": "DSA"},
            [
                {
                    "userAction": "CREATE_DATASET",
                    "userId": "u",
                    "datasetId": "1a1a6653",
                    "resources": [{"id": "ledger-leaf", "contentHash": HASH, "contentHashType": "SHA3_256"}],
                }
            ],
        ),
        ("govern.dataset.set", {"dataset": "LUNG", "details": {"identifier": "x"}}, [UPDATED | {"details": "PID_UPDATED"}]),
        (
            "govern.dataset.set",
            {"dataset": "LUNG", "contact": "x", "keyword": "y"},
            [UPDATED | {"details": "CONTACT_INFORMATION_UPDATED"}],
        ),
        ("govern.dataset.set", {"dataset": "LUNG", "details": {"keyword": "x"}}, []),
        ("use.opened", {"dataset": "LUNG", "study": "1.2", "action": "view"}, [USED]),
        ("use.exported", {"dataset": "LUNG", "export": "e"}, [USED]),
        ("use.opened", {"dataset": "GONE", "study": "1.2"}, [USED | {"datasetsIds": ["GONE"]}]),
        (
            "govern.agreement.suspend",
            {"agreement": "DSA", "state": "suspended"},
            [UPDATED | {"datasetId": id_, "details": "INVALIDATE"} for id_ in ("1a1a6653", "BREAST")],
        ),
        ("govern.agreement.terminate", {"agreement": "OTHER", "state": "terminated"}, []),
        ("govern.agreement.resume", {"agreement": "DSA", "state": "suspended"}, []),
        (
            "govern.agreement.resume",
            {"agreement": "DSA", "state": "active"},
            [UPDATED | {"datasetId": id_, "details": "REACTIVATE"} for id_ in ("1a1a6653", "BREAST")],
        ),
    ],
)
def test_an_entry_is_told_as_the_service_takes_it(kind, body, traces):
    assert to_traces(kind, {"actor": "u"} | body, b"leaf", IDS, UNDER, "1.0") == traces


def test_what_is_told_are_kinds_that_the_ledger_has():
    assert set(KINDS) <= ENTRIES.keys()


def test_no_trace_names_a_study():
    assert "1.2.3" not in str(to_traces("use.opened", {"actor": "u", "dataset": "LUNG", "study": "1.2.3"}, b"", IDS, UNDER, "1"))
