"""Published work on datasets: title and short summary, and a DOI where both sides say so."""

import click

from consent.person import Actor
from server.cli.help import examples, say_next
from server.cli.options import as_actor, lists
from server.cli.table import Rows
from server.usecases import publication as publications
from server.usecases.runtime import Runtime

_KEY, _DOI = "4f1d2c3b4a5968774f1d2c3b4a596877", "10.1000/182"
_DATASET, _WORK = click.argument("alias"), click.argument("key")


@click.group(epilog=examples("accord admin publication list"))
def publication() -> None:
    """Published work on a dataset."""


@publication.command(
    "add",
    epilog=examples(
        f"accord admin publication add BREAST-A 'Breast MR at scale' --summary 'A model of 120 patients.' --doi {_DOI}"
    ),
)
@_DATASET
@click.argument("title")
@click.option("--summary", required=True, metavar="TEXT", help="a short one, in one line and with no word of a patient")
@click.option("--doi", help=f"such as {_DOI}; it is told when the provider says so too")
@as_actor
def _add(runtime: Runtime, actor: Actor, alias: str, title: str, summary: str, doi: str | None) -> None:
    """Tell of published work; its provider has a notice of it."""
    made = publications.add_publication(runtime, actor, alias, title, summary, doi)
    print(f"{made.key}: told of, on {alias}")


@publication.command("doi", epilog=examples(f"accord admin publication doi BREAST-A {_KEY} --doi {_DOI}"))
@_DATASET
@_WORK
@click.option("--doi", help=f"such as {_DOI}; default: none")
@as_actor
def _want_doi(runtime: Runtime, actor: Actor, alias: str, key: str, doi: str | None) -> None:
    """Say for the repository which DOI of a work is told."""
    made = publications.want_doi(runtime, actor, alias, key, doi)
    print(f"{key}: {f'DOI {made.doi} is told' if made.doi else 'no DOI is told'}")
    if doi and not made.doi:
        say_next(f"its provider says the same: POST /api/datasets/{alias}/publications/{key}/doi")


@publication.command("remove", epilog=examples(f"accord admin publication remove BREAST-A {_KEY}"))
@_DATASET
@_WORK
@as_actor
def _remove(runtime: Runtime, actor: Actor, alias: str, key: str) -> None:
    """Tell of a work no more."""
    publications.remove_publication(runtime, actor, alias, key)
    print(f"{key}: told of no more")


@lists(publication, "publication", "dataset", "title", "DOI", "provider's DOI", "repository's DOI")
def _list(runtime: Runtime) -> Rows:
    """All that is told of."""
    every = publications.all_publications(runtime)
    return ((one.key, alias, one.title, one.doi, one.doi_of_provider, one.doi_of_repository) for alias, one in every)
