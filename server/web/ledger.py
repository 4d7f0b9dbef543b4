"""The ledger's commitments, open to everybody: hashes, which say that an entry was made and nothing of what it says."""

import json

from flask import Response

from consent.conditions import Action
from server.usecases.ledger import read_commitment
from server.web.context import respond, runtime, serves
from server.web.errors import Door, problem


def door() -> Door:
    """The one route."""
    routes = Door("ledger", problem)
    serves(routes, "/ledger/entries/<int:entry>", Action.DISCOVER, anonymous=True)(_entry)
    return routes


def _entry(entry: int) -> Response:
    """The hash of an entry's leaf and its index in the tree, beside the newest root and how many leaves that is over."""
    told = read_commitment(runtime(), entry)
    root = {"size": told.size, "root": told.root.hex()}
    return respond(json.dumps({"entry": entry, "leaf": told.leaf.hex(), "index": told.position, "checkpoint": root}))
