"""Agreements over HTTP: applied for, drafted, moved and signed by people; a provider reads its own, operator and auditor all."""

from consent.person import Act
from mappings.api import agreements as shapes
from mappings.api.agreements import (
    ActAsked,
    AgreementsTold,
    AgreementTold,
    ApplicationAsked,
    CodeTold,
    ContentAsked,
    DraftTold,
    SignatureAsked,
    StandingTold,
    VerificationTold,
)
from server.usecases.agreement import CitedAgreement, act_on_agreement, agreement_of, agreements_of
from server.usecases.application import apply_for_agreement
from server.usecases.draft import Content, draft_version
from server.usecases.signing import MOST_FILE, send_code, verify_agreement
from server.usecases.signing import sign as sign_version
from server.web.api import MOST_BODY, Api
from server.web.context import caller, runtime

_ONE = "/api/agreements/<key>"
_MOST_CONTENT = 1_000_000
"""Bytes of a version's content as JSON."""


def door() -> Api:
    """The routes of agreements."""
    routes = Api("agreements")
    routes.row("GET", "/api/agreements", AgreementsTold, scope="Consent.s")(list_all)
    routes.row("GET", _ONE, AgreementTold, scope="Consent.r")(read)
    routes.row("GET", f"{_ONE}/verification", VerificationTold, scope="Consent.r")(verify)
    said, signed = _MOST_CONTENT, MOST_FILE * 4 // 3 + MOST_BODY  # a file comes in base64
    for rule, view, answer, act, body, status, most in (
        ("/api/agreements", apply, AgreementTold, Act.APPLY, ApplicationAsked, 201, MOST_BODY),
        (f"{_ONE}/versions", draft, DraftTold, Act.DRAFT, ContentAsked, 201, said),
        (f"{_ONE}/acts", move, StandingTold, None, ActAsked, 200, MOST_BODY),
        (f"{_ONE}/codes", send, CodeTold, Act.SIGN, None, 201, MOST_BODY),
        (f"{_ONE}/signatures", sign, StandingTold, Act.SIGN, SignatureAsked, 201, signed),
    ):
        routes.row("POST", rule, answer, scope="Consent.u", act=act, body=body, status=status, most=most)(view)
    return routes


def list_all() -> AgreementsTold:
    """List the agreements that the caller may see, each with the content in force."""
    return AgreementsTold(agreements=[_told(one) for one in agreements_of(runtime(), caller().actor)])


def read(key: str) -> AgreementTold:
    """Read an agreement by its key, or as `key@version` with the content of that version."""
    return _told(agreement_of(runtime(), caller().actor, key))


def verify(key: str) -> VerificationTold:
    """Hold the signatures under a version (`key@version`) against every part of it as it lies now."""
    agreement_of(runtime(), caller().actor, key)
    verified = verify_agreement(runtime(), key)
    content, told = verified.cited.content, list(verified.broken)
    version = content.version if content else 0
    return VerificationTold(
        key=verified.cited.key,
        version=version,
        sha256=verified.sha256,
        is_imported=verified.is_imported,
        is_renewed=verified.is_renewed,
        broken=told,
    )


def apply(asked: ApplicationAsked) -> AgreementTold:
    """Apply for an agreement, for the caller's organisation."""
    texts = {"contacts": asked.contacts, "data": asked.data, "deviations": asked.deviations}
    apply_for_agreement(runtime(), caller().actor, asked.key, **texts)
    return read(asked.key)


def draft(key: str, asked: ContentAsked) -> DraftTold:
    """Draft a version: of an application, another one, or a change of what is in force, which stays so meanwhile."""
    said = Content(**{name: getattr(asked, name) for name in asked.__struct_fields__})
    return DraftTold(key=key, version=draft_version(runtime(), caller().actor, key, said))


def move(key: str, asked: ActAsked) -> StandingTold:
    """Propose, activate, refuse, suspend, resume or terminate, for the side that the caller is of."""
    state = act_on_agreement(runtime(), caller().actor, key, asked.verb, asked.reason, asked.circumstance)
    return StandingTold(key=key, state=state)


def send(key: str) -> CodeTold:
    """Send the caller a code to sign what is proposed with; it holds for minutes, and nobody else is told it."""
    return CodeTold(ends=send_code(runtime(), caller().actor, key))


def sign(key: str, asked: SignatureAsked) -> StandingTold:
    """Sign for the provider, or countersign for the repository: a simple electronic signature, by typed name and code."""
    declared = shapes.declarations(asked)
    actor, typed = caller().actor, {"name": asked.name, "code": asked.code}
    return StandingTold(key=key, state=sign_version(runtime(), actor, key, declarations=declared, file=asked.file, **typed))


def _told(one: CitedAgreement) -> AgreementTold:
    content = shapes.tell_content(one.content, one.sha256 or "") if one.content else None
    versions = one.version, one.change
    return shapes.tell(one.key, one.provider, one.standing, versions, content, one.acts, one.signatures, one.application)
