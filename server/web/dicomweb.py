"""DICOMweb (PS3.18 chapter 10) at `/dicom-web`: the studies of all nodes as one archive, and those of one dataset as one.

Here is what is answered from the index: QIDO-RS and metadata. Its other parts are beside it. A view parses, calls and renders.
"""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

from flask import Response

from consent.conditions import Action
from mappings.dicom.accept import choose_json
from mappings.dicom.fragment import BASE
from mappings.dicom.qido import read_query, remaining
from mappings.query import Level, Query
from server.usecases import search
from server.web import dicomweb_capabilities, dicomweb_pixels, dicomweb_rendered, dicomweb_retrieve, dicomweb_store
from server.web.context import caller, conditional, dataset, request, respond, runtime, serves, take_dataset
from server.web.dicomweb_root import DATASET_ROOT, INSTANCE, ROOT, SERIES, STUDY, accepted, root, wanted
from server.web.errors import Door, problem


def door() -> Door:
    """The archive of everything in sight."""
    return _filled(Door("dicomweb", problem, url_prefix=ROOT))


def dataset_door() -> Door:
    """The archive of one dataset."""
    routes = Door("dicomweb_dataset", problem, url_prefix=DATASET_ROOT)
    routes.url_value_preprocessor(take_dataset)
    return _filled(routes)


def _filled(routes: Door) -> Door:
    """With every DICOMweb route."""
    _search_routes(routes)
    for rule in (STUDY, SERIES, INSTANCE):
        serves(routes, f"{rule}/metadata", Action.QUERY, scope="ImagingStudy.r")(metadata)
    for part in (dicomweb_retrieve, dicomweb_pixels, dicomweb_rendered, dicomweb_store, dicomweb_capabilities):
        part.add_routes(routes)
    return routes


# QIDO-RS: PS3.18 section 10.6


def _search_routes(routes: Door) -> None:
    levels = {
        "/studies": Level.STUDY,
        "/series": Level.SERIES,
        f"{STUDY}/series": Level.SERIES,
        "/instances": Level.INSTANCE,
        f"{STUDY}/instances": Level.INSTANCE,
        f"{SERIES}/instances": Level.INSTANCE,
    }
    found, counted = ({each: _searching(answer, each) for each in Level} for answer in (_found, _counted))
    for rule, level in levels.items():
        serves(routes, rule, Action.QUERY, scope="ImagingStudy.s")(found[level])
        serves(routes, f"{rule}/count", Action.QUERY, scope="ImagingStudy.s")(counted[level])


_Answer = Callable[[Query, list[str], str], Response]


def _searching(answer: _Answer, level: Level) -> Callable[..., Response]:
    """The view that answers what is asked at this level, of all studies, one, or one of its series."""

    def view(study: str | None = None, series: str | None = None) -> Response:
        media_type = choose_json(accepted())
        query, warnings = read_query(level, request.args.items(multi=True), study, series)
        if alias := dataset():
            query = replace(query, aliases=frozenset({alias}))
        return answer(query, warnings, media_type)

    view.__name__ = f"{level}{answer.__name__}"
    return view


def _found(query: Query, warnings: list[str], media_type: str) -> Response:
    """A page, and how many there are: exactly up to a thousand, above that at `/count`."""
    found = search.fragments(runtime(), caller(), query)
    total = search.total(runtime(), caller(), query, len(found))
    response = _warned(_objects(found, media_type), [*warnings, *remaining(query.page, len(found), total)])
    if total is not None:
        response.headers["X-Total-Count"] = str(total)
    return response


def _counted(query: Query, warnings: list[str], _media_type: str) -> Response:
    """How many there are, whatever `limit` and `offset` say."""
    return _warned(respond(json.dumps({"count": search.count(runtime(), caller(), query)}).encode()), warnings)


def _warned(response: Response, warnings: list[str]) -> Response:
    for warning in warnings[:10]:
        response.headers.add("Warning", f'299 {runtime().settings.base_url} "{warning}"')
    return response


def _objects(objects: list[bytes], media_type: str) -> Response:
    body = b"[" + b",".join(objects).replace(BASE.encode(), root().encode()) + b"]"
    return respond(body, media_type=media_type)


# Metadata: PS3.18 section 10.4.1.1.2


def metadata(study: str, series: str | None = None, instance: str | None = None) -> Response:
    """The full DICOM JSON of every instance, bulk data by reference."""
    media_type = choose_json(accepted())
    response = _objects(search.metadata(runtime(), caller(), wanted(study, series, instance)), media_type)
    return conditional(response, sha256(response.data).hexdigest(), weak=True)
