"""Ledger entries: a frozen class for each kind of transaction, whose fields are what its body says.

Bodies are for ever. A class's fields are its body's members; a field is never renamed, retyped or reused. A member more, or one
that means something else, is a new `VERSION` of the class. What an entry is about (its targets) is read from the body alone, by
the table `TARGETS` of its class, so that entries of every version are found and verified alike.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from consent.agreement import MOVES as AGREEMENT_MOVES
from consent.agreement import SIGNATURES, Means, Side
from consent.conditions import AccessClass, Action, Purpose, Visibility
from consent.node import MOVES as NODE_MOVES
from consent.terms import Answer

GOVERN = "govern."
"""What the kind of every act of governance begins with."""
STUDIES_IN_A_BODY = 500
"""Studies one body names: an entry of a tiled log has at most 65,535 bytes (C2SP tlog-tiles), a UID 64."""


class TargetType(StrEnum):
    """What an entry may be about."""

    STUDY = "study"
    DATASET = "dataset"
    AGREEMENT = "agreement"
    PARTY = "party"
    NODE = "node"
    CLIENT = "client"
    TERMS = "terms"
    BATCH = "batch"
    BLOCK = "block"
    PERSON = "person"
    PEER = "peer"


@dataclass(frozen=True, slots=True)
class Target:
    """One thing an entry is about: a study by its Study Instance UID, anything else by the key its noun is called by."""

    type: TargetType
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What every kind of entry can do. `TARGETS`: the members (each a key, or a list of them) that name what it is about."""

    KIND: ClassVar[str]
    VERSION: ClassVar[int] = 1
    TARGETS: ClassVar[tuple[str, ...]] = ()

    @property
    def kind(self) -> str:
        """Which kind of transaction it tells of; a governance act is `govern.<noun>.<verb>`."""
        return self.KIND

    def body(self, at: datetime, actor: str) -> dict[str, object]:
        """The entry's members; `at` in UTC to the microsecond, what is None left out."""
        facts = {f.name: _member(getattr(self, f.name)) for f in fields(self) if f.name not in _NOT_MEMBERS}
        head = {"v": self.VERSION, "kind": self.kind, "at": at.isoformat(timespec="microseconds"), "actor": actor}
        return {**head, **{name: value for name, value in facts.items() if value is not None}}


_NOT_MEMBERS = frozenset({"verb"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Act(Entry):
    """An entry whose kind ends in a verb of its noun's; the verb is no member of the body."""

    verb: str

    @property
    def kind(self) -> str:
        """`govern.<noun>.<verb>`."""
        return f"{self.KIND}.{self.verb}"


def _member(value: object) -> object:
    """A field as a body holds it."""
    if isinstance(value, frozenset):
        return " ".join(sorted(value))
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


# --- batches and uses


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOpened(Entry):
    """A door begins to take files for a dataset; `calling` is the sender's AE title, None where there is none."""

    KIND = "batch.opened"
    TARGETS = ("dataset",)
    batch: str
    dataset: str
    provider: str
    door: str
    calling: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchClosed(Entry):
    """What a batch brought: files by outcome, and the digest of its receipts (hex).

    A batch of many studies is closed by several entries in one transaction, alike but for `part` (from 1, of `parts`) and the
    studies that each names.
    """

    KIND = "batch.closed"
    VERSION = 2
    TARGETS = ("dataset", "studies")
    batch: str
    dataset: str
    provider: str
    door: str
    files: int
    outcomes: Mapping[str, int]
    studies: tuple[str, ...]
    part: int
    parts: int
    digest: str
    agreement: str
    terms: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UseOpened(Entry):
    """The first access to a study by a subject, for one action and purpose, in five minutes."""

    KIND = "use.opened"
    TARGETS = ("study",)
    study: str
    action: str
    purpose: str
    window: int
    dataset: str
    agreement: str
    terms: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UseClosed(Entry):
    """What became of a window of use: how many accesses, and the digest of their rows (hex)."""

    KIND = "use.closed"
    TARGETS = ("study",)
    study: str
    action: str
    purpose: str
    window: int
    accesses: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UseExported(Entry):
    """The first of an export's files with rows of a dataset is given: what all of those hold.

    `resources` are counted by type in the files that may hold the dataset's, and `digest` (hex) is over their digests in order.
    """

    KIND = "use.exported"
    TARGETS = ("dataset",)
    export: str
    dataset: str
    action: str
    purpose: str
    resources: Mapping[str, int]
    digest: str
    agreement: str
    terms: str


# --- acts of governance


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyAdded(Entry):
    """An organisation takes part. Version 2 says whether it is external; before, none was."""

    KIND = "govern.party.add"
    VERSION = 2
    TARGETS = ("party",)
    party: str
    role: str
    approved: bool
    external: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PartySet(Entry):
    """What an organisation is called or is changed; None where that was left as it was. Version 2 has whether it is external."""

    KIND = "govern.party.set"
    VERSION = 2
    TARGETS = ("party",)
    party: str
    name: str | None
    role: str | None
    approved: bool | None
    external: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyAdmitted(Entry):
    """An external organisation may use what providers share with external users."""

    KIND = "govern.party.admit"
    TARGETS = ("party",)
    party: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsPublished(Entry):
    """A version of a document, by the SHA-256 of its bytes (hex); `terms` is its version, after `kind@` unless general.

    Version 2 has what follows `sha256`: from when on it counts, whether providers must accept it, which earlier versions it
    contains, and how many providers were asked.
    """

    KIND = "govern.terms.add"
    VERSION = 2
    TARGETS = ("terms",)
    terms: str
    sha256: str
    effective_at: datetime
    renewal: bool
    contains: frozenset[str]
    asked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsAnswered(Act):
    """What a provider said to a version that needs renewal: `accept` or `decline`.

    `agreements`: key → the version under which each goes on from now, the same but for its terms. `on_paper`: kept by the
    repository from what the provider sent.
    """

    KIND = "govern.terms"
    TARGETS = ("terms", "party", "agreements")
    terms: str
    sha256: str
    party: str
    agreements: Mapping[str, int]
    on_paper: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsAccepted(Entry):
    """A person or client (`subject`) of an organisation accepted a version of a document."""

    KIND = "govern.acceptance.add"
    TARGETS = ("terms", "party")
    terms: str
    sha256: str
    subject: str
    party: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementApplied(Entry):
    """An organisation asks for an agreement; what it wrote is the agreement's own and not the ledger's."""

    KIND = "govern.agreement.apply"
    TARGETS = ("agreement",)
    agreement: str
    provider: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementDrafted(Entry):
    """A version of an agreement: its content.

    Version 2 has the SHA-256 (hex) over every part of it, which is what signatures bind, and the conditions it came with; what
    deviates from the usual ones is text, of which `sha256` is all that stands here. `external`,
    `federated`: whether external users, and federated counts, are agreed to.
    """

    KIND = "govern.agreement.add"
    VERSION = 2
    TARGETS = ("agreement",)
    agreement: str
    version: int
    state: str
    provider: str
    node: str
    terms: str
    starts: datetime
    ends: datetime | None
    access_class: AccessClass
    listed: bool
    actions: frozenset[Action]
    visibility: Visibility
    purposes: frozenset[Purpose]
    hosting: str
    data_use: str
    cancers: frozenset[str]
    modalities: frozenset[str]
    sop_classes: frozenset[str]
    circumstances: frozenset[str]
    means: Means
    sha256: str
    external: bool
    federated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementMoved(Act):
    """An agreement proposed, activated, refused, suspended, resumed or terminated, by which side, and the state it is in after.

    `version` is that of the content it was done on. In bodies of version 1 every move counted it up, and only the repository
    moved. Version 3 may say why. Version 4 has what the repository's stop cites, a word of the agreement's list, and how far
    a version has come that is to replace the one in force; to activate is to import what was signed on paper.
    """

    KIND = "govern.agreement"
    VERSION = 4
    TARGETS = ("agreement",)
    agreement: str
    version: int
    state: str
    change: str | None
    provider: str
    side: Side
    reason: str | None
    circumstance: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementSigned(Act):
    """A person signed a version for a side: `sha256` is over every part of it, `statement` over what was stated by signing.

    `file` is the SHA-256 of a signed file; all in hex. The typed name is the agreement's own and not the ledger's.
    """

    KIND = "govern.agreement"
    TARGETS = ("agreement",)
    agreement: str
    version: int
    state: str
    change: str | None
    provider: str
    side: Side
    means: Means
    file: str | None
    sha256: str
    statement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetMoved(Act):
    """That a dataset goes under another agreement of its provider was proposed by a side, confirmed by the other, or refused."""

    KIND = "govern.dataset.move"
    TARGETS = ("dataset", "agreement")
    dataset: str
    agreement: str
    left: str
    side: Side


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetAdded(Entry):
    """A dataset under an agreement."""

    KIND = "govern.dataset.add"
    TARGETS = ("dataset",)
    dataset: str
    agreement: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetDescribed(Entry):
    """What the catalogue says of a dataset; an empty value clears one. Bodies of version 1 hold the details beside `dataset`."""

    KIND = "govern.dataset.set"
    VERSION = 2
    TARGETS = ("dataset",)
    dataset: str
    details: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeAdded(Entry):
    """A place where pixels rest. In bodies of version 1 the node's kind stands where the entry's kind belongs."""

    KIND = "govern.node.add"
    VERSION = 2
    TARGETS = ("node",)
    node: str
    node_kind: str
    hosting: str
    allow: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSet(Entry):
    """How a node is reached or used changed, None where it was left; `moved`: it is to be found at another place."""

    KIND = "govern.node.set"
    TARGETS = ("node",)
    node: str
    hosting: str | None
    networks: str | None
    allow: str | None
    moved: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSynced(Entry):
    """What a node holds of its own is brought into a dataset from now on; `ended`: no more."""

    KIND = "govern.node.sync"
    TARGETS = ("node", "dataset")
    node: str
    dataset: str
    ended: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeMoved(Act):
    """A node linked, suspended, unlinked, or removed since nothing is on it."""

    KIND = "govern.node"
    TARGETS = ("node",)
    node: str
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderAdded(Entry):
    """A calling AE title from a network (CIDR) may send to a dataset. Bodies of version 1 call the network `from`.

    Version 3 says where it takes reports of Storage Commitment, address:port; None where nowhere. Version 4 names the
    certificates of which it shows one, in lines (without a network: from anywhere), whether it is called by TLS, and how many
    associations it may have at once.
    """

    KIND = "govern.sender.add"
    VERSION = 4
    TARGETS = ("dataset",)
    dataset: str
    aet: str
    network: str | None
    scp: str | None
    certificates: str | None
    tls: bool
    associations: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderAttested(Entry):
    """A responsible person's word, on a date, that what a sender sends is de-identified."""

    KIND = "govern.sender.attest"
    TARGETS = ("dataset",)
    dataset: str
    aet: str
    attested_by: str
    attested_on: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SenderRemoved(Entry):
    """A sender's registration taken away."""

    KIND = "govern.sender.remove"
    TARGETS = ("dataset",)
    dataset: str
    aet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAdded(Entry):
    """An OAuth client of an organisation; purposes and scopes by blanks. Version 2 says whether it is a viewer."""

    KIND = "govern.client.add"
    VERSION = 2
    TARGETS = ("client",)
    client: str
    party: str
    purposes: str
    scopes: str
    node: str | None
    terms: str | None
    viewer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSet(Entry):
    """What a client may change by an act; None where that was left as it was.

    Version 2 has what follows `terms`: words by blanks, the node it is inside (empty: of none), its keys by their thumbprints
    or their URL. Version 3 has whether it is a viewer.
    """

    KIND = "govern.client.set"
    VERSION = 3
    TARGETS = ("client",)
    client: str
    enabled: bool | None
    terms: str | None
    purposes: str | None
    scopes: str | None
    node: str | None
    keys: str | None
    viewer: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityAdded(Entry):
    """A client may ask on the DICOM network under an AE title, from these networks (CIDRs by blanks), for one purpose.

    `scp` is where what it asks for may be sent, address:port; None where nowhere. Version 2 says of certificates, TLS and
    associations what a sender's does.
    """

    KIND = "govern.ae.add"
    VERSION = 2
    TARGETS = ("client",)
    client: str
    aet: str
    networks: str | None
    purpose: str | None
    scp: str | None
    certificates: str | None
    tls: bool
    associations: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EntityRemoved(Entry):
    """An AE title under which a client asked, taken away."""

    KIND = "govern.ae.remove"
    TARGETS = ("client",)
    client: str
    aet: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitAdded(Entry):
    """An organisation may use a dataset that is shared under conditions; `ends` is None for no end.

    Version 2 says whether it names export; before, none did. Version 3 has the data-use terms whose evidence was seen.
    """

    KIND = "govern.permit.add"
    VERSION = 3
    TARGETS = ("dataset",)
    dataset: str
    party: str
    ends: datetime | None
    export: bool
    evidence: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class PermitRevoked(Entry):
    """Every permit of an organisation for a dataset taken back."""

    KIND = "govern.permit.revoke"
    TARGETS = ("dataset",)
    dataset: str
    party: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchDecided(Act):
    """A person's decision about what waited in a batch: `release` or `refuse`, of so many objects. Version 2 may say why."""

    KIND = "govern.batch"
    VERSION = 2
    TARGETS = ("batch",)
    batch: str
    dataset: str
    objects: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyWithdrawn(Entry):
    """A study taken out; `replace` where a corrected one is to come. Version 2 may say why.

    Version 3 says for which side, what the repository cites, and until when its bytes are kept.
    """

    KIND = "govern.study.withdraw"
    VERSION = 3
    TARGETS = ("study",)
    study: str
    dataset: str
    objects: int
    replace: bool
    reason: str | None
    side: Side
    circumstance: str | None
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyRestored(Entry):
    """The withdrawal of a study undone within its grace: so many objects come back."""

    KIND = "govern.study.restore"
    TARGETS = ("study",)
    study: str
    dataset: str
    objects: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyHastened(Entry):
    """The grace of a withdrawn study ended early, of so many objects."""

    KIND = "govern.study.hasten"
    TARGETS = ("study",)
    study: str
    dataset: str
    objects: int
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPurged(Entry):
    """The receipt of a withdrawn study's deletion: the SHA-256 (hex) of each file, and to whom whole objects had gone.

    Of `kept` files the bytes rest on: they have come again, or lay on their node before. `takers` are the first of `taken`
    subjects who had processed or exported it. Many files are told of by several entries in one transaction, alike but for
    `part` (from 1, of `parts`) and the files that each names.
    """

    KIND = "govern.study.purge"
    TARGETS = ("study",)
    study: str
    dataset: str
    files: tuple[str, ...]
    kept: int
    takers: tuple[str, ...]
    taken: int
    part: int
    parts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetWithdrawn(Act):
    """A whole dataset taken out by a side, or that undone within its grace; `until` is when its bytes begin to go."""

    KIND = "govern.dataset"
    TARGETS = ("dataset",)
    dataset: str
    side: Side
    circumstance: str | None
    reason: str | None
    until: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExclusionMoved(Act):
    """An organisation or a client, blocked by the repository or let in again."""

    KIND = "govern.exclusion"
    TARGETS = ("party",)
    party: str | None
    client: str | None
    circumstance: str | None
    reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposalMoved(Act):
    """An act that two persons decide on: proposed by one, confirmed or refused by another; or done by one `alone`.

    `digest` is the SHA-256 (hex) of the act and its arguments in canonical form.
    """

    KIND = "govern.proposal"
    proposal: str
    act: str
    digest: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysRotated(Entry):
    """New signing keys made: by their thumbprints (RFC 7638), the new one and those that only verify from now on."""

    KIND = "govern.keys.rotate"
    key: str
    retired: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeMoved(Act):
    """A notice sent to so many, or acknowledged for a party (None: by the repository's operators)."""

    KIND = "govern.notice"
    TARGETS = ("party",)
    notice: str
    notice_kind: str
    party: str | None
    deliveries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationMoved(Act):
    """Published work on a dataset: told of, told of no more, or given a DOI by a side; `doi` is the one that is told then."""

    KIND = "govern.publication"
    TARGETS = ("dataset",)
    dataset: str
    publication: str
    title: str
    summary: str
    doi: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BlockLifted(Entry):
    """What was withdrawn or refused under a study's or an object's UID may come again."""

    KIND = "govern.block.lift"
    TARGETS = ("uid",)
    uid: str
    blocks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAdded(Entry):
    """A person invited for the first time, with a first role; `party` is None for the repository itself, purposes by blanks."""

    KIND = "govern.person.add"
    TARGETS = ("person", "party")
    person: str
    role: str
    party: str | None
    purposes: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonMoved(Act):
    """A person invited anew, joined (by a local account, or an OpenID provider: `issuer`), blocked, unblocked."""

    KIND = "govern.person"
    TARGETS = ("person",)
    person: str
    issuer: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleMoved(Act):
    """A further role of a person given, or one taken; as in `PersonAdded`."""

    KIND = "govern.role"
    TARGETS = ("person", "party")
    person: str
    role: str
    party: str | None
    purposes: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionsEnded(Entry):
    """Sessions of a person ended by somebody else."""

    KIND = "govern.person.sessions"
    TARGETS = ("person",)
    person: str
    sessions: int


# --- other repositories


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerAdded(Entry):
    """Another repository may be asked, at this URL, in the dialect of its kind."""

    KIND = "govern.peer.add"
    TARGETS = ("peer",)
    peer: str
    peer_kind: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRemoved(Entry):
    """A repository is asked no more."""

    KIND = "govern.peer.remove"
    TARGETS = ("peer",)
    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeersAsked(Entry):
    """A question goes to other repositories: its text in Accord's words, and its SHA-256 (hex). No answer is recorded."""

    KIND = "federation.asked"
    TARGETS = ("peers",)
    query: str
    sha256: str
    question: str
    peers: tuple[str, ...]


_CLASSES: tuple[type[Entry], ...] = (
    BatchOpened,
    BatchClosed,
    UseOpened,
    UseClosed,
    UseExported,
    PartyAdded,
    PartySet,
    PartyAdmitted,
    TermsPublished,
    AgreementApplied,
    TermsAccepted,
    AgreementDrafted,
    DatasetAdded,
    DatasetDescribed,
    NodeAdded,
    NodeSet,
    NodeSynced,
    SenderAdded,
    SenderAttested,
    SenderRemoved,
    ClientAdded,
    ClientSet,
    EntityAdded,
    EntityRemoved,
    PermitAdded,
    PermitRevoked,
    StudyWithdrawn,
    BlockLifted,
    PersonAdded,
    SessionsEnded,
    StudyRestored,
    StudyHastened,
    StudyPurged,
    KeysRotated,
    PeerAdded,
    PeerRemoved,
    PeersAsked,
)
_BY_VERB: Mapping[type[Act], Iterable[str]] = {
    AgreementMoved: [verb for verb in AGREEMENT_MOVES if verb not in SIGNATURES],
    AgreementSigned: SIGNATURES,
    DatasetMoved: ("propose", "confirm", "refuse"),
    NodeMoved: (*NODE_MOVES, "remove"),
    BatchDecided: ("release", "refuse"),
    PersonMoved: ("invite", "join", "block", "unblock"),
    RoleMoved: ("give", "take"),
    TermsAnswered: tuple(map(str, Answer)),
    DatasetWithdrawn: ("withdraw", "restore"),
    ExclusionMoved: ("add", "lift"),
    ProposalMoved: ("make", "confirm", "refuse", "alone"),
    NoticeMoved: ("send", "acknowledge"),
    PublicationMoved: ("add", "doi", "remove"),
}
KINDS: Mapping[str, type[Entry]] = {
    **{entry.KIND: entry for entry in _CLASSES},
    **{f"{entry.KIND}.{verb}": entry for entry, verbs in _BY_VERB.items() for verb in verbs},
}
"""Every kind of entry and its class."""


# --- what an entry is about

_TYPES = {
    "studies": TargetType.STUDY,
    "agreements": TargetType.AGREEMENT,
    "uid": TargetType.BLOCK,
    "peers": TargetType.PEER,
}
"""Members that are not called as what they name."""


def targets_of(kind: str, body: Mapping[str, Any]) -> tuple[Target, ...]:
    """What a body of this kind is about, in the order its class names it, each once; nothing for a kind that is not known."""
    members = KINDS[kind].TARGETS if kind in KINDS else ()
    return tuple(dict.fromkeys(target for member in members for target in _targets(member, body.get(member, ()))))


def _targets(member: str, value: str | Iterable[str]) -> Iterator[Target]:
    named = _TYPES.get(member) or TargetType(member)
    yield from (Target(named, key) for key in ([value] if isinstance(value, str) else value))


def study_parts(studies: Sequence[str]) -> list[tuple[str, ...]]:
    """Studies as the parts of a closed batch name them; one empty part where there are none."""
    starts = range(0, max(len(studies), 1), STUDIES_IN_A_BODY)
    return [tuple(studies[start : start + STUDIES_IN_A_BODY]) for start in starts]
