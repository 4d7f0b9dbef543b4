"""Signing a version of an agreement: a person types its name and the one-time code that it was sent, and binds every part of it.

That is a simple electronic signature, and is called so. The provider's signature comes first and declares what clause 5 asks;
the repository's, by another person, puts the version in force. Whoever owns the machine signs nothing: a signature is a person's.
"""

import hmac
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256

from sqlalchemy import Connection

from adapters.sql import agreement as agreements
from adapters.sql import signatures
from adapters.sql.agreement import AgreementRow
from adapters.sql.ledger import About, record
from adapters.sql.renewal import RENEW
from consent.agreement import ENFORCING, AgreementAct, AgreementState, AgreementVersion, Means, Side, move, refusal
from consent.entries import AgreementSigned
from consent.person import Act, Actor
from consent.signature import (
    CODE_LIFE,
    CODE_TRIES,
    CODES_AN_HOUR,
    MOST_TEXT,
    NOTHING,
    Declarations,
    Signature,
    broken,
    statement_hash,
    undeclared,
    version_hash,
)
from mappings.failures import Conflict, Forbidden, Invalid, Throttled, TooLarge
from server.usecases.agreement import CitedAgreement, describe_again, read_agreement, side_of
from server.usecases.naming import require, require_act
from server.usecases.notice import send_secret
from server.usecases.runtime import Runtime

MOST_FILE = 5_000_000
"""Bytes of a signed file."""
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # without what is read for another
_LETTERS = 10  # 49 bits: not to be guessed from its digest in a code's life
_VERBS = {Side.PROVIDER: ("sign", Act.SIGN), Side.REPOSITORY: ("countersign", Act.COUNTERSIGN)}


@dataclass(frozen=True, slots=True)
class _Signing:
    """What is about to be signed: by which side, which verb, which content, under which hash."""

    row: AgreementRow
    side: Side
    verb: str
    content: AgreementVersion
    sha256: str


def _signing(connection: Connection, actor: Actor, key: str) -> _Signing:
    row = require(agreements.find(connection, key), "agreement", key)
    side = side_of(actor, row.provider)
    verb, act = _VERBS[side]
    require_act(actor, act, row.provider)
    if actor.is_local:
        raise Forbidden("no-person", "A signature is a person's: sign in. What was signed on paper is imported by `activate`.")
    if why := refusal(row.standing, verb, side):
        raise Conflict("agreement-move", f"An agreement {why}.", "agreement")
    content = require(agreements.find_version(connection, row, row.acted_on(verb)), "version", str(row.acted_on(verb)))
    return _Signing(row, side, verb, content, version_hash(row.key, row.provider, content))


def send_code(runtime: Runtime, actor: Actor, key: str) -> datetime:
    """Send this person a code to sign what is proposed with; until when it holds. A code sent before for it is void.

    Raises Throttled past five an hour. Nobody else is told the code: its digest is kept.
    """
    now = runtime.clock()
    with runtime.store.write() as connection:
        signing = _signing(connection, actor, key)
        if signatures.count_codes(connection, actor.id, now - timedelta(hours=1)) >= CODES_AN_HOUR:
            raise Throttled("codes", f"At most {CODES_AN_HOUR} codes an hour are sent to one person.", 3600)
        letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LETTERS))
        salt, row = secrets.token_bytes(16), signing.row
        made = {"sha256": signing.sha256, "digest": _digest(salt, letters), "salt": salt, "at": now, "ends": now + CODE_LIFE}
        signatures.add_code(connection, row.id, signing.content.version, actor.id, **made)  # type: ignore[arg-type]
        subject = f"Code to sign {key}@{signing.content.version}, for {int(CODE_LIFE.total_seconds() / 60)} minutes"
        send_secret(runtime, connection, actor.id, subject, f"{letters[:5]}-{letters[5:]}")
    return now + CODE_LIFE


def _digest(salt: bytes, code: str) -> bytes:
    return sha256(salt + code.encode()).digest()


def sign(
    runtime: Runtime,
    actor: Actor,
    key: str,
    *,
    name: str,
    code: str,
    declarations: Declarations = NOTHING,
    file: bytes | None = None,
) -> AgreementState:
    """Sign what is proposed, or countersign what the provider signed; where the agreement stands then.

    Raises Invalid for what is lacking in it, Forbidden for a code that is wrong, over or of another content.
    """
    typed = _typed(name)
    with runtime.store.read() as connection:
        signing = _signing(connection, actor, key)
        _check(runtime, connection, actor, signing, declarations, file)
    code_id = _try(runtime, actor, signing, code)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        signing = _signing(connection, actor, key)
        _check(runtime, connection, actor, signing, declarations, file)
        if not signatures.use_code(connection, code_id):
            raise _wrong_code()
        signature = Signature(
            version=signing.content.version,
            side=signing.side,
            person=actor.id,
            name=typed,
            means=signing.content.means,
            file_sha256=sha256(file).hexdigest() if file else None,
            sha256=signing.sha256,
            declarations=declarations,
            at=now,
        )
        return _keep(connection, signing, signature)


def _typed(name: str) -> str:
    typed = " ".join(name.split())
    if not 3 <= len(typed) <= MOST_TEXT or not typed.isprintable():
        raise Invalid("name", f"A signature is a name of 3 to {MOST_TEXT} characters, typed by its owner.", "name")
    return typed


def _check(
    runtime: Runtime, connection: Connection, actor: Actor, signing: _Signing, declared: Declarations, file: bytes | None
) -> None:
    if why := undeclared(signing.side, declared, runtime.clock().date()):
        raise Invalid("declarations", why, "declarations")
    if (file is not None) is not (signing.content.means is Means.FILE):
        told = "is signed in a file, which is handed in too" if file is None else "is signed by name and code, without a file"
        raise Invalid("means", f"This agreement {told}.", "file")
    if file is not None and not 0 < len(file) <= MOST_FILE:
        raise TooLarge("signed-file", f"A signed file has at most {MOST_FILE // 1_000_000} MB.")
    earlier = signatures.read(connection, signing.row.id, signing.content.version)
    if any(each.person == actor.id for each in earlier):
        raise Conflict("same-person", "Who signed for the provider does not sign for the repository as well.")
    if signing.side is Side.REPOSITORY and _unsound(signing, earlier):
        raise Conflict("signature-broken", "The provider's signature is not under this content. Draft it anew.", "agreement")


def _unsound(signing: _Signing, earlier: tuple[Signature, ...]) -> bool:
    return not earlier or any(each.sha256 != signing.sha256 for each in earlier)


def _try(runtime: Runtime, actor: Actor, signing: _Signing, code: str) -> int:
    """The code's row, where it is the one that was sent; every try is counted, whatever becomes of it."""
    said = "".join(code.upper().replace("-", " ").split())
    with runtime.store.write() as connection:
        asked = signing.row.id, signing.content.version, actor.id, runtime.clock(), CODE_TRIES
        found = signatures.try_code(connection, *asked)
    if found is None:
        raise _wrong_code()
    key, salt, digest, bound = found
    if not hmac.compare_digest(_digest(salt, said), digest) or bound != signing.sha256:
        raise _wrong_code()
    return key


def _wrong_code() -> Forbidden:
    return Forbidden(
        "code-wrong", "The code is not the last that was sent to you for this content, or it is over. Ask for another."
    )


def _keep(connection: Connection, signing: _Signing, signature: Signature) -> AgreementState:
    row, standing = signing.row, move(signing.row.standing, signing.verb, signing.side)
    signatures.add(connection, row.id, signature)
    act = AgreementAct(signing.verb, signing.side, signature.person, signature.version, signature.at)
    agreements.record_act(connection, row, act, standing)
    if signing.verb in ENFORCING:
        describe_again(connection, row, signature.at)
    entry = AgreementSigned(
        verb=signing.verb,
        agreement=row.key,
        version=signature.version,
        state=str(standing.state),
        change=standing.change and str(standing.change),
        provider=row.provider,
        side=signing.side,
        means=signature.means,
        file=signature.file_sha256,
        sha256=signature.sha256,
        statement=statement_hash(row.key, signature),
    )
    record(connection, entry, signature.at, signature.person, About(row.party))
    return standing.stage


@dataclass(frozen=True, slots=True)
class Verified:
    """A version read again: its hash now, how it came without signatures, and what does not verify, in sentences.

    It was imported from paper, or `is_renewed`: its provider accepted newer terms for what was in force, and all else stayed.
    """

    cited: CitedAgreement
    sha256: str
    is_imported: bool
    is_renewed: bool
    broken: tuple[str, ...]


def verify_agreement(runtime: Runtime, citation: str) -> Verified:
    """Hold the signatures under a version against every part of it as it lies now. Raises NotFound."""
    cited = read_agreement(runtime, citation)
    content = require(cited.content, "version", citation)
    imported = _is_imported(runtime, cited, content)
    renewed = any(act.verb == RENEW and act.version == content.version for act in cited.acts)
    told = [] if (imported or renewed) and not cited.signatures else broken(cited.key, cited.provider, content, cited.signatures)
    told += _recorded_otherwise(runtime, cited)
    return Verified(cited, version_hash(cited.key, cited.provider, content), imported, renewed, tuple(told))


def _is_imported(runtime: Runtime, cited: CitedAgreement, content: AgreementVersion) -> bool:
    """Whether this content was activated: also under another number, as versions once counted moves."""
    activated = {act.version for act in cited.acts if act.verb == "activate"} if content.version <= cited.version else set()
    if not activated or content.version in activated:
        return bool(activated)
    with runtime.store.read() as connection:
        row = require(agreements.find(connection, cited.key), "agreement", cited.key)
        contents = [agreements.find_version(connection, row, version) for version in sorted(activated)]
    return any(each and replace(each, version=content.version) == content for each in contents)


def _recorded_otherwise(runtime: Runtime, cited: CitedAgreement) -> list[str]:
    """Signatures that the ledger tells otherwise: what was stated by them, or that they were made."""
    with runtime.store.read() as connection:
        stated = agreements.read_statements(connection, cited.key)
    missing = [each for each in cited.signatures if statement_hash(cited.key, each) not in stated]
    return [
        f"The {each.side}'s signature is not as the ledger has it: a name, declaration or moment was changed." for each in missing
    ]
