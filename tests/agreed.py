"""What tests of an agreement's life share: people of both sides, what is drafted, and an outbox whose codes can be read."""

import re
from dataclasses import dataclass, field, replace
from datetime import date

from sqlalchemy import Connection

from consent.agreement import AgreementState
from consent.person import Actor, PersonRole
from consent.signature import DECLARATIONS, Declarations, DeclaredDocument
from server.usecases.agreement import act_on_agreement
from server.usecases.draft import Content
from server.usecases.runtime import Runtime
from server.usecases.signing import send_code, sign

R = PersonRole
MANAGER = Actor("person:mara", "hospital-a", frozenset({R.DATA_MANAGER}))
SIGNATORY = Actor("person:sam", "hospital-a", frozenset({R.SIGNATORY}))
STRANGER = Actor("person:eve", "hospital-b", frozenset({R.SIGNATORY, R.DATA_MANAGER}))
OPERATOR = Actor("person:olga", None, frozenset({R.OPERATOR}))
LOCAL = Actor("operator:test", None, frozenset({R.OPERATOR}), is_local=True)
DOCUMENTS = (
    DeclaredDocument("ethics", "EC 2026/17", "Ethics board", date(2028, 1, 1), date(2027, 10, 1)),
    DeclaredDocument("dpia", "DPIA 3", "Data protection officer"),
)
DECLARED = Declarations(frozenset(DECLARATIONS), DOCUMENTS)
CONTENT = Content(node="central", terms="1.0.0", text="We share.", circumstances=("security", "breach"))


@dataclass
class Outbox:
    """What was sent, as (person, subject, secret)."""

    sent: list[tuple[str, str, str]] = field(default_factory=list)

    def __call__(self, _connection: Connection, person: str, subject: str, secret: str) -> None:
        """Take a message."""
        self.sent.append((person, subject, secret))

    @property
    def code(self) -> str:
        """The last code."""
        code = self.sent[-1][2]
        assert re.fullmatch(r"[2-9A-Z]{5}-[2-9A-Z]{5}", code)
        return code


def sending(runtime: Runtime) -> tuple[Runtime, Outbox]:
    """A runtime that sends, and where to."""
    outbox = Outbox()
    return replace(runtime, send_secret=outbox), outbox


def signed(runtime: Runtime, outbox: Outbox, actor: Actor, key: str, **said: object) -> AgreementState:
    """Ask for a code and sign with it; a provider declares all."""
    send_code(runtime, actor, key)
    own = {} if actor.party is None else {"declarations": DECLARED}
    return sign(runtime, actor, key, **({"name": "Sam Signer", "code": outbox.code} | own | said))  # type: ignore[arg-type]


def agreed(runtime: Runtime, outbox: Outbox, key: str) -> AgreementState:
    """Propose what is drafted, and sign it on both sides."""
    act_on_agreement(runtime, MANAGER, key, "propose")
    signed(runtime, outbox, SIGNATORY, key)
    return signed(runtime, outbox, OPERATOR, key, name="Olga Operator")
