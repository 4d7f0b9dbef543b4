"""What bodies say is for ever: members of each version, times and None, and what every body ever written is about."""

from dataclasses import fields
from datetime import UTC, datetime

import pytest

from consent.agreement import MOVES, SIGNATURES, Means, Side
from consent.conditions import AccessClass, Action, Purpose, Visibility
from consent.entries import (
    KINDS,
    STUDIES_IN_A_BODY,
    AgreementDrafted,
    AgreementMoved,
    BatchOpened,
    PartyAdded,
    Target,
    TargetType,
    study_parts,
    targets_of,
)
from consent.terms import Answer

AT = datetime(2026, 11, 22, 12, 0, 0, 5, tzinfo=UTC)

FORMS = {
    ("batch.opened", 1): "batch calling dataset door provider",
    ("batch.closed", 2): "agreement batch dataset digest door files outcomes part parts provider studies terms",
    ("use.opened", 1): "action agreement dataset purpose study terms window",
    ("use.closed", 1): "accesses action digest purpose study window",
    ("use.exported", 1): "action agreement dataset digest export purpose resources terms",
    ("govern.party.add", 2): "approved external party role",
    ("govern.party.set", 2): "approved external name party role",
    ("govern.party.admit", 1): "party",
    ("govern.terms.add", 2): "asked contains effective_at renewal sha256 terms",
    **{(f"govern.terms.{verb}", 1): "agreements on_paper party sha256 terms" for verb in Answer},
    ("govern.acceptance.add", 1): "party sha256 subject terms",
    ("govern.agreement.apply", 1): "agreement provider",
    ("govern.agreement.add", 2): (
        "access_class actions agreement cancers circumstances data_use ends external federated hosting listed means modalities "
        "node provider purposes sha256 sop_classes starts state terms version visibility"
    ),
    **{
        (f"govern.agreement.{verb}", 4): "agreement change circumstance provider reason side state version"
        for verb in MOVES
        if verb not in SIGNATURES
    },
    **{
        (f"govern.agreement.{verb}", 1): "agreement change file means provider sha256 side state statement version"
        for verb in SIGNATURES
    },
    ("govern.dataset.add", 1): "agreement dataset",
    **{(f"govern.dataset.move.{verb}", 1): "agreement dataset left side" for verb in ("propose", "confirm", "refuse")},
    ("govern.dataset.set", 2): "dataset details",
    ("govern.node.add", 2): "allow hosting node node_kind",
    ("govern.node.set", 1): "allow hosting moved networks node",
    ("govern.node.sync", 1): "dataset ended node",
    **{(f"govern.node.{verb}", 1): "node state" for verb in ("link", "suspend", "unlink", "remove")},
    ("govern.sender.add", 4): "aet associations certificates dataset network scp tls",
    ("govern.sender.attest", 1): "aet attested_by attested_on dataset",
    ("govern.sender.remove", 1): "aet dataset",
    ("govern.client.add", 2): "client node party purposes scopes terms viewer",
    ("govern.client.set", 3): "client enabled keys node purposes scopes terms viewer",
    ("govern.ae.add", 2): "aet associations certificates client networks purpose scp tls",
    ("govern.ae.remove", 1): "aet client",
    ("govern.permit.add", 3): "dataset ends evidence export party",
    ("govern.permit.revoke", 1): "dataset party",
    **{(f"govern.batch.{verb}", 2): "batch dataset objects reason" for verb in ("release", "refuse")},
    ("govern.study.withdraw", 3): "circumstance dataset objects reason replace side study until",
    ("govern.study.restore", 1): "dataset objects reason study",
    ("govern.study.hasten", 1): "dataset objects reason study",
    ("govern.study.purge", 1): "dataset files kept part parts study taken takers",
    **{(f"govern.dataset.{verb}", 1): "circumstance dataset reason side until" for verb in ("withdraw", "restore")},
    **{(f"govern.exclusion.{verb}", 1): "circumstance client party reason" for verb in ("add", "lift")},
    **{(f"govern.proposal.{verb}", 1): "act digest proposal reason" for verb in ("make", "confirm", "refuse", "alone")},
    ("govern.keys.rotate", 1): "key retired",
    **{(f"govern.notice.{verb}", 1): "deliveries notice notice_kind party" for verb in ("send", "acknowledge")},
    **{(f"govern.publication.{verb}", 1): "dataset doi publication summary title" for verb in ("add", "doi", "remove")},
    ("govern.block.lift", 1): "blocks uid",
    **{(f"govern.person.{verb}", 1): "issuer person" for verb in ("invite", "join", "block", "unblock")},
    ("govern.person.add", 1): "party person purposes role",
    ("govern.person.sessions", 1): "person sessions",
    ("govern.peer.add", 1): "peer peer_kind url",
    ("govern.peer.remove", 1): "peer",
    ("federation.asked", 1): "peers query question sha256",
    **{(f"govern.role.{verb}", 1): "party person purposes role" for verb in ("give", "take")},
}
"""(kind, version) → its members. A line of this table is never changed: a body that says more is a version more."""


def test_every_kind_says_what_its_version_says():
    forms = {(kind, c.VERSION): " ".join(sorted(f.name for f in fields(c) if f.name != "verb")) for kind, c in KINDS.items()}
    assert forms == FORMS


def test_a_body_says_its_version_kind_time_and_actor_and_leaves_out_what_is_none():
    entry = BatchOpened(batch="1", dataset="LUNG", provider="p", door="push", calling=None)
    head = {"v": 1, "kind": "batch.opened", "at": "2026-11-22T12:00:00.000005+00:00", "actor": "client:a"}
    assert entry.body(AT, "client:a") == head | {"batch": "1", "dataset": "LUNG", "provider": "p", "door": "push"}


def test_a_time_is_written_to_the_microsecond_even_when_it_has_none():
    entry = PartyAdded(party="p", role="user", approved=True, external=False)
    assert entry.body(AT.replace(microsecond=0), "a")["at"] == "2026-11-22T12:00:00.000000+00:00"


def test_truth_is_a_number_a_set_its_words_in_order_and_a_time_its_text():
    entry = AgreementDrafted(
        agreement="A",
        version=1,
        state="draft",
        provider="p",
        node="n",
        terms="1.0.0",
        starts=AT,
        ends=None,
        access_class=AccessClass.DEFAULT,
        listed=False,
        actions=frozenset({Action.QUERY, Action.EXPORT}),
        visibility=Visibility.FULL,
        purposes=frozenset({Purpose.AI_TRAINING}),
        hosting="central",
        data_use="GRU",
        cancers=frozenset(),
        modalities=frozenset({"MR", "CT"}),
        sop_classes=frozenset(),
        circumstances=frozenset(),
        means=Means.CODE,
        sha256="00",
        external=False,
        federated=True,
    )
    body = entry.body(AT, "a")
    assert (body["listed"], body["actions"], body["purposes"]) == (0, "export query", "AITRAIN")
    assert (body["starts"], "ends" in body) == (AT.isoformat(), False)


def test_the_verb_of_an_act_is_part_of_its_kind_and_no_member():
    moved = AgreementMoved(
        verb="suspend",
        agreement="A",
        version=3,
        state="suspended",
        change=None,
        provider="p",
        side=Side.PROVIDER,
        reason=None,
        circumstance=None,
    )
    body = moved.body(AT, "a")
    assert (body["kind"], body["side"], "verb" in body) == ("govern.agreement.suspend", "provider", False)


EVER_WRITTEN = {
    "batch.opened": ({"batch": "b", "dataset": "LUNG"}, ["dataset LUNG"]),
    "batch.closed": ({"dataset": "LUNG", "studies": ["1.2", "1.3"]}, ["dataset LUNG", "study 1.2", "study 1.3"]),
    "use.opened": ({"study": "1.2", "dataset": "LUNG", "agreement": "A@1"}, ["study 1.2"]),
    "use.closed": ({"study": "1.2"}, ["study 1.2"]),
    "use.exported": ({"export": "e", "dataset": "LUNG", "agreement": "A@1"}, ["dataset LUNG"]),
    "govern.terms.add": ({"terms": "1.0.0", "sha256": "0"}, ["terms 1.0.0"]),
    "govern.terms.accept": ({"terms": "2.0.0", "party": "p", "agreements": {"A": 2}}, ["terms 2.0.0", "party p", "agreement A"]),
    "govern.acceptance.add": ({"terms": "2.0.0", "party": "u", "subject": "c"}, ["terms 2.0.0", "party u"]),
    "govern.party.admit": ({"party": "s"}, ["party s"]),
    "govern.agreement.suspend": ({"agreement": "A", "provider": "p"}, ["agreement A"]),
    "govern.agreement.apply": ({"agreement": "A", "provider": "p"}, ["agreement A"]),
    "govern.agreement.sign": ({"agreement": "A", "provider": "p", "sha256": "00"}, ["agreement A"]),
    "govern.dataset.move.confirm": ({"dataset": "LUNG", "agreement": "B", "left": "A"}, ["dataset LUNG", "agreement B"]),
    "govern.dataset.set": ({"dataset": "LUNG", "keyword": "x"}, ["dataset LUNG"]),
    "govern.node.add": ({"node": "n", "kind": "folder"}, ["node n"]),
    "govern.node.sync": ({"node": "n", "dataset": "LUNG", "ended": False}, ["node n", "dataset LUNG"]),
    "govern.sender.add": ({"dataset": "LUNG", "from": "10.0.0.0/8"}, ["dataset LUNG"]),
    "govern.ae.add": ({"client": "c", "aet": "PACS", "networks": "10.0.0.0/8"}, ["client c"]),
    "govern.permit.add": ({"dataset": "LUNG", "party": "u"}, ["dataset LUNG"]),
    "govern.client.add": ({"client": "c", "party": "p", "node": "n", "terms": "1.0.0"}, ["client c"]),
    "govern.batch.release": ({"batch": "b", "dataset": "LUNG"}, ["batch b"]),
    "govern.study.withdraw": ({"study": "1.2", "dataset": "LUNG"}, ["study 1.2"]),
    "govern.block.lift": ({"uid": "1.2"}, ["block 1.2"]),
    "govern.person.join": ({"person": "ada", "issuer": "https://login.example.org"}, ["person ada"]),
    "govern.role.give": ({"person": "ada", "party": "h", "role": "signatory"}, ["person ada", "party h"]),
    "govern.peer.add": ({"peer": "upv", "peer_kind": "accord", "url": "https://a.example"}, ["peer upv"]),
    "federation.asked": ({"query": "1", "peers": ["upv", "huvr"]}, ["peer upv", "peer huvr"]),
    "of.a.later.release": ({"study": "1.2"}, []),
}
"""Kind → (a body of its first version, what it is about)."""


@pytest.mark.parametrize("kind", EVER_WRITTEN)
def test_what_a_body_is_about_is_read_from_it_alone(kind):
    body, about = EVER_WRITTEN[kind]
    assert [f"{target.type} {target.key}" for target in targets_of(kind, body)] == about


def test_a_study_named_twice_is_one_target():
    assert targets_of("batch.closed", {"studies": ["1.2", "1.2"]}) == (Target(TargetType.STUDY, "1.2"),)


@pytest.mark.parametrize(("studies", "sizes"), [(0, [0]), (1, [1]), (500, [500]), (501, [500, 1]), (1500, [500, 500, 500])])
def test_studies_are_told_in_parts_and_none_is_left_out(studies, sizes):
    uids = [f"1.2.{n}" for n in range(studies)]
    parts = study_parts(uids)
    assert [len(part) for part in parts] == sizes
    assert [uid for part in parts for uid in part] == uids
    assert STUDIES_IN_A_BODY * 66 < 65_535
