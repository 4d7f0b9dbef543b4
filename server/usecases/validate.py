"""What would be told of datasets, held against the shapes of the catalogue's profiles."""

from collections.abc import Iterator, Sequence

from adapters.sql import dataset as datasets
from mappings.failures import Unavailable
from server.usecases import describe
from server.usecases.runtime import Runtime


def validate_datasets(runtime: Runtime, aliases: Sequence[str], profiles: Sequence[str]) -> Iterator[tuple[str, str, list[str]]]:
    """Alias, profile, and a sentence for each thing that is wrong: of these datasets, or of all, complete or not.

    Raises NotFound for an alias of none, and Unavailable without the extra `catalogue`.
    """
    try:
        from mappings.dcat.advice import sentence  # noqa: PLC0415 - who validates has installed the extra
        from mappings.dcat.validation import violations  # noqa: PLC0415
    except ImportError:
        raise Unavailable("validator-missing", "Validating needs pyshacl: install accord[catalogue].") from None
    for alias in aliases or _all(runtime):
        for profile in profiles:
            found = violations(describe.draft(runtime, alias, profile), profile)
            yield alias, profile, list(dict.fromkeys(sentence(alias, each) for each in found))


def _all(runtime: Runtime) -> list[str]:
    with runtime.store.read() as connection:
        return sorted(row.alias for row in datasets.read_all(connection))
