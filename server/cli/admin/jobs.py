"""Jobs: what the worker does after an answer, and what became of it."""

import click

from server.cli.options import with_runtime
from server.cli.table import print_rows
from server.usecases.job import cancel_job, list_jobs
from server.usecases.runtime import Runtime


@click.group()
def job() -> None:
    """Work that is done after an answer."""


@job.command("list")
@with_runtime
def _list_jobs(runtime: Runtime) -> None:
    """The newest jobs, open ones first, at most a hundred."""
    columns = ("job", "kind", "subject", "state", "due", "attempts", "done", "outcome")
    rows = (
        (j.id, j.kind, j.subject, j.state, f"{j.due:%Y-%m-%d %H:%M:%S}", j.attempts, _far(j.done, j.total), j.outcome)
        for j in list_jobs(runtime)
    )
    print_rows(columns, rows)


def _far(done: int, total: int | None) -> str:
    return str(done) if total is None else f"{done}/{total}"


@job.command("cancel")
@click.argument("job", type=int)
@with_runtime
def _cancel_job(runtime: Runtime, job: int) -> None:
    """End a job that waits; one that runs ends when it is next told."""
    print(f"job {job}: {cancel_job(runtime, job).state}")
