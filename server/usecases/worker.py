"""Whether anybody does the work that follows an answer: workers say so as they go, and readiness listens."""

from datetime import timedelta

from adapters.sql import workers
from server.usecases.runtime import Runtime

BEAT_SECONDS = 5
SILENT = timedelta(seconds=60)


def beat(runtime: Runtime) -> int:
    """Say that this worker is at work; nothing to tell of."""
    with runtime.store.write(durable=False) as connection:
        workers.beat(connection, runtime.holder, runtime.clock())
    return 0


def find_troubles(runtime: Runtime, host: str = "") -> list[str]:
    """That no worker (of this host, where one is named) is at work, in a sentence for the operator; nothing where one is."""
    with runtime.store.read() as connection:
        last = workers.last_beat(connection, host)
    if last is not None and runtime.clock() - last < SILENT:
        return []
    since = "yet" if last is None else f"since {last:%Y-%m-%d %H:%M:%S} UTC"
    return [f"No worker has been at work {since}: is `accord worker` running, and its clock right?"]
