"""What is in care, counted for the operator."""

from dataclasses import dataclass

from adapters.sql import custody
from server.usecases.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Held:
    """How many objects are held, and their bytes together."""

    objects: int
    size: int


def count_held(runtime: Runtime) -> Held:
    """Count what is held on all nodes; what waits for review is not."""
    with runtime.store.read() as connection:
        return Held(*custody.held_bytes(connection))
