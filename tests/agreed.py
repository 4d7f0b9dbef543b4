"""What tests of an agreement's life share: people of both sides, what is drafted, and an outbox whose codes can be read."""

import re
from dataclasses import dataclass, replace
from datetime import date

import msgspec
from sqlalchemy import select

from adapters.sql import tables as t
from consent.agreement import AgreementState
from consent.person import PERSON, Actor, PersonRole
from consent.signature import DECLARATIONS, Declarations, DeclaredDocument
from server.usecases.agreement import act_on_agreement
from server.usecases.draft import Content
from server.usecases.runtime import Runtime
from server.usecases.signing import send_code, sign
from tests import builders
from tests.builders import LOCAL, OPERATOR

__all__ = ["LOCAL", "OPERATOR"]
R = PersonRole
MANAGER = Actor("person:mara", "hospital-a", frozenset({R.DATA_MANAGER}))
SIGNATORY = Actor("person:sam", "hospital-a", frozenset({R.SIGNATORY}))
STRANGER = Actor("person:eve", "hospital-b", frozenset({R.SIGNATORY, R.DATA_MANAGER}))
DOCUMENTS = (
    DeclaredDocument("ethics", "EC 2026/17", "Ethics board", date(2028, 1, 1), date(2027, 10, 1)),
    DeclaredDocument("dpia", "DPIA 3", "Data protection officer"),
)
DECLARED = Declarations(frozenset(DECLARATIONS), DOCUMENTS)
CONTENT = Content(node="central", terms="1.0.0", text="We share.", circumstances=("security", "breach"))


@dataclass(frozen=True)
class Outbox:
    """What a runtime has put on its way to single persons."""

    runtime: Runtime

    @property
    def sent(self) -> list[tuple[str, str, str]]:
        """(person, title, secret) of each, oldest first."""
        d, n = t.delivery.c, t.notice.c
        rows = select(d.person, n.title, d.secret).join(t.notice, d.notice == n.id).where(d.secret.is_not(None)).order_by(d.id)
        with self.runtime.store.read() as connection:
            return [(row.person, row.title, row.secret) for row in connection.execute(rows)]

    @property
    def code(self) -> str:
        """The last code."""
        code = self.sent[-1][2]
        assert re.fullmatch(r"[2-9A-Z]{5}-[2-9A-Z]{5}", code)
        return code


def sending(runtime: Runtime) -> tuple[Runtime, Outbox]:
    """A runtime that mails to the people of both sides, and where to."""
    for actor in (MANAGER, SIGNATORY, OPERATOR):
        (role,) = actor.roles
        builders.person(runtime, actor.id.removeprefix(PERSON), role=role, party=actor.party)
    mailing = replace(runtime, settings=msgspec.structs.replace(runtime.settings, mail_host="127.0.0.1", mail_port=9))
    return mailing, Outbox(mailing)


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
