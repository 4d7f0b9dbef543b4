"""Senders: which calling AE titles may fill a dataset, and who attested that what they send is de-identified."""

from sqlalchemy import Connection

from adapters.sql import sender as senders
from adapters.sql.ledger import record
from adapters.sql.sender import SenderRow
from consent.deposit import Code, sentence
from consent.entries import SenderAdded, SenderAttested, SenderRemoved
from mappings.failures import Conflict, NotFound
from server.usecases.dataset import require_dataset
from server.usecases.naming import check_aet
from server.usecases.peering import ANYBODY, Peering, read_peering
from server.usecases.runtime import Runtime


def add_sender(
    runtime: Runtime,
    actor: str,
    alias: str,
    aet: str,
    network: str | None = None,
    scp: str | None = None,
    peering: Peering = ANYBODY,
) -> None:
    """Register a calling AE title as a sender, for this dataset only: from a network, or with a certificate from anywhere.

    `scp` (address:port) is where it takes the reports of Storage Commitment; without one it can't ask for any.
    Raises Invalid, NotFound or Conflict.
    """
    check_aet(aet)
    bound = read_peering([] if network is None else [network], scp, peering)
    cidr = next(iter(bound.networks), "")
    now = runtime.clock()
    with runtime.governance_act() as connection:
        dataset, about = require_dataset(connection, alias)
        if runtime.governance.current(connection).host(dataset.id).is_read_only:
            raise Conflict(Code.NODE_READ_ONLY, sentence(Code.NODE_READ_ONLY), "dataset")
        if any(sender.network == cidr for sender in senders.registered(connection, alias, aet)):
            raise Conflict("sender-exists", f"{aet} from {cidr or 'anywhere'} is a sender of {alias} already.", "sender")
        given = {"scp": bound.scp, "certificates": bound.certificates, "tls": bound.tls, "associations": bound.associations}
        senders.add(connection, now, dataset=dataset.id, aet=aet, network=cidr, **given)  # type: ignore[arg-type]
        record(connection, SenderAdded(dataset=alias, aet=aet, network=cidr or None, **bound.told), now, actor, about)


def attest_sender(runtime: Runtime, actor: str, alias: str, aet: str, person: str, on: str) -> None:
    """Record that a responsible person attested on a date: what this sender sends is de-identified."""
    now = runtime.clock()
    with runtime.governance_act() as connection:
        for sender in _registered(connection, alias, aet):
            senders.attest(connection, sender, now, person=person, on=on)
        attested = SenderAttested(dataset=alias, aet=aet, attested_by=person, attested_on=on)
        record(connection, attested, now, actor, require_dataset(connection, alias)[1])


def remove_sender(runtime: Runtime, actor: str, alias: str, aet: str) -> None:
    """Take a sender's registration away: its next object, and its next association, are rejected."""
    now = runtime.clock()
    with runtime.governance_act() as connection:
        for sender in _registered(connection, alias, aet):
            senders.remove(connection, sender, now)
        record(connection, SenderRemoved(dataset=alias, aet=aet), now, actor, require_dataset(connection, alias)[1])


def _registered(connection: Connection, alias: str, aet: str) -> tuple[SenderRow, ...]:
    registered = senders.registered(connection, alias, aet)
    if not registered:
        raise NotFound("sender-unknown", f"{aet} is no sender of {alias}.", "sender")
    return registered


def list_senders(runtime: Runtime) -> tuple[SenderRow, ...]:
    """Every sender, removed ones too."""
    with runtime.store.read() as connection:
        return senders.read_all(connection)
