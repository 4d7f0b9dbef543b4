"""What commands share: the flags of every Accord, how the operator's command is handed it, and words and dates as arguments."""

import getpass
import os
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, TypeVar

import click

from server import settings as configuration
from server import wiring
from server.settings import Settings
from server.usecases.runtime import Runtime

R = TypeVar("R")
Command = Callable[..., R]


def accord_flags(run: Command[R]) -> Command[R]:
    """The flags every command of an Accord shares, handed on as `data`, `port`, `dimse_port` and `bind`."""
    flags = (
        click.option("--data", metavar="DIR", help="data directory (ACCORD_DATA_DIR)"),
        click.option("--port", type=int, help="HTTP port (ACCORD_PORT)"),
        click.option("--dimse-port", type=int, help="DICOM port (ACCORD_DIMSE_PORT)"),
        click.option("--bind", metavar="ADDRESS", help="address to listen on (ACCORD_BIND)"),
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
