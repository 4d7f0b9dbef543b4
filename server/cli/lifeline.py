"""Children that die with their parent, however it dies: no orphan keeps a port or a lease."""

import os
import threading
import time

SECONDS = 0.3


def hold(parent: int | None = None) -> None:
    """End this process soon after its parent (the one given, or the present one) is gone."""
    waited = parent or os.getppid()
    threading.Thread(target=_watch, args=(waited,), name="lifeline", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS)
    os._exit(1)
