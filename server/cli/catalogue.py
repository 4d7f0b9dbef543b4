"""`accord catalogue`: what harvesters will think of it."""

import click

from mappings.dcat.profiles import PROFILES
from server.cli.help import examples
from server.cli.options import with_runtime
from server.usecases.runtime import Runtime
from server.usecases.validate import validate_datasets


@click.group(epilog=examples("accord catalogue validate"))
def catalogue() -> None:
    """The catalogue that harvesters read."""


@catalogue.command(
    "validate",
    epilog=examples("accord catalogue validate BREAST-A", "accord catalogue validate --profile healthdcat-ap-8 --profile fdp"),
)
@click.argument("datasets", nargs=-1, metavar="[DATASET]...")
@click.option(
    "--profile",
    "profiles",
    multiple=True,
    type=click.Choice(list(PROFILES)),
    default=[next(iter(PROFILES))],
    show_default=True,
    help="what they are held against",
)
@with_runtime
def _validate(runtime: Runtime, datasets: tuple[str, ...], profiles: tuple[str, ...]) -> int:
    """Hold what would be told of datasets against a profile; without a name, all of them.

    Ends with 1 where something is wrong.
    """
    wrong = 0
    for alias, profile, sentences in validate_datasets(runtime, datasets, profiles):
        wrong += len(sentences)
        print("\n".join(f"{alias}, {profile}: {said}" for said in sentences) or f"{alias}, {profile}: conforms.")
    return 1 if wrong else 0
