"""Storage Commitment: senders ask whether what they sent is kept, and are told on an association of ours, tried for a week."""

from adapters import dicom_peer
from adapters.sql import commitment as commitments
from adapters.sql import jobs
from adapters.sql import sender as senders
from adapters.sql.commitment import CommitmentRow
from adapters.sql.sender import SenderRow
from mappings.dicom.commitment import CommitmentRequest, report
from mappings.failures import Forbidden, Throttled, Unavailable
from server.usecases.job import Work, result
from server.usecases.peering import called_by
from server.usecases.runtime import Registration, Runtime

KIND = "commitment"
ATTEMPTS = 340
"""A week of half hours."""
MOST_WAITING = 1000
"""Requests of one sender that wait for their report."""


def ask(runtime: Runtime, registration: Registration, request: CommitmentRequest) -> None:
    """Take a request: durable when this returns. The same transaction again is answered again.

    Raises Forbidden where it is not known where this sender takes reports, Throttled where too many wait.
    """
    if registration.scp is None:
        raise Forbidden("sender-scp", "It is not known where this sender takes reports. Ask the repository.")
    now = runtime.clock()
    with runtime.store.write() as connection:
        if commitments.waiting(connection, registration.sender) >= MOST_WAITING:
            raise Throttled("commitments", "Too many requests wait for their report.")
        key = commitments.keep(connection, registration.sender, request.transaction, request.references, now)
        jobs.enqueue(connection, KIND, str(key), now)


def report_kept(runtime: Runtime, work: Work) -> str:
    """Tell a sender which of its objects are in our care now, with their digest. Raises Unavailable, for another attempt."""
    with runtime.store.read() as connection:
        row = commitments.find(connection, int(work.subject))
        sender = None if row is None else senders.by_id(connection, row.sender)
    if row is None:
        return "It was answered."
    told = "The sender is registered no more." if sender is None or sender.scp is None else ""
    if sender is not None and sender.scp is not None:
        try:
            told = _report(runtime, row, sender, sender.scp)
        except Unavailable:
            if work.job.attempts < ATTEMPTS:
                raise
            told = "The sender took no report for a week."
    with result(runtime, work) as connection:
        commitments.forget(connection, row)
    return told


def _report(runtime: Runtime, row: CommitmentRow, sender: SenderRow, scp: tuple[str, int]) -> str:
    with runtime.store.read() as connection:
        failed = commitments.failures(connection, sender.dataset, row.references)
    event, information = report(row.transaction, row.references, failed, runtime.settings.ae_title)
    dicom_peer.report_commitment(sender.alias, sender.aet, scp, event, information, called_by(runtime, sender))
    return f"{len(row.references) - len(failed)} of {len(row.references)} objects are kept."
