"""Recording an answered request: every door's reads and searches, within 100 ms of the answer."""

from adapters.sql.access import Access
from consent.conditions import Action
from server.usecases.runtime import Caller, Runtime

TARGET_CHARACTERS = 1000


def note_access(runtime: Runtime, caller: Caller, action: Action, target: str, status: int, count: int) -> None:
    """Note that `caller` was answered `status` with `count` rows on `target` (a reference, or a search as it was asked)."""
    asked = target[:TARGET_CHARACTERS].replace("\0", "")  # PostgreSQL takes no NUL, and one row must not spoil its group
    purpose = caller.purpose or ""
    runtime.accesses.note(Access(runtime.clock(), caller.subject.id, str(action), purpose, asked, status, count, caller.request))
