"""Agreements as `/api/agreements` tells of them, and what it is asked."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated, TypeVar

from msgspec import Meta, Struct

from consent.agreement import AgreementAct, AgreementState, AgreementVersion, Application, Means, Side, Standing
from consent.conditions import AccessClass, Action, Purpose, Visibility
from consent.signature import Declarations, DeclaredDocument, Signature
from mappings.api.shapes import Asked, Line, Name, Told

T = TypeVar("T", bound=Struct)
Text = Annotated[str, Meta(max_length=200_000)]
Words = Annotated[tuple[Annotated[str, Meta(max_length=4_096)], ...], Meta(max_length=100)]


class AgreementActTold(Told):
    """What a side did on an agreement, and when."""

    verb: str
    side: Side
    actor: str
    version: int
    at: datetime


class DocumentTold(Told):
    """A document of the provider's that a signature names: `ethics` or `dpia`."""

    kind: str
    name: str
    owner: str
    expires: date | None
    remind: date | None


class SignatureTold(Told):
    """A simple electronic signature under a version: whose, by which typed name and means, under which hash of it."""

    version: int
    side: Side
    person: str
    name: str
    means: Means
    file_sha256: str | None
    sha256: str
    declared: list[str]
    documents: list[DocumentTold]
    at: datetime


class ApplicationTold(Told):
    """What an organisation applied for."""

    contacts: str
    data: str
    deviations: str
    actor: str
    at: datetime


class ContentTold(Told):
    """The content of one version; `sha256` is over every part of it, and what signatures bind.

    `external`: users of external organisations may too; `federated`: the federation counts and harvests it.
    """

    version: int
    sha256: str
    terms: str
    terms_sha256: str
    node: str
    hosting: str
    starts: datetime
    ends: datetime | None
    access_class: AccessClass
    listed: bool
    actions: list[Action]
    visibility: Visibility
    purposes: list[Purpose]
    external: bool
    federated: bool
    data_use: list[str]
    cancers: list[str]
    modalities: list[str]
    sop_classes: list[str]
    deviations: str
    circumstances: list[str]
    documents: list[str]
    means: Means
    text: str


class AgreementTold(Told):
    """An agreement as it stands: `stopped_by` the sides whose stop stands, `version` what is in force, `change` what is to be.

    `content` is that of the version asked for, else of the one in force; None where nothing was drafted yet.
    """

    key: str
    provider: str
    state: AgreementState
    stopped_by: list[Side]
    version: int
    change: int | None
    change_state: AgreementState | None
    content: ContentTold | None
    signatures: list[SignatureTold]
    acts: list[AgreementActTold]
    application: ApplicationTold | None


class AgreementsTold(Told):
    """The agreements that the caller may see, in the order they were drafted."""

    agreements: list[AgreementTold]


class StandingTold(Told):
    """Where an agreement stands after an act: of a change, how far that has come."""

    key: str
    state: AgreementState


class DraftTold(Told):
    """The version that was drafted."""

    key: str
    version: int


class CodeTold(Told):
    """A code was sent to the person who asked, and holds until then. Nobody else is told it."""

    ends: datetime


class VerificationTold(Told):
    """A version read again: its hash now, whether it was signed on paper, and what does not verify of its signatures."""

    key: str
    version: int
    sha256: str
    is_imported: bool
    is_renewed: bool
    broken: list[str]


class ApplicationAsked(Asked):
    """An application: the agreement's key, whom to talk to, what data there is, where it wants to deviate."""

    key: Name
    contacts: Text
    data: Text
    deviations: Text = ""


class ContentAsked(Asked):
    """What a version is to say; data-use terms as `IRB` or `DS=MONDO:1;MONDO:2`, documents as kind, version and SHA-256."""

    node: Name
    terms: Line
    starts: datetime | None = None
    ends: datetime | None = None
    access_class: AccessClass = AccessClass.DEFAULT
    listed: bool = True
    external: bool = False
    federated: bool = False
    actions: tuple[Action, ...] = (Action.QUERY,)
    visibility: Visibility = Visibility.NONE
    purposes: tuple[Purpose, ...] = tuple(Purpose)
    data_use: Words = ()
    cancers: Words = ()
    modalities: Words = ()
    sop_classes: Words = ()
    deviations: Text = ""
    text: Text = ""
    documents: Words = ()
    circumstances: Words = ()
    means: Means = Means.CODE


class ActAsked(Asked):
    """An act for the side that the caller is of: propose, activate, refuse, suspend, resume or terminate."""

    verb: Line
    reason: Line | None = None
    circumstance: Line | None = None


class DocumentAsked(Asked):
    """A document that a provider names when it signs."""

    kind: Line
    name: Line
    owner: Line
    expires: date | None = None
    remind: date | None = None


class SignatureAsked(Asked):
    """A signature: the name as its owner types it, the code it was sent, what it declares, and a signed file in base64."""

    name: Line
    code: Line
    declared: Words = ()
    documents: Annotated[tuple[DocumentAsked, ...], Meta(max_length=100)] = ()
    file: bytes | None = None


def declarations(asked: SignatureAsked) -> Declarations:
    """What a signature declares."""
    documents = (DeclaredDocument(each.kind, each.name, each.owner, each.expires, each.remind) for each in asked.documents)
    return Declarations(frozenset(asked.declared), tuple(documents))


def tell(
    key: str,
    provider: str,
    standing: Standing,
    versions: tuple[int, int | None],
    content: ContentTold | None,
    acts: Sequence[AgreementAct],
    signatures: Sequence[Signature],
    application: Application | None,
) -> AgreementTold:
    """An agreement as it stands, with one version of its content; `versions`: the one in force, and what is to replace it."""
    return AgreementTold(
        key=key,
        provider=provider,
        state=standing.state,
        stopped_by=sorted(standing.stops),
        version=versions[0],
        change=versions[1],
        change_state=standing.change,
        content=content,
        signatures=[_signature(each) for each in signatures],
        acts=[AgreementActTold(verb=a.verb, side=a.side, actor=a.actor, version=a.version, at=a.at) for a in acts],
        application=None if application is None else _same(application, ApplicationTold),
    )


def tell_content(content: AgreementVersion, sha256: str) -> ContentTold:
    """A version's content under its hash."""
    conditions = content.conditions
    return ContentTold(
        version=content.version,
        sha256=sha256,
        terms=content.terms,
        terms_sha256=content.terms_sha256,
        node=content.node,
        hosting=content.hosting,
        starts=content.starts,
        ends=content.ends,
        access_class=conditions.access_class,
        listed=conditions.listed,
        actions=sorted(conditions.actions),
        visibility=conditions.visibility,
        purposes=sorted(conditions.purposes),
        external=conditions.external,
        federated=conditions.federated,
        data_use=list(map(str, conditions.data_use)),
        cancers=sorted(conditions.cancers),
        modalities=sorted(conditions.modalities),
        sop_classes=sorted(conditions.sop_classes),
        deviations=conditions.deviations,
        circumstances=sorted(content.circumstances),
        documents=[f"{each.kind} {each.version} {each.sha256}" for each in content.documents],
        means=content.means,
        text=content.text.decode(),
    )


def _signature(signature: Signature) -> SignatureTold:
    return SignatureTold(
        version=signature.version,
        side=signature.side,
        person=signature.person,
        name=signature.name,
        means=signature.means,
        file_sha256=signature.file_sha256,
        sha256=signature.sha256,
        declared=sorted(signature.declarations.words),
        documents=[_same(each, DocumentTold) for each in signature.declarations.documents],
        at=signature.at,
    )


def _same(noun: object, shape: type[T]) -> T:
    """A noun whose every member is told."""
    return shape(**{name: getattr(noun, name) for name in shape.__struct_fields__})
