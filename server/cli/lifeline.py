"""Children that die with their parent, however it dies: no orphan keeps a port or a lease."""

import os
import threading
import time

SECONDS = 0.3


def hold(parent: int) -> None:
    """End this process soon after its parent is gone. The parent says who it is: it may be gone before its child can ask."""
    threading.Thread(target=_watch, args=(parent,), name="lifeline", daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(SECONDS)
    os._exit(1)
