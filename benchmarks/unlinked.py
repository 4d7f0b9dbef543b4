"""What came out, until when: a paged search, an export and a WADO stream are running while their node is unlinked.

`python -m benchmarks.unlinked DIR` deposits objects, begins the three, unlinks the node half-way, and prints a line for each.
"""

import sys
from dataclasses import replace
from pathlib import Path
from threading import Event

from adapters.client_file import new_client_key
from adapters.sql import exports
from consent.conditions import Action
from consent.subject import Role
from mappings.failures import Failure
from mappings.fhir.bulk import Kickoff
from mappings.query import Level, Query
from server.usecases import export, search, write_export
from server.usecases.client import add_client
from server.usecases.deliver import Wanted, deliver
from server.usecases.document import rebuild
from server.usecases.export import ask_export
from server.usecases.node import move_node
from server.usecases.party import add_party
from server.worker.jobs import KINDS, work_off
from tests import builders
from tests.builders import ACTOR, made
from tests.deposits import deposit

STUDIES, OBJECTS = 1200, 20
"""Studies of one object for the search (500 are read at a time), objects of one study for the stream."""
ROWS, FILES = 200, 3
"""Rows of a file of the export, and its files when the node is unlinked."""


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
    while rebuild(runtime):
        pass
    registered = {"party": "university", "node": "central", "terms": builders.TERMS, "purposes": ("AIRESEARCH",)}
    add_client(runtime, ACTOR, "compute", jwks=new_client_key()[1], scopes=["system/*.rs"], **registered)
    caller = builders.caller(Role.INSIDE, id="compute")
    pages = search.pages(runtime, caller, Query(Level.STUDY))
    files = iter(deliver(runtime, caller, Wanted("1.2.3"), len))
    found, sent = len(next(pages)), sum(1 for _ in (next(files) for _ in range(OBJECTS // 2)))
    write_export.PART_ROWS = write_export.PAGE = ROWS
    key, kept = ask_export(runtime, caller, Kickoff("", "", ("ImagingStudy",)), "https://asked"), []

    def reached(point: str) -> None:
        kept.extend([point] if point == "export part kept" else [])
        if kept and len(kept) == FILES:
            move_node(runtime, ACTOR, "central", "unlink")
            kept.append("unlinked")

    work_off(replace(runtime, reached=reached), export.KIND, KINDS[export.KIND], Event())
    print(f"search: {found} of {STUDIES + 1} studies before, {sum(map(len, pages))} after")
    print(f"stream: {sent} of {OBJECTS} objects before, {_rest(files)} after")
    with runtime.store.read() as connection:
        files_left = [file for file in exports.files(connection, exports.find(connection, key)) if file.type == "ImagingStudy"]
        print(
            f"export: {FILES * ROWS} of {STUDIES + 1} studies in {FILES} files before, {sum(f.count for f in files_left)} given"
        )
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
