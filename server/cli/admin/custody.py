"""What is in care: batches and what of them waits for a decision, studies that go, and blocks that keep them out."""

import sys

import click

from mappings import report as forms
from server.cli.options import as_operator, with_runtime
from server.cli.table import print_rows
from server.usecases import release, report, withdraw
from server.usecases.custody import count_held
from server.usecases.runtime import Runtime


@click.group()
def study() -> None:
    """Studies in care."""


@study.command("withdraw")
@click.argument("uid")
@click.option("--replace", is_flag=True, help="leave no block: a replacement is to come")
@as_operator
def _withdraw_study(runtime: Runtime, actor: str, uid: str, *, replace: bool) -> None:
    """Take a study out at once and let it not come again."""
    print(f"{withdraw.withdraw_study(runtime, actor, uid, replace=replace)} objects withdrawn")


@click.group()
def block() -> None:
    """What may not come again."""


@block.command("lift")
@click.argument("uid")
@as_operator
def _lift_block(runtime: Runtime, actor: str, uid: str) -> None:
    """Let what was withdrawn or refused come again."""
    print(f"{withdraw.lift_block(runtime, actor, uid)} blocks lifted")


@click.group()
def batch() -> None:
    """What came in together."""


@batch.command("list")
@with_runtime
def _list_batches(runtime: Runtime) -> None:
    """The newest batches, at most a hundred."""
    rows = (
        (b.key, b.alias, b.door, f"{b.opened:%Y-%m-%d %H:%M}", "closed" if b.closed else "open")
        for b in report.reports(runtime, None)
    )
    print_rows(("batch", "dataset", "door", "opened", "state"), rows)


@batch.command("show")
@click.argument("batch")
@click.option("--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True)
@with_runtime
def _show_batch(runtime: Runtime, batch: str, form: str) -> None:
    """What became of each file of a batch."""
    write = {"text": forms.to_text, "json": forms.to_json, "csv": forms.to_csv}[form]
    sys.stdout.writelines(write(report.report(runtime, None, batch)))
    print()


@batch.command("release")
@click.argument("batch")
@click.argument("uids", nargs=-1, metavar="[SOP_UID]...")
@as_operator
def _release_batch(runtime: Runtime, actor: str, batch: str, uids: tuple[str, ...]) -> None:
    """Release what waits in a batch, or only these objects of it."""
    done = release.release(runtime, actor, batch, frozenset(uids))
    print(f"{done.objects} released, under batch {done.batch}")


@batch.command("refuse")
@click.argument("batch")
@click.argument("uids", nargs=-1, metavar="[SOP_UID]...")
@as_operator
def _refuse_batch(runtime: Runtime, actor: str, batch: str, uids: tuple[str, ...]) -> None:
    """Refuse what waits in a batch, or only these objects of it."""
    print(f"{release.refuse(runtime, actor, batch, frozenset(uids)).objects} refused")


@click.group()
def custody() -> None:
    """All that is in care."""


@custody.command("show")
@with_runtime
def _show_custody(runtime: Runtime) -> None:
    """Count what is held."""
    held = count_held(runtime)
    print(f"{held.objects} objects, {held.size} bytes held")
