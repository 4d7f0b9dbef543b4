"""Drafting a version of an agreement: what is said of its content is checked whole, kept for ever, and agreed on from then.

Contradictions are refused at once, with both sentences.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import Connection

from adapters.sql import agreement as agreements
from adapters.sql import node as nodes
from adapters.sql.agreement import AgreementRow
from adapters.sql.ledger import About, record
from consent.agreement import CIRCUMSTANCES, AgreementVersion, DocumentVersion, Means, draft_refusal, drafted
from consent.conditions import GRANTABLE, AccessClass, Action, Conditions, DataUse, Purpose, Visibility
from consent.data_use import TERMS, contradictions, read_term
from consent.entries import AgreementDrafted
from consent.person import Act, Actor
from consent.policy import SENTENCES
from consent.signature import version_hash
from mappings.dicom.uid import legal_uid
from mappings.failures import Conflict, Invalid, NotFound
from server.usecases.naming import check_text, check_words, require, require_act
from server.usecases.runtime import Runtime

EVERY_PURPOSE = tuple(str(p) for p in Purpose)
MOST_TEXT, MOST_DEVIATIONS, MOST_WORDS, MOST_DOCUMENTS = 200_000, 5_000, 100, 20
"""Bytes of an agreement's own text, characters of deviations, words of one condition, documents of one version."""
_MODALITY, _CANCER = re.compile(r"[A-Z0-9]{2,16}"), re.compile(r"[A-Za-z][A-Za-z0-9:_-]{0,63}")
_DOCUMENT = re.compile(r"([a-z][a-z-]{0,31}) (\d{1,4}\.\d{1,4}\.\d{1,4}) ([0-9a-f]{64})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What is said of a version's content, in words; `starts` None: when it is drafted.

    `data_use` are terms as `consent.data_use.read_term` reads them, `documents` lines of kind, version and SHA-256.
    """

    node: str
    terms: str
    starts: datetime | None = None
    ends: datetime | None = None
    access_class: str = "default"
    listed: bool = True
    actions: Sequence[str] = ("query",)
    visibility: str = "none"
    purposes: Sequence[str] = EVERY_PURPOSE
    data_use: Sequence[str] = ()
    cancers: Sequence[str] = ()
    modalities: Sequence[str] = ()
    sop_classes: Sequence[str] = ()
    deviations: str = ""
    external: bool = False
    federated: bool = False
    text: str = ""
    documents: Sequence[str] = ()
    circumstances: Sequence[str] = ()
    means: str = "code"


def draft_version(runtime: Runtime, actor: Actor, key: str, content: Content) -> int:
    """Draft what is agreed on from now: an application's first version, another draft, or a change of what is in force.

    Nothing under the agreement changes by it, and what was signed of an earlier draft is not signed any more. Returns its number.
    """
    with runtime.governance_act() as connection:
        row = require(agreements.find(connection, key), "agreement", key)
        if actor.party not in (None, row.provider):
            raise NotFound("agreement-unknown", f"There is no agreement called {key}.", "agreement")
        require_act(actor, Act.DRAFT, row.provider)
        if why := draft_refusal(row.standing):
            raise Conflict("agreement-move", f"An agreement {why}.", "agreement")
        return keep_version(runtime, connection, actor.id, row, content, read_conditions(content))


def keep_version(
    runtime: Runtime, connection: Connection, actor: str, row: AgreementRow, content: Content, conditions: Conditions
) -> int:
    """Check and keep a version of an agreement's content, with its entry; its number. Raises Invalid, NotFound and Conflict."""
    now = runtime.clock()
    checked, node, terms = _checked(connection, row, content, conditions, now)
    agreements.add_version(connection, row, now, checked, node=node, terms=terms)
    record(connection, _entry(row, checked), now, actor, About(row.party))
    return checked.version


def _checked(
    connection: Connection, row: AgreementRow, content: Content, conditions: Conditions, now: datetime
) -> tuple[AgreementVersion, int, int]:
    """The version that is kept, and the ids of its node and terms."""
    node = require(nodes.find(connection, content.node), "node", content.node)
    terms, terms_sha256 = require(agreements.find_terms(connection, content.terms), "terms", content.terms)
    _check_node(connection, row, content.node)
    version = AgreementVersion(
        version=agreements.next_version(connection, row),
        terms=content.terms,
        node=content.node,
        starts=content.starts or now,
        ends=content.ends,
        conditions=conditions,
        hosting=str(node.hosting),
        terms_sha256=terms_sha256,
        text=check_text(content.text, MOST_TEXT, "text").encode(),
        documents=_documents(content.documents),
        circumstances=frozenset(check_words(content.circumstances, list(CIRCUMSTANCES), "circumstance").split()),
        means=Means(check_words([content.means], list(map(str, Means)), "means")),
    )
    _check_period(version)
    return version, node.id, terms


def _check_period(version: AgreementVersion) -> None:
    if version.ends is not None and version.ends <= version.starts:
        raise Invalid("period-empty", "The agreement's period ends before it starts.", "ends")


def _check_node(connection: Connection, row: AgreementRow, node: str) -> None:
    """What is in force stays on its node: Accord moves no bytes."""
    change = drafted(row.standing).change is not None
    there = agreements.find_version(connection, row, row.version) if change else None
    if there is not None and there.node != node:
        told = f"What is shared under this agreement rests on {there.node}. Hosting elsewhere is another agreement."
        raise Conflict("agreement-node", told, "node")


def read_conditions(content: Content) -> Conditions:
    """The conditions that are said. Raises Invalid for what can't be read, or contradicts itself: with both sentences."""
    check_words([content.access_class], [str(c) for c in AccessClass], "class")
    check_words(content.actions, [str(a) for a in sorted(GRANTABLE)], "action")
    check_words([content.visibility], [str(v) for v in Visibility], "visibility")
    check_words(content.purposes, EVERY_PURPOSE, "purpose")
    conditions = Conditions(
        AccessClass(content.access_class),
        content.listed,
        frozenset(map(Action, content.actions)),
        Visibility(content.visibility),
        frozenset(map(Purpose, content.purposes)),
        data_use=_data_use(content.data_use),
        cancers=_chosen(content.cancers, _CANCER, "cancers"),
        modalities=_chosen(content.modalities, _MODALITY, "modalities"),
        sop_classes=_sop_classes(content.sop_classes),
        deviations=check_text(content.deviations, MOST_DEVIATIONS, "deviations"),
        external=content.external,
        federated=content.federated,
    )
    if conditions.granted != conditions.actions:
        raise Invalid("export-unconditional", f"{SENTENCES['export-unconditional']} Make its class conditional.", "actions")
    if contradiction := next(contradictions(conditions, has_end=content.ends is not None), None):
        raise Invalid("conditions-contradict", contradiction, "data_use")
    return conditions


def _data_use(said: Sequence[str]) -> tuple[DataUse, ...]:
    _check_number(said, len(TERMS), "data_use")
    try:
        terms = tuple(sorted(map(read_term, said)))
    except ValueError as wrong:
        raise Invalid("data-use-unknown", str(wrong), "data_use") from None
    if len({term.code for term in terms}) < len(terms):
        raise Invalid("data-use-twice", "A data-use term is named once.", "data_use")
    return terms


def _chosen(said: Sequence[str], pattern: re.Pattern[str], where: str) -> frozenset[str]:
    _check_number(said, MOST_WORDS, where)
    if not all(pattern.fullmatch(word) for word in said):
        raise Invalid(f"{where}-unreadable", f"{where} are codes, each as {pattern.pattern}.", where)
    return frozenset(said)


def _sop_classes(said: Sequence[str]) -> frozenset[str]:
    _check_number(said, MOST_WORDS, "sop_classes")
    if not all(map(legal_uid, said)):
        raise Invalid("sop_classes-unreadable", "SOP classes are UIDs (PS3.5 9.1).", "sop_classes")
    return frozenset(said)


def _documents(said: Sequence[str]) -> tuple[DocumentVersion, ...]:
    _check_number(said, MOST_DOCUMENTS, "documents")
    lines = [_DOCUMENT.fullmatch(line) for line in said]
    if not all(lines):
        raise Invalid(
            "document-unreadable", "A document is its kind, its version and its SHA-256 in hex, by blanks.", "documents"
        )
    return tuple(sorted(DocumentVersion(*line.groups()) for line in lines if line))


def _check_number(said: Sequence[str], most: int, where: str) -> None:
    if len(said) > most:
        raise Invalid("too-many", f"{where} has at most {most} entries.", where)


def _entry(row: AgreementRow, content: AgreementVersion) -> AgreementDrafted:
    conditions, standing = content.conditions, drafted(row.standing)
    said = {
        each.name: getattr(conditions, each.name) for each in fields(conditions) if each.name not in ("data_use", "deviations")
    }
    return AgreementDrafted(
        agreement=row.key,
        version=content.version,
        state=str(standing.stage),
        provider=row.provider,
        node=content.node,
        terms=content.terms,
        starts=content.starts,
        ends=content.ends,
        hosting=content.hosting,
        data_use=" ".join(map(str, conditions.data_use)),
        circumstances=content.circumstances,
        means=content.means,
        sha256=version_hash(row.key, row.provider, content),
        **said,
    )
