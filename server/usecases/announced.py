"""What is announced of addresses, as one process knows it: asked of the database twice a minute, and by no request twice."""

from datetime import datetime, timedelta

from adapters.sql import announcement
from consent.announcement import Announcement
from mappings.failures import Failure
from server.usecases.runtime import Runtime

RENEWED = timedelta(seconds=30)


class Announcements:
    """The announcements that one process knows of, at most half a minute old; older where the database does not answer."""

    def __init__(self) -> None:
        self._asked: datetime | None = None
        self._known: tuple[Announcement, ...] = ()

    def current(self, runtime: Runtime) -> tuple[Announcement, ...]:
        """All that are not over. Raises nothing: what is known of an outage is told while it lasts."""
        now = runtime.clock()
        if self._asked is None or now - self._asked >= RENEWED:
            self._asked = now  # before it is asked: nobody else waits for the same
            try:
                with runtime.store.read() as connection:
                    self._known = announcement.read_ahead(connection, now)
            except Failure:
                return self._known
        return self._known
