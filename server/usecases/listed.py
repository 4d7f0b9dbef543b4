"""A dataset as whoever may know of it is told: what it is called, whose it is, where it is hosted, and what is disclaimed."""

from dataclasses import dataclass

from sqlalchemy import Connection

from adapters.sql import dataset as datasets
from consent.conditions import Action
from consent.dataset import Facts
from consent.disclaimer import disclaimers
from consent.node import Hosting
from consent.subject import ANONYMOUS
from mappings.failures import NotFound
from server.usecases.access import note_access
from server.usecases.naming import require
from server.usecases.runtime import Caller, Runtime
from server.usecases.told import check_resource


@dataclass(frozen=True, slots=True)
class ListedDataset:
    """What is said of a dataset to who may know of it; `disclaimers` are sentences."""

    alias: str
    title: str
    description: str
    provider: str
    hosting: Hosting
    disclaimers: tuple[str, ...]


def listed(runtime: Runtime, connection: Connection, caller: Caller, alias: str) -> Facts:
    """The facts of a dataset that this caller may know of. Raises NotFound, and Gone where it was stopped and that is told."""
    governance, now = runtime.governance.current(connection), runtime.clock()
    seen = runtime.visible_datasets(connection, caller, Action.DISCOVER).datasets
    seen |= governance.visible_datasets(ANONYMOUS, Action.DISCOVER, None, now).datasets  # what anybody is told, everybody is
    facts = next((each for each in governance.facts if each.alias == alias and each.dataset in seen), None)
    if facts is None:
        check_resource(runtime, connection, caller, Action.DISCOVER, "datasets", alias)
        raise NotFound("dataset-unknown", "There is no dataset of this name, or none that you may know of.", "dataset")
    return facts


def read_dataset(runtime: Runtime, caller: Caller, alias: str) -> ListedDataset:
    """What is said of a dataset. Raises NotFound, Gone."""
    with runtime.store.read() as connection:
        facts = listed(runtime, connection, caller, alias)
        row = require(datasets.find(connection, alias), "dataset", alias)
        hosting = Hosting(runtime.governance.current(connection).host(facts.dataset).hosting)
    note_access(runtime, caller, Action.DISCOVER, f"datasets/{alias}", 200, 1)
    return ListedDataset(alias, row.title, row.description, row.provider_name, hosting, disclaimers(hosting))
