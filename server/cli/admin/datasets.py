"""Datasets, and the DICOM senders that may fill them."""

import json

import click

from mappings.failures import Invalid
from server.cli.options import as_operator, with_runtime
from server.cli.table import print_rows
from server.usecases.dataset import add_dataset, list_datasets, set_dataset
from server.usecases.runtime import Runtime
from server.usecases.sender import add_sender, attest_sender, list_senders, remove_sender


@click.group()
def dataset() -> None:
    """What is shared under an agreement."""


@dataset.command("add")
@click.argument("alias")
@click.option("--agreement", required=True)
@click.option("--title", required=True)
@click.option("--description", default="")
@as_operator
def _add_dataset(runtime: Runtime, actor: str, alias: str, agreement: str, title: str, description: str) -> None:
    """Open a dataset; its alias is also the called AE title."""
    add_dataset(runtime, actor, alias, agreement, title, description)


@dataset.command("set")
@click.argument("alias")
@click.argument("details", nargs=-1, required=True, metavar="KEY=VALUE...")
@as_operator
def _set_dataset(runtime: Runtime, actor: str, alias: str, details: tuple[str, ...]) -> None:
    """Set what the catalogue needs and the images can't tell; an empty value clears it."""
    pairs = dict(pair.split("=", 1) for pair in details if "=" in pair)
    if len(pairs) != len(details):
        raise Invalid("details", "Details are given as KEY=VALUE.")
    set_dataset(runtime, actor, alias, pairs)


@dataset.command("list")
@with_runtime
def _list_datasets(runtime: Runtime) -> None:
    """Every dataset."""
    print_rows(("dataset", "title", "details"), ((d.alias, d.title, json.dumps(d.details)) for d in list_datasets(runtime)))


@click.group()
def sender() -> None:
    """DICOM senders."""


@sender.command("add")
@click.argument("dataset")
@click.option("--aet", required=True, help="its calling AE title")
@click.option("--from", "network", required=True, metavar="CIDR")
@as_operator
def _add_sender(runtime: Runtime, actor: str, dataset: str, aet: str, network: str) -> None:
    """Let a sender fill a dataset from a network."""
    add_sender(runtime, actor, dataset, aet, network)


@sender.command("attest")
@click.argument("dataset")
@click.option("--aet", required=True, help="its calling AE title")
@click.option("--person", required=True, help="who answers for its de-identification")
@click.option("--on", required=True, metavar="YYYY-MM-DD")
@as_operator
def _attest_sender(runtime: Runtime, actor: str, dataset: str, aet: str, person: str, on: str) -> None:
    """Record that a person answers for a sender's de-identification."""
    attest_sender(runtime, actor, dataset, aet, person, on)


@sender.command("remove")
@click.argument("dataset")
@click.option("--aet", required=True, help="its calling AE title")
@as_operator
def _remove_sender(runtime: Runtime, actor: str, dataset: str, aet: str) -> None:
    """Take nothing more from a sender."""
    remove_sender(runtime, actor, dataset, aet)


@sender.command("list")
@with_runtime
def _list_senders(runtime: Runtime) -> None:
    """Every sender."""
    rows = ((s.alias, s.aet, s.network, s.attested_by, s.removed) for s in list_senders(runtime))
    print_rows(("dataset", "AE title", "network", "attested by", "removed"), rows)
