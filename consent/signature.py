"""What a signature under an agreement binds: every part of a version, and what its signer declared.

A typed name and a one-time code that was sent to the person are a *simple electronic signature* (eIDAS, article 3(10)), and are
called so. The code stands for one person, one version hash and a few minutes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from hashlib import sha256

from consent.agreement import AgreementVersion, Means, Side
from consent.commitment import canonical
from consent.conditions import Conditions

CODE_LIFE = timedelta(minutes=15)
CODE_TRIES = 5
CODES_AN_HOUR = 5

DECLARATIONS = {
    "de-identified": "The data is de-identified by us before it is sent.",
    "kept-apart": "The data is kept apart from medical records.",
    "own-backup": "We keep a back-up of our own.",
}
"""Word → what a provider declares when it signs; all of them."""
REQUIRED_DOCUMENTS = {"ethics": "the ethics approval", "dpia": "the data protection impact assessment"}
"""Kind → a document that a provider names when it signs; each at least once."""
MOST_DOCUMENTS = 10
MOST_TEXT = 200


@dataclass(frozen=True, slots=True, order=True)
class DeclaredDocument:
    """A document of the provider's: its kind, name, owner, last day of validity and the day to be reminded on (None: never)."""

    kind: str
    name: str
    owner: str
    expires: date | None = None
    remind: date | None = None


@dataclass(frozen=True, slots=True)
class Declarations:
    """What a provider declares by its signature."""

    words: frozenset[str] = frozenset()
    documents: tuple[DeclaredDocument, ...] = ()


NOTHING = Declarations()


@dataclass(frozen=True, slots=True)
class Signature:
    """One side's signature under a version: who, by which typed name and means, under which hash, declaring what."""

    version: int
    side: Side
    person: str
    name: str
    means: Means
    file_sha256: str | None
    sha256: str
    declarations: Declarations
    at: datetime


def version_hash(key: str, provider: str, content: AgreementVersion) -> str:
    """SHA-256 (hex) over the canonical bytes of every part of a version."""
    return sha256(canonical(_parts(key, provider, content))).hexdigest()


def _parts(key: str, provider: str, content: AgreementVersion) -> dict[str, object]:
    return {
        "agreement": key,
        "provider": provider,
        "version": content.version,
        "text": sha256(content.text).hexdigest(),
        "terms": [content.terms, content.terms_sha256],
        "documents": [[each.kind, each.version, each.sha256] for each in sorted(content.documents)],
        "hosting": [content.node, content.hosting],
        "period": [content.starts.isoformat(), content.ends.isoformat() if content.ends else ""],
        "circumstances": sorted(content.circumstances),
        "means": str(content.means),
        "conditions": dict(_conditions(content.conditions)),
    }


def _conditions(conditions: Conditions) -> Iterator[tuple[str, object]]:
    """Each condition but those that are as they are unless somebody says otherwise: a later release's new one is such."""
    for each in fields(conditions):
        value = getattr(conditions, each.name)
        if value != each.default:
            yield each.name, _plain(value)


def _plain(value: object) -> object:
    if isinstance(value, frozenset):
        return sorted(map(str, value))
    if isinstance(value, tuple):
        return list(map(str, value))
    return str(value)


def statement_hash(key: str, signature: Signature) -> str:
    """SHA-256 (hex) over what one person stated by a signature: the version's hash, the name, the declarations, the moment."""
    stated = {
        "agreement": key,
        "version": signature.version,
        "sha256": signature.sha256,
        "side": str(signature.side),
        "person": signature.person,
        "name": signature.name,
        "means": str(signature.means),
        "file": signature.file_sha256 or "",
        "declared": sorted(signature.declarations.words),
        "documents": [
            [each.kind, each.name, each.owner, str(each.expires or ""), str(each.remind or "")]
            for each in sorted(signature.declarations.documents, key=str)
        ],
        "at": signature.at.isoformat(timespec="microseconds"),
    }
    return sha256(canonical(stated)).hexdigest()


def undeclared(side: Side, declared: Declarations, today: date) -> str | None:
    """What is lacking or wrong in what a signer declares, as a sentence, None where nothing is; the repository declares none."""
    if side is Side.REPOSITORY:
        return "The repository's signature declares nothing." if declared != NOTHING else None
    if missing := DECLARATIONS.keys() - declared.words:
        return f"Signing declares: {' '.join(DECLARATIONS[word] for word in DECLARATIONS if word in missing)}"
    if declared.words - DECLARATIONS.keys():
        return f"What is declared is among: {', '.join(DECLARATIONS)}."
    kinds = {each.kind for each in declared.documents}
    if absent := REQUIRED_DOCUMENTS.keys() - kinds:
        return f"Signing names {' and '.join(REQUIRED_DOCUMENTS[kind] for kind in sorted(absent))}."
    return _wrong_document(declared.documents, today)


def _wrong_document(documents: Sequence[DeclaredDocument], today: date) -> str | None:
    if len(documents) > MOST_DOCUMENTS:
        return f"Signing names at most {MOST_DOCUMENTS} documents."
    for each in documents:
        if each.kind not in REQUIRED_DOCUMENTS:
            return f"A document is one of: {', '.join(REQUIRED_DOCUMENTS)}."
        if not all(0 < len(text) <= MOST_TEXT and text.isprintable() for text in (each.name, each.owner)):
            return f"A document has a name and an owner, each one line of at most {MOST_TEXT} characters."
        if each.expires is not None and each.expires < today:
            return f"The {each.kind} document has expired."
        if each.remind is not None and (each.expires is None or each.remind > each.expires):
            return f"The {each.kind} document's reminder is after its expiry."
    return None


def broken(key: str, provider: str, content: AgreementVersion, signatures: Sequence[Signature]) -> list[str]:
    """What does not verify of a version's signatures, in sentences: each must be under the hash of the version as it lies."""
    now = version_hash(key, provider, content)
    lacking = [side for side in Side if all(signature.side is not side for signature in signatures)]
    changed = [signature.side for signature in signatures if signature.sha256 != now]
    told = [f"The {side} has not signed it." for side in lacking]
    return told + [f"The {side} signed another content: a part of the version was changed since." for side in changed]
