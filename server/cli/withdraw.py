"""`accord withdraw`: a provider takes a study, or all of one pseudonym, out of its own dataset."""

from pathlib import Path

import click

from adapters.accord_client import AccordClient
from adapters.client_file import read_client
from server.cli.confirm import confirmed, irrevocable
from server.cli.help import examples
from server.cli.sentences import many, warn, withdrawal


@click.command(
    epilog=examples(
        "accord withdraw 1.2.826.0.1.3680043.8.498.1 --as pacs-a.client.json --reason 'consent withdrawn'",
        "accord withdraw --dataset BREAST-A --patient PSEUDONYM-7 --as pacs-a.client.json --dry-run",
    )
)
@click.argument("study", required=False, metavar="[STUDY_UID]")
@click.option("--as", "client", type=Path, metavar="FILE", required=True, help="the client file of the provider")
@click.option("--dataset", metavar="ALIAS", help="with --patient: the dataset it is in")
@click.option("--patient", metavar="PATIENT_ID", help="instead of a study: all of this pseudonym in a dataset")
@click.option("--replace", is_flag=True, help="leave no block: a replacement is to come")
@click.option("--url", help="the server, such as https://accord.example; default: the one in the client file")
@irrevocable
def withdraw(
    study: str | None,
    client: Path,
    dataset: str | None,
    patient: str | None,
    url: str | None,
    reason: str | None,
    *,
    replace: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Take a study, or all of one pseudonym, out of your own dataset at once."""
    named = {"study": study} if study else {"dataset": dataset, "patient": patient}
    if not all(named.values()) or (study and (dataset or patient)):
        raise click.UsageError("Name a study, or --dataset and --patient.")
    asked = named | {"replace": replace} | ({"reason": reason} if reason else {})
    with AccordClient(read_client(client), url, waits=warn) as accord:
        told = accord.withdraw({**asked, "dry_run": True})
        lines = withdrawal(told["dataset"], told["studies"], told["objects"], told["bytes"], replace=replace)
        if confirmed(lines, yes=yes, dry_run=dry_run):
            print(f"{many(accord.withdraw(asked)['objects'], 'object')} withdrawn")
