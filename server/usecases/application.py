"""Applying for an agreement: an organisation says whom to talk to, what data it has, and where it wants to deviate."""

from adapters.sql import agreement as agreements
from adapters.sql.ledger import About, record
from consent.agreement import AgreementState, Application
from consent.entries import AgreementApplied
from consent.person import Act, Actor
from mappings.failures import Conflict, Forbidden, Invalid
from server.usecases.agreement import new_agreement
from server.usecases.naming import check_text, require_act
from server.usecases.runtime import Runtime

MOST_CONTACTS, MOST_DATA, MOST_DEVIATIONS = 1_000, 5_000, 5_000
"""Bytes of each text."""
MOST_OPEN = 20
"""Applications of one organisation that wait at once."""


def apply_for_agreement(runtime: Runtime, actor: Actor, key: str, *, contacts: str, data: str, deviations: str = "") -> None:
    """Ask for an agreement; the repository drafts it, or refuses. Free text on deviating conditions is for it to decide on."""
    if actor.party is None:
        raise Forbidden("act-not-yours", "An agreement is applied for by an organisation.")
    require_act(actor, Act.APPLY, actor.party)
    now = runtime.clock()
    application = Application(
        check_text(contacts, MOST_CONTACTS, "contacts"),
        check_text(data, MOST_DATA, "data"),
        check_text(deviations, MOST_DEVIATIONS, "deviations"),
        actor.id,
        now,
    )
    if not application.contacts or not application.data:
        raise Invalid("application-empty", "An application says whom to talk to, and what data there is.", "data")
    with runtime.governance_act() as connection:
        row = new_agreement(runtime, connection, key, actor.party, AgreementState.APPLIED)
        waiting = [each for each in agreements.read_all(connection) if each.party == row.party and each.version == 0]
        if sum(each.standing.state is AgreementState.APPLIED for each in waiting) > MOST_OPEN:
            raise Conflict("applications", f"At most {MOST_OPEN} applications of one organisation wait at once.", "agreement")
        agreements.add_application(connection, row, application)
        record(connection, AgreementApplied(agreement=key, provider=actor.party), now, actor.id, About(row.party))
