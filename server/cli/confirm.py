"""Acts that can't be taken back: they say what they will do, and ask."""

import sys
from collections.abc import Callable, Iterable
from typing import TypeVar

import click

R = TypeVar("R")


def irrevocable(run: Callable[..., R]) -> Callable[..., R]:
    """The flags of an act that can't be taken back, for `confirmed` and the ledger."""
    flags = (
        click.option(
            "--reason", metavar="TEXT", help="why, such as 'consent withdrawn'; it stays in the ledger, so name no person"
        ),
        click.option("--yes", is_flag=True, help="do it without asking"),
        click.option("--dry-run", is_flag=True, help="say what would be done, and do nothing"),
    )
    for flag in reversed(flags):
        run = flag(run)
    return run


def confirmed(told: Iterable[str], *, yes: bool, dry_run: bool) -> bool:
    """Say what an act will do, and whether it is to be done: by `--yes`, or by who is asked on a terminal.

    Raises ClickException where there is nobody to ask.
    """
    print("\n".join(told), flush=True)
    if dry_run:
        print("Nothing was done.")
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.ClickException("This can't be taken back, and nobody is here to ask: say --yes, or --dry-run to look.")
    if click.confirm("This can't be taken back. Do it?", err=True):
        return True
    print("Nothing was done.")
    return False
