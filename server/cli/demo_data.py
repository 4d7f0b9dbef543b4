"""The demo's world, all of it invented and marked DEMO: two hospitals, a university, their agreements, datasets and clients.

Everything is made by the same use cases as `accord admin`; images come in through the real doors.
"""

import csv
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from adapters.client_file import ClientFile, new_client_key, read_client, write_client
from consent.deposit import Outcome
from consent.person import Actor, PersonRole, person_id
from consent.terms import DocumentKind
from server.usecases import release
from server.usecases.acceptance import accept
from server.usecases.agreement import add_agreement, move_agreement
from server.usecases.client import add_client
from server.usecases.dataset import add_dataset, set_dataset
from server.usecases.entity import add_entity, list_entities
from server.usecases.node import add_node
from server.usecases.party import add_party, list_parties
from server.usecases.permit import add_permit
from server.usecases.person import add_person, list_people
from server.usecases.runtime import Runtime
from server.usecases.sender import add_sender, attest_sender
from server.usecases.terms import publish_terms, read_terms

ACTOR = "operator:demo"
TERMS = "1.0.0"
PACS = "DEMOPACS"
QUERY = "DEMOQUERY"
ATTESTED, OPEN = "DEMO-LIVER", "DEMO-MIXED"
TEXT = b"""DEMO terms of use, version 1.0.0

Data is shared for AI research, training and federated learning only. In the course of training nothing leaves; for research only
what its provider agreed to let out under conditions, to who holds a permit that names it.
Acknowledge the source. Nothing here is for diagnosis or any other clinical use.
"""
RELEASED = ("sr/qin_headneck_rwvm.dcm",)
"""What the demo's operator looked at and released; the rest waits, so that there is something to decide."""
DETAILS = {
    "version": "1.0.0",
    "interoperability": "SPEC1000011",
    "health_category": "EHRS",
    "type": "SPEC1000020;dpv:PseudonymisedData",
    "collection_method": "SPEC1000003",
    "provenance": "Public test images, pushed by the demo.",
    "contact": "demo@example.org",
}
OWN = {
    ATTESTED: {
        "title": "DEMO liver CT",
        "description": "DEMO: slices of one CT of a liver, public test images. Its condition (colon cancer) is invented.",
        "condition": "CLIN1000057",
        "body_part": "BP1000105",
        "keyword": "demo;liver",
    },
    OPEN: {
        "title": "DEMO test images of many kinds",
        "description": "DEMO: public test images of prostates, breasts, lungs, phantoms, a dog. Prostate cancer is that of some.",
        "condition": "CLIN1000075",
        "keyword": "demo;test images",
    },
}
"""What each dataset is."""
CLIENTS = {
    "provider": ("demo-hospital", ["system/*.cruds"], [], False),
    "researcher": ("demo-university", ["system/*.rs"], ["AIRESEARCH", "AITRAIN"], False),
    "inside": ("demo-university", ["system/*.rs"], ["AITRAIN", "FEDLEARN"], True),
    "operator": ("demo-repository", ["system/*.crs"], [], False),
}
"""Name → (party, scopes, purposes, bound to the node)."""


def seed(runtime: Runtime) -> bool:
    """Make the demo's governance unless it is there; whether it was made."""
    if any(party.key == "demo-hospital" for party in list_parties(runtime)):
        return False
    publish_terms(runtime, ACTOR, TERMS, TEXT)
    add_node(runtime, ACTOR, "demo-node", kind="folder", hosting="central", url="demo-node", networks=["127.0.0.0/8", "::1/128"])
    parties = {"demo-hospital": "provider", "demo-university": "user", "demo-repository": "operator"}
    for key, role in parties.items():
        add_party(runtime, ACTOR, key, f"DEMO {key.removeprefix('demo-').title()}", role)
    _agreement(runtime, ATTESTED, actions=("query", "process", "export"), access_class="conditional")
    _agreement(runtime, OPEN, actions=("query", "process"), access_class="default")
    add_permit(runtime, ACTOR, ATTESTED, "demo-university", export=True)
    attest_sender(runtime, ACTOR, ATTESTED, PACS, "Dr. Demo", "2026-11-01")
    return True


PEOPLE = {
    "demo-ada": ("Ada, an operator", "operator", None),
    "demo-grace": ("Grace, another operator", "operator", None),
    "demo-marie": ("Marie, data manager of the hospital", "data-manager", "demo-hospital"),
    "demo-lise": ("Lise, who signs for the hospital", "signatory", "demo-hospital"),
    "demo-alan": ("Alan, a researcher", "researcher", "demo-university"),
}
"""Key → (name, role, party)."""


def people(runtime: Runtime) -> None:
    """Add the demo's people, unless they are there: nobody has their links."""
    here = Actor(ACTOR, None, frozenset({PersonRole.OPERATOR}), is_local=True)
    known = {row.key for row in list_people(runtime, here)}
    for key, (name, role, party) in PEOPLE.items():
        if key not in known:
            purposes = ("AIRESEARCH",) if role == "researcher" else ()
            add_person(runtime, here, key, name=name, email=f"{key}@demo.example", role=role, party=party, purposes=purposes)
            if purposes:  # who uses data has accepted the terms
                one = Actor(person_id(key), party, frozenset({PersonRole(role)}))
                accept(runtime, one, DocumentKind.GENERAL, TERMS, read_terms(runtime, TERMS).sha256)


def _agreement(runtime: Runtime, alias: str, *, actions: tuple[str, ...], access_class: str) -> None:
    key = f"DSA-{alias}"
    start = datetime(2026, 1, 1, tzinfo=UTC)
    add_agreement(
        runtime,
        ACTOR,
        key,
        provider="demo-hospital",
        node="demo-node",
        terms=TERMS,
        starts=start,
        access_class=access_class,
        actions=actions,
        visibility="full",
        federated=True,
    )
    for verb in ("propose", "activate"):
        move_agreement(runtime, ACTOR, key, verb)
    add_dataset(runtime, ACTOR, alias, key, OWN[alias]["title"], OWN[alias]["description"])
    set_dataset(runtime, ACTOR, alias, DETAILS | OWN[alias])
    for network in ("127.0.0.1/32", "::1/128"):
        add_sender(runtime, ACTOR, alias, PACS, network)


def clients(runtime: Runtime, folder: Path) -> dict[str, Path]:
    """Name → client file; made and registered the first time, its addresses set to where this start listens.

    The researcher asks on the DICOM network too.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    files = {name: _client(runtime, name, folder / f"{name}.client.json") for name in CLIENTS}
    if all(entity.aet != QUERY for entity in list_entities(runtime)):  # a demo that was made before there were any
        here = ["127.0.0.1/32", "::1/128"]
        add_entity(runtime, ACTOR, QUERY, client="demo-researcher", networks=here, purpose="AIRESEARCH")
    return files


def _client(runtime: Runtime, name: str, path: Path) -> Path:
    party, scopes, purposes, bound = CLIENTS[name]
    if path.exists():
        private = read_client(path).private_jwk
        path.unlink()
    else:
        private, public = new_client_key()
        node = "demo-node" if bound else None
        add_client(
            runtime,
            ACTOR,
            f"demo-{name}",
            party=party,
            jwks=public,
            scopes=scopes,
            purposes=purposes,
            node=node,
            terms=TERMS,
            name=f"DEMO {name}",
        )
    purpose = purposes[0] if purposes else None
    write_client(path, ClientFile(f"demo-{name}", runtime.settings.base_url, " ".join(scopes), purpose, private))
    return path


def release_some(runtime: Runtime, key: str, receipts: Sequence[Mapping[str, str]]) -> int:
    """Release what the demo's operator is content with, from the batch that was pushed, by its provider's report."""
    waiting = (file for file in receipts if file["outcome"] == Outcome.REVIEW and file["file"].startswith(RELEASED))
    chosen = frozenset(file["sop_instance_uid"] for file in waiting)
    return release.release(runtime, ACTOR, key, chosen).objects if chosen else 0


def attested_files(samples: Path) -> list[Path]:
    """What the attested sender sends; its third slice is kept for the reader to send."""
    return [samples / "dicom" / name for name in ("ct/liver/01.dcm", "ct/liver/02.dcm")]


KEPT_BACK = "ct/liver/03.dcm"
LIVER = "1.2.392.200103.20080913.113635.0.2009.6.22.21.43.10.22941.1"
"""The study that the attested sender sends."""


def pushed_files(samples: Path) -> list[Path]:
    """What the provider's client pushes: every other sample, in the oracle's order."""
    with (samples / "expected.csv").open(newline="") as rows:
        names = [row["file"] for row in csv.DictReader(rows)]
    return [samples / "dicom" / name for name in names if not name.startswith("ct/liver/")]
