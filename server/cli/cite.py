"""`accord cite`: how a dataset is cited, as its public description says."""

import sys
from collections.abc import Iterable
from pathlib import Path

import click

from adapters.repository import Repository
from mappings.dcat.citation import FORMATS, Citation, read_citation
from mappings.dicom.uid import legal_uid
from mappings.failures import Failure, NotFound
from server.cli.help import examples
from server.cli.reading import asker_flags, opened, today
from server.cli.sentences import warn


@click.command(
    epilog=examples(
        "accord cite BREAST-A --format bibtex --as lab-b.client.json",
        "accord cite 1.2.826.0.1.3680043.8.498.1 --purpose AIRESEARCH --as lab-b.client.json",
    )
)
@click.argument("named", nargs=-1, required=True, metavar="DATASET|STUDY...")
@click.option("--format", "form", type=click.Choice(list(FORMATS)), default="text", show_default=True, help="how it is written")
@asker_flags
def cite(named: tuple[str, ...], form: str, client: Path, url: str | None, purpose: str | None) -> int:
    """Print how datasets are cited, with the line that acknowledges them.

    DATASET is a dataset's alias; STUDY a Study Instance UID, for the dataset it belongs to. Ends with 1 where one is not in the
    public catalogue: ask its provider.
    """
    with opened(client, url, purpose) as repository:
        aliases = {_alias(repository, name) for name in named}
        cited = citations(repository, aliases)
    sys.stdout.write("\n".join(FORMATS[form](citation) for citation in cited))
    return 0 if len(cited) == len(aliases) else 1


def citations(repository: Repository, aliases: Iterable[str]) -> list[Citation]:
    """How each of these datasets is cited; of one that is not listed it is said."""
    cited = []
    for alias in sorted(aliases):
        try:
            cited.append(read_citation(alias, repository.description(alias), today()))
        except Failure as failure:
            warn(f"{alias} can't be cited: {failure.sentence}")
    return cited


def _alias(repository: Repository, name: str) -> str:
    if not legal_uid(name):
        return name
    alias = repository.dataset(name)
    if alias is None:
        raise NotFound("study-unknown", f"There is no such study, none for you, or its record is still being made: {name}")
    return alias
