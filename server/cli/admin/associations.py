"""Who called the DICOM door of late."""

import shlex

import click

from server.cli.help import examples, say_next
from server.cli.options import with_runtime
from server.cli.table import print_rows
from server.usecases.association import list_associations
from server.usecases.runtime import Runtime

COLUMNS = ("last", "calling", "called", "address", "times", "outcome", "to let it in")
"""The last is told beneath a table, where a command is not broken."""


@click.command("associations", epilog=examples("accord admin associations"))
@click.option("--json", "as_json", is_flag=True, help="print an array of objects, for scripts")
@with_runtime
def associations(runtime: Runtime, *, as_json: bool) -> None:
    """The last DICOM associations and refusals, and the command that would register who was refused."""
    known = [(each.row, each.outcome, shlex.join(each.remedy)) for each in list_associations(runtime)]
    told = [((r.at, r.calling, r.called, r.address, r.times, outcome), remedy) for r, outcome, remedy in known]
    if as_json:
        print_rows(COLUMNS, [(*row, remedy) for row, remedy in told], as_json=True)
        return
    print_rows(COLUMNS[:-1], [row for row, _ in told])
    say_next(*(remedy for _, remedy in told if remedy))
