"""The catalogue for harvesters and people: every shared dataset at `/catalogue`, each alone at its own IRI, as RDF or as a page.

It has those listed datasets whose provider agreed to being harvested, and is the same for every caller, with or without a token.
Nothing is counted here: a dataset's bytes were made by a job. `/fdp` is the same for harvesters of FAIR Data Points.
"""

from hashlib import sha256

from flask import Response

from consent.conditions import Action
from mappings.dcat.page import POLICY
from mappings.dcat.profiles import HTML, PROFILES, Form, Graph, Profile, read_accepted
from mappings.failures import Invalid
from mappings.negotiation import by_name, choose
from mappings.rdf import FORMATS
from server.usecases import describe
from server.usecases.dataset import ALIAS
from server.usecases.describe import Described
from server.web.bulkheads import Bulkhead
from server.web.context import View, caller, conditional, request, respond, runtime, serves
from server.web.errors import Door, problem

SHORT = {"turtle": "text/turtle", "jsonld": "application/ld+json", "rdfxml": "application/rdf+xml", "html": HTML}
"""What `format` may say, for who can't set a header: a link in a page."""


def door() -> Door:
    """The catalogue's routes."""
    routes = Door("catalogue", problem)
    views: dict[str, View] = {
        "/catalogue": every_dataset,
        "/catalogue/datasets/<alias>": one_dataset,
        "/fdp": fair_data_point,
        "/fdp/catalogue": every_name,
    }
    for rule, view in views.items():
        serves(routes, rule, Action.DISCOVER, anonymous=True, bulkhead=Bulkhead.CATALOGUE)(view)
    return routes


def every_dataset() -> Response:
    """The catalogue with a page of its datasets, which says where the next is."""
    form, profile, after = *_wanted(), request.args.get("after", "")
    if after and not ALIAS.fullmatch(after):
        raise Invalid("page-unknown", "A page comes after a dataset's alias; follow hydra:next from the first.", "after")
    return _rendered(describe.harvest(runtime(), caller(), form, after), form.media_type, profile)


def one_dataset(alias: str) -> Response:
    """One dataset; 404 unless it is in the catalogue."""
    form, profile = _wanted()
    return _rendered(describe.read_description(runtime(), caller(), form, alias), form.media_type, profile)


def fair_data_point() -> Response:
    """The root that harvesters of FAIR Data Points begin at."""
    media_type = _accepted(*FORMATS)
    return _rendered(describe.read_root(runtime(), caller(), media_type), media_type, PROFILES["fdp"])


def every_name() -> Response:
    """The name of every dataset, on one page."""
    media_type = _accepted(*FORMATS)
    return _rendered(describe.harvest_names(runtime(), caller(), media_type), media_type, PROFILES["fdp"])


def _wanted() -> tuple[Form, Profile]:
    """The form that is asked for, and the profile; a page is one of no profile in particular."""
    profile, media_type = _profile(), _accepted(*FORMATS, HTML)
    return Form(Graph.DCAT if media_type == HTML else profile.graph, media_type), profile


def _accepted(*offers: str) -> str:
    """The media type by `format`, else by `Accept`. Raises Invalid or NotAcceptable."""
    if short := request.args.get("format"):
        if SHORT.get(short) not in offers:
            known = ", ".join(name for name, media_type in SHORT.items() if media_type in offers)
            raise Invalid("format-unknown", f"format is one of: {known}.", "format")
        return SHORT[short]
    return choose(request.headers.get("Accept", ""), by_name(*offers), f"The catalogue is served as: {', '.join(offers)}.")


def _profile() -> Profile:
    """The profile by `profile`, which raises Invalid where it is none; else by `Accept-Profile`, where others are passed over."""
    if name := request.args.get("profile"):
        if name not in PROFILES:
            raise Invalid("profile-unknown", f"The catalogue has these profiles: {', '.join(PROFILES)}.", "profile")
        return PROFILES[name]
    return read_accepted(request.headers.get("Accept-Profile", "")) or next(iter(PROFILES.values()))


def _rendered(told: Described, media_type: str, profile: Profile) -> Response:
    shown = f"{HTML}; charset=utf-8" if media_type == HTML else media_type
    response = respond(told.body, media_type=shown, Vary="Accept, Accept-Profile", Cache_Control="no-cache")
    if media_type == HTML:
        response.headers["Content-Security-Policy"] = POLICY
    else:
        response.headers["Link"] = f'<{profile.iri}>; rel="profile"'
    response = conditional(response, sha256(told.body).hexdigest())
    response.last_modified = told.at  # said, and not compared: a stop and its end would hide behind it
    return response
