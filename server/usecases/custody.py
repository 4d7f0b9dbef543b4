"""What is in care, counted for the operator."""

from dataclasses import dataclass

from adapters.sql import custody
from server.usecases.hall import Hall


@dataclass(frozen=True, slots=True)
class Held:
    """How many objects are held, and their bytes together."""

    objects: int
    size: int


def count_held(hall: Hall) -> Held:
    """Count what is held on all nodes; what waits for review is not."""
    with hall.store.read() as connection:
        return Held(*custody.held_bytes(connection))
