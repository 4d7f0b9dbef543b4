"""The catalogue for harvesters: every listed dataset at `/catalogue`, each alone at its own IRI, as Turtle or JSON-LD.

It is the same for every caller, with or without a token.
"""

from collections.abc import Iterable
from hashlib import sha256

from flask import Response

from consent.conditions import Action
from mappings import dcat
from mappings.failures import NotFound
from mappings.negotiation import by_name, choose
from server.usecases import federate
from server.web.context import caller, conditional, request, respond, runtime, serves
from server.web.errors import Door, problem


def door() -> Door:
    """The catalogue's two routes."""
    routes = Door("catalogue", problem)
    serves(routes, "/catalogue", Action.DISCOVER, anonymous=True)(every_dataset)
    serves(routes, "/catalogue/datasets/<alias>", Action.DISCOVER, anonymous=True)(one_dataset)
    return routes


def every_dataset() -> Response:
    """The catalogue with its datasets."""
    media_type = _accepted()
    return _rendered(dcat.statements(_catalogue()), media_type)


def one_dataset(alias: str) -> Response:
    """One dataset; 404 unless it is in the catalogue."""
    media_type = _accepted()
    catalogue = _catalogue()
    for listing in catalogue.listings:
        if listing.alias == alias:
            return _rendered(dcat.dataset_statements(catalogue, listing), media_type)
    raise NotFound("dataset-unknown", "The catalogue has no such dataset.")


def _catalogue() -> dcat.Catalogue:
    settings = runtime().settings
    listings = tuple(federate.catalogue(runtime(), caller()))
    return dcat.Catalogue(f"{settings.base_url}/catalogue", settings.repository, settings.contact, listings)


def _accepted() -> str:
    sentence = f"The catalogue is served as: {', '.join(dcat.FORMATS)}."
    return choose(request.headers.get("Accept", ""), by_name(*dcat.FORMATS), sentence)


def _rendered(statements: Iterable[dcat.Statement], media_type: str) -> Response:
    body = dcat.serialised(statements, media_type)
    return conditional(respond(body, media_type=media_type, Vary="Accept"), sha256(body).hexdigest())
