"""What is in care: batches and what of them waits for a decision, studies that go, and blocks that keep them out."""

import sys

import click

from mappings import report as forms
from server.cli.options import as_operator, with_hall
from server.cli.table import print_rows
from server.usecases import release, report, withdraw
from server.usecases.custody import count_held
from server.usecases.hall import Hall


@click.group()
def study() -> None:
    """Studies in care."""


@study.command("withdraw")
@click.argument("uid")
@click.option("--replace", is_flag=True, help="leave no block: a replacement is to come")
@as_operator
def _withdraw_study(hall: Hall, actor: str, uid: str, *, replace: bool) -> None:
    """Take a study out at once and let it not come again."""
    print(f"{withdraw.withdraw_study(hall, actor, uid, replace=replace)} objects withdrawn")


@click.group()
def block() -> None:
    """What may not come again."""


@block.command("lift")
@click.argument("uid")
@as_operator
def _lift_block(hall: Hall, actor: str, uid: str) -> None:
    """Let what was withdrawn or refused come again."""
    print(f"{withdraw.lift_block(hall, actor, uid)} blocks lifted")


@click.group()
def batch() -> None:
    """What came in together."""


@batch.command("list")
@with_hall
def _list_batches(hall: Hall) -> None:
    """The newest batches, at most a hundred."""
    rows = (
        (b.key, b.alias, b.door, f"{b.opened:%Y-%m-%d %H:%M}", "closed" if b.closed else "open")
        for b in report.listed(hall, None)
    )
    print_rows(("batch", "dataset", "door", "opened", "state"), rows)


@batch.command("show")
@click.argument("batch")
@click.option("--format", "form", type=click.Choice(["text", "json", "csv"]), default="text", show_default=True)
@with_hall
def _show_batch(hall: Hall, batch: str, form: str) -> None:
    """What became of each file of a batch."""
    write = {"text": forms.to_text, "json": forms.to_json, "csv": forms.to_csv}[form]
    sys.stdout.writelines(write(report.report(hall, None, batch)))
    print()


@batch.command("release")
@click.argument("batch")
@click.argument("uids", nargs=-1, metavar="[SOP_UID]...")
@as_operator
def _release_batch(hall: Hall, actor: str, batch: str, uids: tuple[str, ...]) -> None:
    """Release what waits in a batch, or only these objects of it."""
    done = release.release(hall, actor, batch, frozenset(uids))
    print(f"{done.objects} released, under batch {done.batch}")


@batch.command("refuse")
@click.argument("batch")
@click.argument("uids", nargs=-1, metavar="[SOP_UID]...")
@as_operator
def _refuse_batch(hall: Hall, actor: str, batch: str, uids: tuple[str, ...]) -> None:
    """Refuse what waits in a batch, or only these objects of it."""
    print(f"{release.refuse(hall, actor, batch, frozenset(uids)).objects} refused")


@click.group()
def custody() -> None:
    """All that is in care."""


@custody.command("show")
@with_hall
def _show_custody(hall: Hall) -> None:
    """Count what is held."""
    held = count_held(hall)
    print(f"{held.objects} objects, {held.size} bytes held")
