"""`accord ledger`: the record, checked by whoever owns the data directory."""

import click

from server import wiring
from server.cli.help import examples
from server.cli.options import with_settings
from server.settings import Settings
from server.usecases import ledger as usecase


@click.group(epilog=examples("accord ledger verify"))
def ledger() -> None:
    """The record."""


@ledger.command("verify", epilog=examples("accord ledger verify"))
@with_settings
def _verify(settings: Settings) -> int:
    """Recompute the whole ledger; name the first broken entry."""
    checked = usecase.verify(wiring.runtime(settings, upgrade=False))
    if checked.broken:
        print(f"BROKEN after {checked.entries} good entries. {checked.broken}")
        return 1
    print(f"{checked.entries} entries and {checked.roots} roots recomputed, all as recorded ({checked.erased} bodies erased).")
    return 0
