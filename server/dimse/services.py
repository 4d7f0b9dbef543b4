"""Which services an association is offered: queries by who calls the repository, storage by who calls a dataset."""

from collections.abc import Callable, Mapping
from typing import Any

from pynetdicom import build_context
from pynetdicom.dimse_primitives import C_FIND
from pynetdicom.events import Event
from pynetdicom.presentation import PresentationContext
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from server.dimse.find import find
from server.dimse.request import FIND

Serve = Callable[[Any, Any, Any], None]
_PLAIN = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]


def query_contexts() -> list[PresentationContext]:
    """What the repository's AE understands: verification and queries."""
    return [build_context(Verification), *(build_context(model, _PLAIN) for model in FIND)]


QUERIES: Mapping[type, Serve] = {C_FIND: find}
"""Request → what serves it, at the repository's AE."""


def offered(event: Event, contexts: list[PresentationContext]) -> None:
    """EVT_REQUESTED, once it was admitted: who calls the repository is offered queries, whatever else it proposes."""
    association: Any = event.assoc
    caller = association.deposit.caller
    if caller is not None and caller.registration is None:
        association.acceptor.supported_contexts = contexts
        association.services = QUERIES
