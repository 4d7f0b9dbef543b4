"""What came out, until when: a paged search and a WADO stream are running while their node is unlinked.

`python -m benchmarks.unlinked DIR` deposits objects, begins both, unlinks the node half-way, and prints a line for each.
"""

import sys
from pathlib import Path

from consent.conditions import Action
from consent.subject import Role
from mappings.failures import Failure
from mappings.query import Level, Query
from server.usecases import search
from server.usecases.deliver import Wanted, deliver
from server.usecases.node import move_node
from server.usecases.party import add_party
from tests import builders
from tests.builders import ACTOR, made
from tests.deposits import deposit

STUDIES, OBJECTS = 1200, 20
"""Studies of one object for the search (500 are read at a time), objects of one study for the stream."""


def main(folder: Path) -> None:
    """Print what each was given before and after."""
    runtime = builders.runtime(folder)
    builders.seed(runtime)
    add_party(runtime, ACTOR, "university", "University", "user")
    batch = builders.batch(runtime)
    for number in range(STUDIES):
        deposit(runtime, made(f"1.2.4.{number}.1", study=f"1.2.4.{number}"), batch)
    for number in range(OBJECTS):
        deposit(runtime, made(f"1.2.3.1.{number}"), batch)
    caller = builders.caller(Role.INSIDE)
    pages = search.pages(runtime, caller, Query(Level.STUDY))
    files = iter(deliver(runtime, caller, Wanted("1.2.3"), len))
    found, sent = len(next(pages)), sum(1 for _ in (next(files) for _ in range(OBJECTS // 2)))
    move_node(runtime, ACTOR, "central", "unlink")
    print(f"search: {found} of {STUDIES + 1} studies before, {sum(map(len, pages))} after")
    print(f"stream: {sent} of {OBJECTS} objects before, {_rest(files)} after")
    with runtime.store.read() as connection:
        visible = runtime.visible_datasets(connection, caller, Action.PROCESS).datasets
    print(f"datasets in sight after: {len(visible)}")
    runtime.close()


def _rest(files: object) -> str:
    try:
        return f"{sum(1 for _ in files)}"  # type: ignore[attr-defined]
    except Failure as stopped:
        return f"0 ({stopped.code}: {stopped.sentence})"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
