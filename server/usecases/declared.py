"""The documents that providers named when they signed what is in force: whose day of reminder has come, or that have expired."""

from dataclasses import dataclass

from adapters.sql import agreement as agreements
from adapters.sql import signatures
from consent.agreement import AgreementState
from consent.signature import DeclaredDocument
from server.usecases.runtime import Runtime


@dataclass(frozen=True, slots=True)
class DueDocument:
    """A document of an agreement's provider, whose reminder is due; `has_expired`: it holds no more."""

    agreement: str
    version: int
    provider: str
    document: DeclaredDocument
    has_expired: bool

    @property
    def title(self) -> str:
        """What is due, without a person's name."""
        ends = "has expired" if self.has_expired else f"expires on {self.document.expires:%Y-%m-%d}"
        return f"The {self.document.kind} document of {self.agreement} ({self.provider}) {ends}"

    @property
    def sentence(self) -> str:
        """The same, and what is to be done."""
        return f"{self.title}: its provider renews it."


def find_due(runtime: Runtime) -> tuple[DueDocument, ...]:
    """Every document that is due, by agreement; nothing of agreements that are over."""
    today, due = runtime.clock().date(), list[DueDocument]()
    with runtime.store.read() as connection:
        for row in agreements.read_all(connection):
            if row.standing.state not in (AgreementState.ACTIVE, AgreementState.SUSPENDED):
                continue
            for signature in signatures.read(connection, row.id, row.version):
                for document in signature.declarations.documents:
                    has_expired = document.expires is not None and document.expires < today
                    if has_expired or (document.remind is not None and document.remind <= today):
                        due.append(DueDocument(row.key, row.version, row.provider, document, has_expired))
    return tuple(due)
