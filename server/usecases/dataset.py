"""Datasets: opening them under an agreement, and what the catalogue says of them."""

import re
from collections.abc import Mapping

from sqlalchemy import Connection

from adapters.sql import agreement as agreements
from adapters.sql import dataset as datasets
from adapters.sql import descriptions
from adapters.sql.dataset import DatasetRow
from adapters.sql.ledger import About, record
from consent.entries import DatasetAdded, DatasetDescribed
from consent.person import Act, Actor
from mappings.dcat.details import wrong
from mappings.failures import Conflict, Invalid, NotFound
from server.usecases.naming import check_new, require, require_act
from server.usecases.runtime import Runtime

ALIAS = re.compile(r"[A-Z0-9_-]{1,16}")
"""An alias is also a called AE title (PS3.5 6.2: at most 16 characters)."""
ALIASED = "1 to 16 capitals, digits, - and _: it is also its AE title"


def require_dataset(connection: Connection, alias: str) -> tuple[DatasetRow, About]:
    """The dataset called so, and whom an act on it concerns. Raises NotFound."""
    row = require(datasets.find(connection, alias), "dataset", alias)
    return row, About(row.party, row.id)


def require_own(connection: Connection, actor: Actor, alias: str, act: Act) -> tuple[DatasetRow, About]:
    """The same for who may do this act on it, of its provider's or of the repository's people. Raises NotFound, Forbidden."""
    row = datasets.find(connection, alias)
    if row is None or actor.party not in (None, row.provider):
        raise NotFound("dataset-unknown", "There is no dataset of this name, or none of yours.", "dataset")
    require_act(actor, act, row.provider)
    return row, About(row.party, row.id)


def add_dataset(runtime: Runtime, actor: str, alias: str, agreement: str, title: str, description: str = "") -> None:
    """Open a dataset under an agreement; its alias is also the called AE title."""
    now = runtime.clock()
    with runtime.governance_act() as connection:
        check_new(datasets.find(connection, alias), "dataset", alias, ALIAS, ALIASED)
        if alias == runtime.settings.ae_title:
            raise Conflict("dataset-exists", f"{alias} is the AE title that queries call. Choose another alias.", "dataset")
        under = require(agreements.find(connection, agreement), "agreement", agreement)
        if under.version == 0:
            raise Conflict(
                "agreement-undrafted", f"Nothing is drafted of {agreement} yet. Draft it, then open datasets.", "agreement"
            )
        dataset = datasets.add(connection, now, alias=alias, agreement=under.id, title=title, description=description)
        descriptions.ask(connection, alias, now)
        record(connection, DatasetAdded(dataset=alias, agreement=agreement), now, actor, About(under.party, dataset))


def set_dataset(runtime: Runtime, actor: str, alias: str, details: Mapping[str, str]) -> None:
    """Set what the catalogue needs and the index can't give; an empty value clears one. Raises Invalid for what it can't say."""
    for key, value in details.items():
        if key not in ("title", "description") and value and (why := wrong(key, value)):
            raise Invalid("details", why, key)
    now = runtime.clock()
    with runtime.governance_act() as connection:
        row, about = require_dataset(connection, alias)
        texts = {"title": row.title, "description": row.description}
        texts |= {key: details[key] for key in texts if key in details}
        rest = {key: value for key, value in {**row.details, **details}.items() if value and key not in texts}
        datasets.describe(connection, row, now, title=texts["title"], description=texts["description"], details=rest)
        descriptions.ask(connection, alias, now)
        record(connection, DatasetDescribed(dataset=alias, details=details), now, actor, about)


def list_datasets(runtime: Runtime) -> tuple[DatasetRow, ...]:
    """Every dataset's own description."""
    with runtime.store.read() as connection:
        return datasets.read_all(connection)
