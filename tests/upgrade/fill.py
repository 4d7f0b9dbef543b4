"""Fills a database of this release through its own use cases, once SQLite and once PostgreSQL, and freezes both.

`python -m tests.upgrade.fill` writes what `freeze` describes, beside itself and named by the schema's revision. What is frozen
was made by the release of its revision and is never made again: a later release adapts this file before it adds its own. Only
keys, nonces and what commits to them are left to chance.
"""

import secrets
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import count
from pathlib import Path
from unittest.mock import patch

from adapters.client_file import new_client_key
from adapters.sql import client as clients
from adapters.sql import ledger as rows
from adapters.sql import migrate
from adapters.sql import tables as t
from consent.conditions import Action
from server.usecases import document, ledger, reconcile, release, withdraw
from server.usecases.agreement import add_agreement, move_agreement
from server.usecases.batch import Batch, close_batch
from server.usecases.client import add_client, set_client
from server.usecases.dataset import add_dataset, set_dataset
from server.usecases.deliver import Wanted, deliver_made
from server.usecases.node import add_node, move_node
from server.usecases.party import add_party
from server.usecases.permit import add_permit, revoke_permit
from server.usecases.runtime import Runtime
from server.usecases.sender import add_sender, attest_sender, remove_sender
from server.usecases.take import take
from server.usecases.terms import publish_terms
from tests import builders, servers
from tests.builders import ACTOR, Clock, made, sample
from tests.upgrade.facts import FACTS, STUDY, caller
from tests.upgrade.freeze import freeze, tell

HERE = Path(__file__).parent
START = datetime(2026, 10, 1, 9, 0, tzinfo=UTC)
WAITS = {"InstitutionName": "Hospital"}
EVERY = ["system/*.cruds"]
LIVED = ("propose", "activate")
AGREEMENTS = {
    "LUNG": ("hospital-a", "central", "1.0.0", (*LIVED, "suspend", "resume")),
    "BREAST": ("hospital-b", "central", "1.1.0", LIVED),
    "QUIET": ("hospital-b", "central", "1.0.0", LIVED),
    "FAR": ("hospital-a", "regional", "1.0.0", LIVED),
    "PAUSED": ("hospital-a", "central", "1.0.0", LIVED),
    "OVER": ("hospital-b", "central", "1.0.0", LIVED),
    "PLAN": ("hospital-a", "orthanc", "1.1.0", ()),
    "OFFERED": ("hospital-b", "orthanc", "1.1.0", ("propose",)),
}
"""Alias → provider, node, terms, moves; three move again when something rests under them."""
CONDITIONS = {
    "LUNG": {
        "access_class": "conditional",
        "actions": ("query", "process", "export"),
        "visibility": "full",
        "purposes": ("AIRESEARCH", "AITRAIN"),
    },
    "BREAST": {"access_class": "conditional", "visibility": "preview", "ends": datetime(2028, 1, 1, tzinfo=UTC)},
    "QUIET": {"listed": False},
    "PLAN": {"listed": False, "access_class": "conditional"},
}
CLIENTS = {
    "researcher": ("university", None, ("AIRESEARCH", "AITRAIN"), "1.0.0"),
    "compute": ("university", "central", ("AITRAIN", "FEDLEARN"), "1.1.0"),
    "newcomer": ("startup", None, ("AIRESEARCH",), None),
    "pacs-a": ("hospital-a", None, (), "1.0.0"),
    "pacs-b": ("hospital-b", None, (), "1.0.0"),
    "centre": ("centre", None, (), None),
    "former": ("elsewhere", None, ("AIRESEARCH",), "1.0.0"),
}
"""Client → organisation, node, purposes, terms."""


class Cut(BaseException):
    """The process ends here."""


def live(runtime: Runtime, clock: Clock, jwks: dict[str, object]) -> None:
    """Live for an hour and a half, and stop in the middle of it."""
    govern(runtime, jwks)
    clock.on(3600)
    deposit(runtime, clock)
    decide(runtime, clock)
    use(runtime, clock)
    keep(runtime, clock)
    leave_behind(runtime, clock)


def govern(runtime: Runtime, jwks: dict[str, object]) -> None:
    """Terms, nodes, organisations, agreements, datasets, senders, clients, permits."""
    publish_terms(runtime, ACTOR, "1.0.0", b"Never for diagnosis.\n")
    publish_terms(runtime, ACTOR, "1.1.0", "Never for diagnosis, jamás.\n".encode())
    add_node(runtime, ACTOR, "central", kind="folder", hosting="central", url="central", networks=["127.0.0.0/8", "::1/128"])
    add_node(runtime, ACTOR, "regional", kind="folder", hosting="federated", url="regional", allow=["anonymous", "plain"])
    orthanc = {"kind": "orthanc", "hosting": "federated", "url": "http://127.0.0.1:8042", "secret_file": "/run/secrets/orthanc"}
    add_node(runtime, ACTOR, "orthanc", **orthanc)
    move_node(runtime, ACTOR, "orthanc", "unlink")
    for key, role in PARTIES.items():
        add_party(runtime, ACTOR, key, key.replace("-", " ").title(), role, approved=key != "startup")
    for alias, (provider, node, terms, moves) in AGREEMENTS.items():
        links = {"provider": provider, "node": node, "terms": terms, "starts": START}
        add_agreement(runtime, ACTOR, f"DSA-{alias}", **links, **{"visibility": "full"} | CONDITIONS.get(alias, {}))
        add_dataset(runtime, ACTOR, alias, f"DSA-{alias}", f"Dataset {alias}", "Frozen.")
        for verb in moves:
            move_agreement(runtime, ACTOR, f"DSA-{alias}", verb)
    set_dataset(runtime, ACTOR, "LUNG", builders.DETAILS | {"condition": "CLIN1000057", "keyword": "frozen"})
    add_sender(runtime, ACTOR, "LUNG", "STORESCU", "127.0.0.1/32")
    attest_sender(runtime, ACTOR, "LUNG", "STORESCU", "Dr. Attest", "2026-09-30")
    add_sender(runtime, ACTOR, "LUNG", "OLDPACS", "10.1.0.0/16")
    remove_sender(runtime, ACTOR, "LUNG", "OLDPACS")
    add_sender(runtime, ACTOR, "BREAST", "MAMMO", "::1/128")
    for client, (party, node, purposes, terms) in CLIENTS.items():
        links = {"party": party, "node": node, "terms": terms}
        add_client(runtime, ACTOR, client, **links, purposes=purposes, scopes=EVERY, jwks=jwks)
    set_client(runtime, ACTOR, "former", enabled=False)
    add_permit(runtime, ACTOR, "BREAST", "university", datetime(2027, 6, 1, tzinfo=UTC))
    add_permit(runtime, ACTOR, "LUNG", "university", export=True)
    add_permit(runtime, ACTOR, "BREAST", "elsewhere")
    revoke_permit(runtime, ACTOR, "BREAST", "elsewhere")


PARTIES = {
    "hospital-a": "provider",
    "hospital-b": "provider",
    "university": "user",
    "startup": "user",
    "centre": "operator",
    "elsewhere": "repository",
}


def opened(runtime: Runtime, alias: str, door: str) -> Batch:
    """A batch of the dataset's provider."""
    return builders.batch(runtime, alias, provider=AGREEMENTS[alias][0], door=door)


def take_all(runtime: Runtime, batch: Batch, *files: tuple[str, memoryview, str]) -> None:
    """Take named files, each of which must come out as said."""
    for name, file, outcome in files:
        taken = take(runtime, batch, name, file)
        assert f"{taken.outcome} {taken.rule}" == outcome, (name, taken)
        runtime.clock.on(1)


def dicom(name: str, outcome: str) -> tuple[str, memoryview, str]:
    """A sample, by its own name."""
    return name, sample(name), outcome


def small(uid: str, outcome: str = "pass declared", **elements: object) -> tuple[str, memoryview, str]:
    """A made image `study.series.instance`."""
    study = ".".join(uid.split(".")[:3])
    series = ".".join(uid.split(".")[:4])
    return f"{uid}.dcm", made(uid, study=study, series=series, **elements), outcome


def deposit(runtime: Runtime, clock: Clock) -> None:
    """Every door, every outcome, every dataset that takes something."""
    association = builders.association(runtime)
    take_all(runtime, association, *(dicom(f"ct/liver/{n}.dcm", "pass attested") for n in ("01", "02")))
    take_all(runtime, association, dicom("seg/liver_seg.dcm", "pass attested"), dicom("mr/emri_small.dcm", "pass declared"))
    take_all(
        runtime, association, dicom("mr/emri_small.dcm", "duplicate known"), dicom("charset/chrFren.dcm", "review person-name")
    )
    take_all(runtime, association, dicom("malformed/no_meta.dcm", "reject not-dicom"))
    close_batch(runtime, association.id)
    request = opened(runtime, "LUNG", "stow")
    words = {"StudyDescription": "Überblick", "PatientSex": "F", "PatientAge": "061Y", "PatientName": "P1", "SeriesNumber": 1}
    take_all(runtime, request, *(small(f"1.2.3.1.{n}", InstanceNumber=n, **words) for n in (1, 2)))
    take_all(runtime, request, small("1.2.3.1.1", "reject content-conflict", InstanceNumber=9, **words))
    take_all(runtime, request, dicom("charset/chrGreek.dcm", "reject person-name"))
    take_all(runtime, request, *(small(f"1.2.{study}.1.1") for study in (20, 21, 22)))
    close_batch(runtime, request.id)
    clock.on(10)
    document.rebuild(runtime)
    again = opened(runtime, "LUNG", "stow")
    take_all(runtime, again, small("1.2.3.2.1", Modality="PT", BodyPartExamined="CHEST", **words | {"SeriesNumber": 2}))
    close_batch(runtime, again.id)
    for alias, uid in (("QUIET", "1.2.6.1.1"), ("FAR", "1.2.7.1.1"), ("PAUSED", "1.2.8.1.1"), ("OVER", "1.2.9.1.1")):
        push = opened(runtime, alias, "push")
        take_all(runtime, push, small(uid, Modality="CT", PatientID=f"P-{alias}", PatientName=f"P-{alias}"))
        close_batch(runtime, push.id)
    breast = opened(runtime, "BREAST", "push")
    take_all(runtime, breast, *(small(f"1.2.5.1.{n}", Modality="MG", PatientID="P5", PatientName="P5") for n in (1, 2)))
    close_batch(runtime, breast.id)
    clock.on(10)
    document.rebuild(runtime)


def decide(runtime: Runtime, clock: Clock) -> None:
    """What waits is released, refused, corrected or waits on; studies are withdrawn; blocks are lifted; a crash is worked off."""
    push = opened(runtime, "LUNG", "push")
    take_all(runtime, push, *(small(f"1.2.{study}.1.1", "review institution", **WAITS) for study in (10, 11, 23, 24, 25)))
    take_all(runtime, push, small("1.2.25.1.1", "review institution", InstitutionName="Corrected"))
    close_batch(runtime, push.id)
    release.release(runtime, ACTOR, push.key, frozenset({"1.2.10.1.1"}))
    release.refuse(runtime, ACTOR, push.key, frozenset({"1.2.23.1.1"}))
    for study in ("1.2.20", "1.2.21"):
        withdraw.withdraw_study(runtime, ACTOR, study)
    reconcile.purge(runtime)
    withdraw.lift_block(runtime, ACTOR, "1.2.21")
    crash(runtime, "1.2.26.1.1", "stored")
    clock.on(700)
    reconcile.recover(runtime)
    document.rebuild(runtime)


def crash(runtime: Runtime, uid: str, point: str) -> None:
    """A process that ends at this point of custody; its batch is closed when the sender has gone."""

    def reached(name: str) -> None:
        if name == point:
            raise Cut

    batch = opened(runtime, "LUNG", "push")
    try:
        take(replace(runtime, reached=reached), batch, *small(uid)[:2])
    except Cut:
        close_batch(runtime, batch.id)


def use(runtime: Runtime, clock: Clock) -> None:
    """Searches, a preview, and windows of use that are over."""
    for client, study, action in (
        ("researcher", STUDY, Action.EXPORT),
        ("researcher", STUDY, Action.EXPORT),
        ("pacs-a", STUDY, Action.VIEW),
        ("researcher", "1.2.5", Action.PREVIEW),
    ):
        retrieved(runtime, client, study, action)
    FACTS["studies"](runtime)
    FACTS["organisations"](runtime)
    runtime.accesses.flush()
    clock.on(700)
    ledger.close_windows(runtime)
    with runtime.store.write() as connection:
        clients.use_assertion(connection, "researcher", "assertion-1", datetime(2027, 1, 1, tzinfo=UTC), runtime.clock())


def retrieved(runtime: Runtime, client: str, study: str, action: Action) -> None:
    """A use, recorded before its first byte."""
    asking = caller(runtime, client, inside=client == "compute")
    deliver_made(runtime, asking, Wanted(study), action, bytes)


def keep(runtime: Runtime, clock: Clock) -> None:
    """Two roots, and one body that may no longer be read."""
    ledger.sequence(runtime)
    ledger.checkpoint(runtime)
    with runtime.store.write() as connection:
        erased = next(e.id for e in rows.read_rows(connection) if b'"party":"startup","role"' in (e.body or b""))
        connection.execute(t.ledger_body.delete().where(t.ledger_body.c.id == erased))
    set_client(runtime, ACTOR, "researcher", terms="1.1.0")
    clock.on(60)
    ledger.sequence(runtime)
    ledger.checkpoint(runtime)


def leave_behind(runtime: Runtime, clock: Clock) -> None:
    """What the next release finds unfinished: claims, purges, an open batch, an open window, a study without its document."""
    waiting = reports_of(runtime, "1.2.24.1.1")
    release.refuse(runtime, ACTOR, waiting, frozenset({"1.2.24.1.1"}))
    withdraw.withdraw_study(runtime, ACTOR, "1.2.22")
    crash(runtime, "1.2.30.1.1", "stored")
    crash(runtime, "1.2.31.1.1", "claimed")
    left = opened(runtime, "LUNG", "push")
    take_all(runtime, left, small("1.2.40.1.1"), small("1.2.41.1.1", "review institution", **WAITS))
    retrieved(runtime, "compute", STUDY, Action.PROCESS)
    move_agreement(runtime, ACTOR, "DSA-PAUSED", "suspend")
    move_agreement(runtime, ACTOR, "DSA-OVER", "terminate")
    move_node(runtime, ACTOR, "regional", "suspend")
    clock.on(240)


def reports_of(runtime: Runtime, uid: str) -> str:
    """The key of the batch that brought this object."""
    return next(key for key, told in FACTS["reports"](runtime).items() if any(f[1] == uid for f in told[-1]))


def fill(folder: Path, url: str, jwks: dict[str, object]) -> dict[str, object]:
    """Freeze a runtime on this database, whose keys come in the same order on every one; what it tells of itself."""
    number, clock = count(), Clock(START)
    runtime = replace(builders.runtime(folder, url=url, clock=clock), holder="frozen:1:0")
    with patch.object(secrets, "token_hex", lambda size: sha256(b"%d" % next(number)).hexdigest()[: 2 * size]):
        live(runtime, clock, jwks)
    runtime.accesses.close()
    samples = freeze(runtime, HERE / str(migrate.newest()))
    told = {"at": clock.at.isoformat(), "samples": samples, "facts": {name: fact(runtime) for name, fact in FACTS.items()}}
    runtime.close()
    return told


def main() -> None:
    """Both databases must tell the same."""
    _, jwks = new_client_key()
    with tempfile.TemporaryDirectory() as folder, servers.postgresql_server() as new_database:
        told, same = (fill(Path(folder, name), url, jwks) for name, url in (("a", ""), ("b", new_database())))
    assert told == same
    tell(HERE / str(migrate.newest()), told)


if __name__ == "__main__":
    main()
