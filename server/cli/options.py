"""What commands of an Accord share: its flags, how they are handed it, lists, and words and dates as arguments."""

import getpass
import os
import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, TypeVar

import click

from consent.person import Actor, PersonRole
from server import settings as configuration
from server import wiring
from server.cli.help import FLAGS, examples
from server.cli.table import Rows, print_rows
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


def lists(group: click.Group, *columns: str) -> Callable[[Callable[[Runtime], Rows]], Command[None]]:
    """Make a verb `list` of a noun: what is decorated gives the rows, whose columns are called so."""

    def listed(rows: Callable[[Runtime], Rows]) -> Command[None]:
        @group.command("list", help=rows.__doc__, epilog=examples(f"accord admin {group.name} list"))
        @click.option("--json", "as_json", is_flag=True, help="print an array of objects, for scripts")
        @with_runtime
        def show(runtime: Runtime, *, as_json: bool) -> None:
            print_rows(columns, rows(runtime), as_json=as_json)

        return show

    return listed


def as_operator(run: Callable[Concatenate[Runtime, str, ...], R]) -> Command[R]:
    """An act of the operator: handed the Accord, and who acts by the account that runs the command."""

    @with_runtime
    @wraps(run)
    def acting(runtime: Runtime, **given: Any) -> R:
        return run(runtime, f"operator:{getpass.getuser()}", **given)

    return acting


def local_operator(actor: str) -> Actor:
    """Whoever runs a command of the operator's, as an actor: it owns the data directory, and is nobody's second person."""
    return Actor(actor, None, frozenset({PersonRole.OPERATOR}), is_local=True)


def as_actor(run: Callable[Concatenate[Runtime, Actor, ...], R]) -> Command[R]:
    """An act of a person's, done at this machine: handed the Accord, and an operator who is nobody's second person."""

    @with_runtime
    @wraps(run)
    def acting(runtime: Runtime, **given: Any) -> R:
        return run(runtime, local_operator(f"local:{getpass.getuser()}"), **given)

    return acting


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
