"""What commands share: the flags of every Accord, how the operator's command is handed it, and words and dates as arguments."""

import getpass
import os
import shlex
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, TypeVar

import click

from server import settings as configuration
from server import wiring
from server.cli.help import FLAGS
from server.settings import Settings
from server.usecases.runtime import Runtime

R = TypeVar("R")
Command = Callable[..., R]


def accord_flags(run: Command[R]) -> Command[R]:
    """The flags every command of an Accord shares, handed on as `data`, `port`, `dimse_port` and `bind`."""
    flags = (
        click.option("--data", metavar="DIR", help="data directory, such as accord-data (ACCORD_DATA_DIR)"),
        click.option("--port", type=int, help="HTTP port, such as 8080 (ACCORD_PORT)"),
        click.option("--dimse-port", type=int, help="DICOM port, such as 11112 (ACCORD_DIMSE_PORT)"),
        click.option("--bind", metavar="ADDRESS", help="address to listen on, such as 127.0.0.1 (ACCORD_BIND)"),
    )
    for flag in reversed(flags):
        run = flag(run)
    return run


def with_settings(run: Callable[Concatenate[Settings, ...], R]) -> Command[R]:
    """A command of an Accord: handed the settings of the environment and its own flags, which child processes inherit."""

    @accord_flags
    @wraps(run)
    def configured(*, data: str | None, port: int | None, dimse_port: int | None, bind: str | None, **given: Any) -> R:
        flags = {"DATA_DIR": data, "PORT": port, "DIMSE_PORT": dimse_port, "BIND": bind}
        os.environ.update({f"ACCORD_{name}": str(value) for name, value in flags.items() if value is not None})
        if data is not None:
            click.get_current_context().meta[FLAGS] = f" --data {shlex.quote(data)}"
        return run(configuration.read(), **given)

    return configured


def with_runtime(run: Callable[Concatenate[Runtime, ...], R]) -> Command[R]:
    """A command of an Accord that is there: handed it, opened, its schema brought up to date."""

    @with_settings
    @wraps(run)
    def opened(settings: Settings, **given: Any) -> R:
        return run(wiring.runtime(settings), **given)

    return opened


def as_operator(run: Callable[Concatenate[Runtime, str, ...], R]) -> Command[R]:
    """An act of the operator: handed the Accord, and who acts by the account that runs the command."""

    @with_runtime
    @wraps(run)
    def acting(runtime: Runtime, **given: Any) -> R:
        return run(runtime, f"operator:{getpass.getuser()}", **given)

    return acting


def irrevocable(run: Command[R]) -> Command[R]:
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


def words(text: str) -> list[str]:
    """Words by commas or blanks, as an argument's type."""
    return text.replace(",", " ").split()


def date(text: str) -> datetime:
    """A date, as an argument's type; in UTC unless it says its zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter("a date is YYYY-MM-DD, with a time and zone if wanted") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
