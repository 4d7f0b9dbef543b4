"""What a world says of itself, asked through its own use cases: once when it was frozen, and again after every upgrade.

Each fact is a function from a runtime to plain JSON, without ids of rows: both databases must say the same.
"""

import json
from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from adapters.sql import access
from adapters.sql import client as client_rows
from adapters.sql import tables as t
from consent.conditions import Action
from consent.policy import decide
from consent.subject import Role, Subject
from mappings.dicom.fragment import BASE
from mappings.query import EVERYTHING, Level, Page, Query
from mappings.study import study_key
from server.usecases import ledger as records
from server.usecases import read, report, search
from server.usecases.client import list_clients
from server.usecases.dataset import list_datasets
from server.usecases.deliver import Wanted
from server.usecases.identify import subject
from server.usecases.node import list_nodes
from server.usecases.runtime import Caller, Runtime
from server.usecases.sender import list_senders
from server.usecases.terms import read_terms

CALLERS = (("researcher", False), ("compute", True), ("newcomer", False), ("pacs-a", False), ("pacs-b", False), ("centre", False))
"""Registered clients, and whether each calls from inside its node's networks."""
STUDY = "1.2.3"
"""A study of which the frozen world holds two series, and uses that are over."""

FIRST = [a for a in Action if a is not Action.WITHDRAW]
"""What the frozen facts tell of: the actions that there always were."""


def caller(runtime: Runtime, client: str, *, inside: bool = False) -> Caller:
    """A registered client as caller, for the first of its purposes."""
    with runtime.store.read() as connection:
        row = client_rows.find(connection, client)
    return Caller(subject(row, inside=inside), next(iter(sorted(row.purposes)), None), tuple(row.scopes), "frozen")


def datasets(runtime: Runtime) -> dict[str, Any]:
    """Every dataset with its agreement as governance stands: state, version, conditions, permits."""
    with runtime.store.read() as connection:
        known = runtime.governance.current(connection).facts
    described = {r.alias: [r.provider_name, r.title, r.description, dict(r.details)] for r in list_datasets(runtime)}
    return {f.alias: [*described[f.alias], *_agreement(f)] for f in known}


def _agreement(f: Any) -> list[object]:
    c = f.conditions
    granted = [str(c.access_class), c.listed, sorted(c.actions), str(c.visibility), sorted(c.purposes)]
    permits = sorted([p.party, p.starts.isoformat(), p.ends and p.ends.isoformat()] for p in f.permits)
    period = [f.starts.isoformat(), f.ends and f.ends.isoformat()]
    return [f.provider, f.agreement, f.version, str(f.state), *period, f.node, str(f.node_state), f.terms, granted, permits]


def nodes(runtime: Runtime) -> dict[str, Any]:
    """Every node as it is registered."""
    rows = list_nodes(runtime)
    return {n.name: [n.kind, str(n.hosting), n.url, n.secret_file, list(n.networks), sorted(n.allow), str(n.state)] for n in rows}


def clients(runtime: Runtime) -> dict[str, Any]:
    """Every client as it is registered."""
    rows = list_clients(runtime)
    return {
        c.client_id: [c.name, c.party, c.role, c.approved, c.node, max(c.terms, default=None), sorted(c.purposes), c.enabled]
        for c in rows
    }


def senders(runtime: Runtime) -> list[Any]:
    """Every sender that is not removed."""
    return [[s.alias, s.party, s.aet, s.network, s.attested] for s in list_senders(runtime) if not s.removed]


def terms(runtime: Runtime) -> dict[str, Any]:
    """Both versions, and the newest."""
    found = [read_terms(runtime, version) for version in ("1.0.0", "1.1.0", None)]
    return {p.version: [p.sha256, p.text.decode()] for p in found}


def organisations(runtime: Runtime) -> dict[str, Any]:
    """Every organisation as the operator finds it."""
    return {o["id"]: o["name"] for o in _resources(runtime, "Organization", caller(runtime, "centre"))}


def agreements(runtime: Runtime) -> dict[str, Any]:
    """Every agreement as the operator finds it: status and provider."""
    return {c["id"]: c["status"] for c in _resources(runtime, "Consent", caller(runtime, "centre"))}


def decisions(runtime: Runtime) -> dict[str, Any]:
    """Client → dataset → action of the first release → the rule that speaks, inside and outside its node's networks."""
    with runtime.store.read() as connection:
        known = runtime.governance.current(connection).facts
    return {
        f"{client}{' inside' if inside else ''}": {
            f.alias: {str(a): decide(who.subject, a, who.purpose, f, runtime.clock()).rule for a in FIRST} for f in known
        }
        for client, inside in (*CALLERS, ("compute", False))
        if (who := caller(runtime, client, inside=inside))
    }


def studies(runtime: Runtime) -> dict[str, Any]:
    """What each caller finds by QIDO: study → modalities, classes, numbers of series and instances."""
    return {client: dict(map(_study, _found(runtime, client, Level.STUDY, inside=inside))) for client, inside in CALLERS}


def _found(runtime: Runtime, client: str, level: Level, *, inside: bool = False) -> list[dict[str, Any]]:
    asked = Query(level, EVERYTHING, Page())
    return list(map(_json, search.fragments(runtime, caller(runtime, client, inside=inside), asked)))


def _json(fragment: bytes) -> dict[str, Any]:
    """A fragment at an address that is empty."""
    return json.loads(fragment.replace(BASE.encode(), b""))


def _study(found: dict[str, Any]) -> tuple[str, list[object]]:
    values = {tag: element.get("Value", []) for tag, element in found.items()}
    return values["0020000D"][0], [
        values[tag] for tag in ("00080061", "00080062", "00100020", "00100021", "00201206", "00201208")
    ]


def instances(runtime: Runtime) -> list[list[str]]:
    """Every instance that the researcher finds: study, series, instance, class."""
    tags = ("0020000D", "0020000E", "00080018", "00080016")
    return sorted([found[tag]["Value"][0] for tag in tags] for found in _found(runtime, "researcher", Level.INSTANCE))


def imaging_studies(runtime: Runtime) -> dict[str, Any]:
    """What each caller finds as ImagingStudy: version, series and instances; and how many patients."""
    return {client: _documents(runtime, caller(runtime, client, inside=inside)) for client, inside in CALLERS}


def _documents(runtime: Runtime, asking: Caller) -> list[object]:
    found = _resources(runtime, "ImagingStudy", asking)
    told = [[d["id"], d["meta"]["versionId"], d["numberOfSeries"], d["numberOfInstances"]] for d in found]
    return [sorted(told), len(_resources(runtime, "Patient", asking))]


def metadata(runtime: Runtime) -> list[list[object]]:
    """What is told of each instance of the study: its identifiers and its number of elements."""
    found = map(_json, search.metadata(runtime, caller(runtime, "researcher"), Wanted(STUDY)))
    return sorted([m["00080018"]["Value"][0], m["0020000E"]["Value"][0], len(m)] for m in found)


def reports(runtime: Runtime) -> dict[str, Any]:
    """Every batch's report, file by file, as its provider reads it."""
    listed = report.reports(runtime, None)
    told = [report.report(runtime, Caller(Subject("told", Role.PROVIDER, r.provider)), r.key) for r in listed]
    return {r.key: [r.door, r.alias, r.provider, r.closed is not None, r.waiting, _files(r)] for r in told}


def _files(told: Any) -> list[object]:
    return [
        [f.name, f.sop_uid, f.size, str(f.outcome), f.rule, list(map(list, f.findings)), f.at.isoformat()] for f in told.files
    ]


def custody(runtime: Runtime) -> list[list[object]]:
    """Every object that is or was in care: its UID, state, rule, and whether it lies in quarantine."""
    c = t.custody.c
    with runtime.store.read() as connection:
        rows = connection.execute(select(c.sop_uid, c.state, c.rule, c.quarantined).order_by(c.id))
        return [list(row) for row in rows]


def blocks(runtime: Runtime) -> list[list[object]]:
    """Every block: whom it names, why, and whether it is in force."""
    b = t.block.c
    with runtime.store.read() as connection:
        rows = connection.execute(select(b.study_uid, b.sop_uid, b.reason, b.lifted.is_(None)).order_by(b.id))
        return [list(row) for row in rows]


def ledger(runtime: Runtime) -> list[object]:
    """That all is as recorded, over how many entries and roots."""
    checked = records.verify(runtime)
    return [checked.entries, checked.erased, checked.roots, checked.broken]


TARGETS = (
    f"ImagingStudy/{study_key(STUDY)}",
    "Endpoint/LUNG",
    "Endpoint/BREAST",
    "Consent/DSA-LUNG",
    "Consent/DSA-OVER",
    "Organization/hospital-a",
)


def provenance(runtime: Runtime) -> dict[str, Any]:
    """Target → kinds of entries and when they were recorded, as each of two callers finds them."""
    return {f"{client} {target}": _entries(runtime, client, target) for client in ("pacs-a", "centre") for target in TARGETS}


def _entries(runtime: Runtime, client: str, target: str) -> list[list[object]]:
    found = _resources(runtime, "Provenance", caller(runtime, client), ("target", target))
    return [[e["activity"]["coding"][0]["code"], e["recorded"], e["agent"][0]["who"]["identifier"]["value"]] for e in found]


def uses(runtime: Runtime) -> list[list[object]]:
    """The newest accesses."""
    with runtime.store.read() as connection:
        rows = access.recent(connection)
    return [[a.at.isoformat(), a.subject, a.action, a.purpose, a.target, a.status, a.count, a.request] for a in rows]


def _resources(runtime: Runtime, kind: str, asking: Caller, *arguments: tuple[str, str]) -> list[dict[str, Any]]:
    bundle = json.loads(read.search_resources(runtime, asking, kind, [*arguments, ("_count", "1000")]))
    return [entry["resource"] for entry in bundle.get("entry", ())]


FACTS: dict[str, Callable[[Runtime], Any]] = {
    f.__name__: f
    for f in (
        uses, datasets, nodes, clients, senders, terms, organisations, agreements, decisions, studies, instances, imaging_studies,
        metadata, reports, custody, blocks, ledger, provenance,
    )
}  # fmt: skip
"""Name → fact. `uses` comes first, since asking some of the others is a use."""
