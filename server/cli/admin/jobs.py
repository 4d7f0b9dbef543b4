"""Jobs: what the worker does after an answer, and what became of it."""

import click

from server.cli.help import examples
from server.cli.options import lists, with_runtime
from server.cli.table import Rows
from server.usecases.job import cancel_job, list_jobs
from server.usecases.runtime import Runtime


@click.group(epilog=examples("accord admin job list"))
def job() -> None:
    """Work that is done after an answer."""


@lists(job, "job", "kind", "subject", "state", "due", "attempts", "done", "outcome")
def _list_jobs(runtime: Runtime) -> Rows:
    """The newest jobs, open ones first, at most a hundred."""
    return ((j.id, j.kind, j.subject, j.state, j.due, j.attempts, _far(j.done, j.total), j.outcome) for j in list_jobs(runtime))


def _far(done: int, total: int | None) -> str:
    return str(done) if total is None else f"{done}/{total}"


@job.command("cancel", epilog=examples("accord admin job cancel 12"))
@click.argument("job", type=int)
@with_runtime
def _cancel_job(runtime: Runtime, job: int) -> None:
    """End a job that waits; one that runs ends when it is next told."""
    print(f"job {job}: {cancel_job(runtime, job).state}")
