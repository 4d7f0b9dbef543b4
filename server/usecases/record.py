"""Recording an answered request: every door's reads and searches, within 100 ms of the answer."""

from adapters.sql.access import Access
from consent.conditions import Action
from server.usecases.hall import Caller, Hall

TARGET_CHARACTERS = 1000


def noted(hall: Hall, caller: Caller, action: Action, target: str, status: int, count: int) -> None:
    """Note that `caller` was answered `status` with `count` rows on `target` (a reference, or a search as it was asked)."""
    purpose, asked = caller.purpose or "", target[:TARGET_CHARACTERS]
    hall.accesses.note(Access(hall.clock(), caller.subject.id, str(action), purpose, asked, status, count, caller.request))
