"""Who called the DICOM door of late."""

import shlex

import click

from server.cli.help import examples
from server.cli.options import with_runtime
from server.cli.table import print_rows
from server.usecases.association import list_associations
from server.usecases.runtime import Runtime

COLUMNS = ("last", "calling", "called", "address", "times", "outcome", "to let it in")


@click.command("associations", epilog=examples("accord admin associations"))
@click.option("--json", "as_json", is_flag=True, help="print an array of objects, for scripts")
@with_runtime
def associations(runtime: Runtime, *, as_json: bool) -> None:
    """The last DICOM associations and refusals, and the command that would register who was refused."""
    told = ((each.row, shlex.join(each.remedy)) for each in list_associations(runtime))
    rows = ((r.at, r.calling, r.called, r.address, r.times, r.reason or "accepted", remedy) for r, remedy in told)
    print_rows(COLUMNS, rows, as_json=as_json)
