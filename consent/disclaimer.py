"""Disclaimers on a dataset: where it is hosted, that availability is not promised, and what it is never for."""

from consent.node import Hosting
from consent.policy import NEVER_FOR_DIAGNOSIS

HOSTED = {
    Hosting.CENTRAL: "Its images are hosted at the repository's central node.",
    Hosting.FEDERATED: "Its images are hosted at a node of its provider's, and come from there.",
}
AVAILABILITY = (
    "Availability is not promised: a node may be away, and its provider or the repository may stop sharing at any moment."
)


def disclaimers(hosting: Hosting) -> tuple[str, ...]:
    """What is said of every dataset whose agreement chose this hosting, in sentences."""
    return HOSTED[hosting], AVAILABILITY, NEVER_FOR_DIAGNOSIS
