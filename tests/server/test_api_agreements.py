"""Agreements and quarantine by /api: a person of each side walks the whole way, and whoever else asks meets what is not there."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from adapters.identity import Keys
from server.usecases import identify
from server.usecases.signing import MOST_FILE
from server.usecases.take import take
from server.web import app
from tests import builders
from tests.agreed import DOCUMENTS, MANAGER, OPERATOR, SIGNATORY, STRANGER, sending
from tests.house import CALLERS, House, build

PEOPLE = {"manager": MANAGER, "signatory": SIGNATORY, "operator": OPERATOR, "stranger": STRANGER}
CLIENTS = {"manager": "provider", "signatory": "provider", "operator": "operator", "stranger": "other-provider"}


@pytest.fixture
def acting(tmp_path, monkeypatch) -> Iterator[object]:
    """Ask as a person: by the client of its organisation, with the person's actor instead of the client's."""
    house = build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"))
    runtime, outbox = sending(house.runtime)
    served, who = replace(house, runtime=runtime, flask=app.create(runtime, house.keys)), {}
    monkeypatch.setattr(identify, "_machine", lambda _row: PEOPLE[who["now"]])

    def ask(method: str, path: str, name: str, json: object = None):
        who["now"] = name
        return served.ask(method, path, CALLERS[CLIENTS[name]], **({} if json is None else {"json": json}))

    ask.house, ask.outbox = served, outbox
    yield ask
    house.runtime.close()


DECLARED = {
    "declared": ["de-identified", "kept-apart", "own-backup"],
    "documents": [{"kind": d.kind, "name": d.name, "owner": d.owner} for d in DOCUMENTS],
}


def test_both_sides_walk_the_whole_way(acting):
    new = "/api/agreements/DSA-NEW"
    made = acting("POST", "/api/agreements", "manager", {"key": "DSA-NEW", "contacts": "Mara", "data": "200 CT"})
    assert (made.status_code, made.json["state"], made.json["content"]) == (201, "applied", None)
    content = {"node": "central", "terms": "1.0.0", "modalities": ["CT"], "circumstances": ["breach"], "text": "We share."}
    assert acting("POST", f"{new}/versions", "operator", content).json == {"key": "DSA-NEW", "version": 1}
    assert acting("POST", f"{new}/acts", "operator", {"verb": "propose"}).json["state"] == "proposed"
    sent = acting("POST", f"{new}/codes", "signatory")
    assert (sent.status_code, list(sent.json)) == (201, ["ends"])
    code = acting.outbox.code
    assert code not in sent.text
    signed = acting("POST", f"{new}/signatures", "signatory", {"name": "Sam Signer", "code": code} | DECLARED)
    assert (signed.status_code, signed.json) == (201, {"key": "DSA-NEW", "state": "signed"})
    acting("POST", f"{new}/codes", "operator")
    signed = acting("POST", f"{new}/signatures", "operator", {"name": "Olga Operator", "code": acting.outbox.code})
    assert signed.json["state"] == "active"
    told = acting("GET", new, "manager").json
    assert [each["side"] for each in told["signatures"]] == ["provider", "repository"]
    assert {each["sha256"] for each in told["signatures"]} == {told["content"]["sha256"]}
    assert acting("GET", f"{new}@1/verification", "manager").json["broken"] == []
    assert acting("GET", new, "stranger").status_code == 404
    assert acting("POST", f"{new}/acts", "operator", {"verb": "suspend"}).json["title"] == "circumstance"
    assert acting("POST", f"{new}/acts", "operator", {"verb": "suspend", "circumstance": "breach"}).json["state"] == "suspended"


def test_a_dataset_moves_by_both_sides(acting):
    for verb in ("propose", "activate"):
        if verb == "propose":
            acting("POST", "/api/agreements", "manager", {"key": "DSA-B", "contacts": "Mara", "data": "CT"})
            acting("POST", "/api/agreements/DSA-B/versions", "operator", {"node": "central", "terms": "1.0.0"})
        acting("POST", "/api/agreements/DSA-B/acts", "operator", {"verb": verb})
    assert acting("POST", "/api/datasets/LUNG/moves", "signatory", {"agreement": "DSA-B"}).status_code == 201
    assert acting("GET", "/api/dataset-moves", "stranger").json == {"moves": []}
    assert [move["agreement"] for move in acting("GET", "/api/dataset-moves", "operator").json["moves"]] == ["DSA-B"]
    assert acting("POST", "/api/datasets/LUNG/moves/answer", "stranger", {"verb": "refuse"}).status_code == 404
    assert acting("POST", "/api/datasets/LUNG/moves/answer", "operator", {"verb": "confirm"}).status_code == 200
    assert acting("GET", "/api/dataset-moves", "operator").json == {"moves": []}


def test_a_provider_sees_what_waits_and_refuses_it(acting):
    runtime = acting.house.runtime
    batch = builders.batch(runtime)
    for number in (1, 2):
        take(runtime, batch, "a", builders.made(f"1.2.7.1.{number}", study="1.2.7", PatientName="Doe^Jane"))
    waiting = acting("GET", f"/api/batches/{batch.key}/waiting", "manager").json
    assert (waiting["objects"], waiting["rules"]) == (2, {"person-name": 2})
    for name, status in (("stranger", 404), ("signatory", 403)):
        assert acting("GET", f"/api/batches/{batch.key}/waiting", name).status_code == status
        assert acting("POST", f"/api/batches/{batch.key}/refusal", name, {}).status_code == status
    one = acting("POST", f"/api/batches/{batch.key}/refusal", "manager", {"objects": ["1.2.7.1.1"], "reason": "a name"})
    assert one.json == {"batch": batch.key, "objects": 1}
    assert acting("POST", f"/api/batches/{batch.key}/refusal", "manager", {"objects": ["1.2.7.1.9"]}).status_code == 404
    for name, title in (("manager", "act-not-yours"), ("stranger", "batch-unknown"), ("operator", "two-persons")):
        refused = acting("POST", f"/api/batches/{batch.key}/release", name, {})
        assert (refused.status_code in (403, 404), refused.json["title"]) == (True, title)
    assert acting("POST", f"/api/batches/{batch.key}/refusal", "operator", {}).json["objects"] == 1
    take(runtime, batch, "a", builders.made("1.2.8.1.1", study="1.2.8", InstitutionName="Hospital"))
    released = acting("POST", f"/api/batches/{batch.key}/release", "operator", {"reason": "a hospital is no person"}).json
    assert (released["objects"], released["batch"] != batch.key) == (1, True)


def test_what_is_large_is_refused_before_it_is_read(acting: object) -> None:
    house: House = acting.house  # type: ignore[attr-defined]
    assert house.runtime is not None
    large = {"name": "Sam Signer", "code": "x", "file": "A" * (MOST_FILE * 4 // 3 + 70_000)}
    assert acting("POST", "/api/agreements/DSA-LUNG/signatures", "signatory", large).status_code == 413  # type: ignore[operator]
    many = {"node": "central", "terms": "1.0.0", "data_use": ["GRU"] * 101}
    refused = acting("POST", "/api/agreements/DSA-LUNG/versions", "manager", many)  # type: ignore[operator]
    assert (refused.status_code, refused.json["where"]) == (400, "$.data_use")
