"""Permits: letting an organisation use a dataset that is shared under conditions, and taking that back."""

from collections.abc import Sequence
from datetime import datetime

from adapters.sql import party as parties
from adapters.sql import permit as permits
from adapters.sql.ledger import record
from consent.entries import PermitAdded, PermitRevoked
from consent.permit import Permit
from mappings.failures import NotFound
from server.usecases.dataset import require_dataset
from server.usecases.naming import check_words, require
from server.usecases.runtime import Runtime


def add_permit(
    runtime: Runtime,
    actor: str,
    alias: str,
    party: str,
    ends: datetime | None = None,
    *,
    export: bool = False,
    evidence: Sequence[str] = (),
) -> None:
    """Permit an organisation the use of a dataset shared under conditions; with `export`, taking it out too.

    `evidence`: codes of data-use terms in force of which its giver has seen that this use meets them.
    """
    now = runtime.clock()
    with runtime.governance_act() as connection:
        dataset, about = require_dataset(connection, alias)
        holder = require(parties.find_id(connection, party), "party", party)
        terms = runtime.governance.current(connection).dataset(dataset.id).conditions.data_use
        check_words(evidence, [term.code for term in terms], "evidence")
        seen = frozenset(str(term) for term in terms if term.code in evidence)
        permits.add(connection, now, dataset=dataset.id, party=holder, ends=ends, export=export, evidence=seen)
        given = PermitAdded(dataset=alias, party=party, ends=ends, export=export, evidence=seen)
        record(connection, given, now, actor, about)


def revoke_permit(runtime: Runtime, actor: str, alias: str, party: str) -> None:
    """Take every permit of an organisation for a dataset back."""
    now = runtime.clock()
    with runtime.governance_act() as connection:
        dataset, about = require_dataset(connection, alias)
        holder = require(parties.find_id(connection, party), "party", party)
        if not permits.revoke(connection, now, dataset=dataset.id, party=holder):
            raise NotFound("permit-unknown", f"{party} holds no permit for {alias}.", "permit")
        record(connection, PermitRevoked(dataset=alias, party=party), now, actor, about)


def list_permits(runtime: Runtime) -> tuple[tuple[str, Permit, datetime | None], ...]:
    """(alias, permit, when it was revoked) for every permit."""
    with runtime.store.read() as connection:
        return permits.read_all(connection)
