"""The second person: what two decide on is done by one where there is no other operator, and by nobody else."""

from sqlalchemy import Connection

from adapters.sql import person as people
from consent.person import person_id
from mappings.failures import Forbidden


def is_only_operator(connection: Connection, actor: str) -> bool:
    """Whether no person is an operator but, perhaps, this actor, by its id."""
    return {person_id(key) for key in people.operators(connection)} <= {actor}


def require_only_operator(connection: Connection, actor: str) -> None:
    """Raises Forbidden where another operator is there to confirm."""
    if not is_only_operator(connection, actor):
        raise Forbidden("two-persons", "Two persons decide on this: propose it, and another operator confirms it.")
