"""The catalogue, as Turtle or JSON-LD: at `/catalogue` for harvesters, and each dataset alone at its own IRI.

Harvesters have those listed datasets whose provider agreed to that. It is the same for every caller, with or without a token.
Nothing is counted here: a dataset's bytes were made by a job.
"""

from hashlib import sha256

from flask import Response

from consent.conditions import Action
from mappings.failures import Invalid
from mappings.negotiation import by_name, choose
from mappings.rdf import FORMATS
from server.usecases import describe
from server.usecases.dataset import ALIAS
from server.usecases.describe import Described
from server.web.bulkheads import Bulkhead
from server.web.context import caller, conditional, request, respond, runtime, serves
from server.web.errors import Door, problem


def door() -> Door:
    """The catalogue's two routes."""
    routes = Door("catalogue", problem)
    for rule, view in (("/catalogue", every_dataset), ("/catalogue/datasets/<alias>", one_dataset)):
        serves(routes, rule, Action.DISCOVER, anonymous=True, bulkhead=Bulkhead.CATALOGUE)(view)
    return routes


def every_dataset() -> Response:
    """The catalogue with a page of its datasets, which says where the next is."""
    media_type, after = _accepted(), request.args.get("after", "")
    if after and not ALIAS.fullmatch(after):
        raise Invalid("page-unknown", "A page comes after a dataset's alias; follow hydra:next from the first.", "after")
    return _rendered(describe.harvest(runtime(), caller(), media_type, after), media_type)


def one_dataset(alias: str) -> Response:
    """One dataset; 404 unless it is in the catalogue."""
    media_type = _accepted()
    return _rendered(describe.read_description(runtime(), caller(), media_type, alias), media_type)


def _accepted() -> str:
    sentence = f"The catalogue is served as: {', '.join(FORMATS)}."
    return choose(request.headers.get("Accept", ""), by_name(*FORMATS), sentence)


def _rendered(told: Described, media_type: str) -> Response:
    response = respond(told.body, media_type=media_type, Vary="Accept", Cache_Control="no-cache")
    response = conditional(response, sha256(told.body).hexdigest())
    response.last_modified = told.at  # said, and not compared: a stop and its end would hide behind it
    return response
