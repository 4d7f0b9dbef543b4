"""Documents, acceptances and providers' answers at their doors."""

import pytest

from adapters.identity import Keys
from consent.person import Actor, PersonRole
from consent.terms import Answer
from server.usecases import renewal
from server.usecases.terms import Draft, publish, read_terms
from tests.house import CALLERS, build

OPERATOR = Actor("operator:test", None, frozenset({PersonRole.OPERATOR}), is_local=True)


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    folder = tmp_path_factory.mktemp("documents")
    made = build(folder, Keys.load_or_make(folder / "keys.json"))
    publish(made.runtime, OPERATOR, Draft(version="2.0.0", text=b"New.\n", needs_renewal=True, summary="Newer"))
    yield made
    made.runtime.close()


def test_anybody_reads_which_versions_there_are(house):
    told = house.ask("GET", "/api/documents").json["documents"]
    assert [(d["version"], d["needs_renewal"], d["summary"]) for d in told] == [("1.0.0", False, ""), ("2.0.0", True, "Newer")]


def test_a_user_accepts_by_the_bytes_it_read_and_is_told_what_it_accepted(house):
    digest = read_terms(house.runtime, "2.0.0").sha256
    asked = {"kind": "general", "version": "2.0.0", "sha256": digest}
    for wrong, status in (({"sha256": "0" * 64}, 409), ({"version": "9.0.0"}, 404), ({"sha256": "x"}, 400), ({"kind": "x"}, 400)):
        assert house.ask("POST", "/api/acceptances", CALLERS["user"], json=asked | wrong).status_code == status
    for _ in range(2):
        told = house.ask("POST", "/api/acceptances", CALLERS["user"], json=asked)
        assert (told.status_code, told.json["subject"], told.json["party"]) == (201, "researcher", "university")
    kept = house.ask("GET", "/api/acceptances", CALLERS["user"]).json["acceptances"]
    assert [(a["version"], a["sha256"] == digest) for a in kept] == [("1.0.0", False), ("2.0.0", True)]


def test_a_provider_sees_its_own_task_and_the_operator_all(house):
    told = {who: house.ask("GET", "/api/terms-tasks", CALLERS[who]).json["tasks"] for who in ("provider", "operator", "user")}
    assert {who: [(k["party"], k["answer"]) for k in tasks] for who, tasks in told.items()} == {
        "provider": [("hospital-a", None)],
        "operator": [("hospital-a", None), ("hospital-b", None)],
        "user": [],
    }


@pytest.mark.parametrize("who", ["provider", "other-provider", "operator", "user"])
def test_no_client_answers_for_a_provider_since_only_a_signatory_does(house, who):
    asked = {"party": "hospital-a", "answer": "accept"}
    refused = house.ask("POST", "/api/terms-tasks/2.0.0", CALLERS[who], json=asked)
    assert (refused.status_code, refused.json["title"]) == (403, "act-not-yours")


def test_a_signatory_s_answer_is_told(house):
    signatory = Actor("person:s", "hospital-b", frozenset({PersonRole.SIGNATORY}))
    renewal.answer(house.runtime, signatory, "hospital-b", "2.0.0", Answer.DECLINE)
    told = house.ask("GET", "/api/terms-tasks", CALLERS["other-provider"]).json["tasks"]
    assert [(k["answer"], k["answered"] is not None) for k in told] == [("decline", True)]
