"""`accord backup` and `accord restore`: a repository copied while it runs, and put back where nothing is."""

from pathlib import Path

import click

from server import wiring
from server.cli.help import examples
from server.cli.options import with_runtime, with_settings
from server.cli.progress import transfer_bar
from server.settings import Settings
from server.usecases import backup as usecase
from server.usecases import ledger
from server.usecases.runtime import Runtime

FOLDER = click.Path(file_okay=False, path_type=Path, resolve_path=True)


@click.command(epilog=examples("accord backup /backup/accord"))
@click.argument("folder", type=FOLDER)
@with_runtime
def backup(runtime: Runtime, folder: Path) -> None:
    """Copy this Accord into a folder while it runs: database, keys, quarantine, folder nodes.

    Into the same folder again, only what is new is copied. The folder holds secrets and images; it is made for its owner alone.
    """
    with transfer_bar("backup", usecase.size(runtime.settings.data_dir)) as moved:
        made = usecase.back_up(runtime, folder, moved)
    copied = f"{made.files} files ({made.new} of them new), {made.bytes:,} bytes"
    print(f"{copied}, and the database as of {made.at:%Y-%m-%d %H:%M:%S} UTC.")
    for said in usecase.left_out(runtime):
        print(said)
    runtime.close()


@click.command(epilog=examples("accord restore /backup/accord --data accord-data"))
@click.argument("folder", type=FOLDER)
@with_settings
def restore(settings: Settings, folder: Path) -> int:
    """Put a backup back, into an empty data directory and an empty database.

    Its ledger is recomputed; it ends with 1 where that is broken.
    """
    with transfer_bar("restore", usecase.size(folder / "data")) as moved:
        usecase.put_back(settings, folder, moved)
    runtime = wiring.runtime(settings)
    checked = ledger.verify(runtime)
    runtime.close()
    print(checked.broken or f"{checked.entries} entries of the ledger recomputed, all as recorded.")
    print("Next: accord serve, then accord doctor. What came after the backup is to be sent again.")
    return 1 if checked.broken else 0
