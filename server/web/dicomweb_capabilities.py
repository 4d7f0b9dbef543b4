"""Retrieve Capabilities (PS3.18 section 8.9): OPTIONS of any resource says what may be done with it, to anybody."""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from flask import Response

from consent.conditions import Action
from mappings.dicom.capabilities import SERVICES, WADL, XML, capabilities, methods_of
from mappings.negotiation import by_name, choose
from server.web.bulkheads import Bulkhead
from server.web.context import respond, serves
from server.web.dicomweb_root import accepted, root
from server.web.errors import Door

_NAMED = re.compile(r"\{(\w+)\}")
_CONVERTERS: Mapping[str, str] = MappingProxyType({"study": "uid:", "frame": "int:", "element": "path:"})


def add_routes(routes: Door) -> None:
    """That of the archive itself, and of each of its resources."""
    serves(routes, "", Action.DISCOVER, anonymous=True, methods=("OPTIONS",), bulkhead=Bulkhead.CATALOGUE)(_view(None))
    for path in dict.fromkeys(path for path, _ in SERVICES):
        rule = _NAMED.sub(lambda named: f"<{_CONVERTERS.get(named[1], '')}{named[1]}>", path)
        serves(routes, rule, Action.DISCOVER, anonymous=True, methods=("OPTIONS",), bulkhead=Bulkhead.CATALOGUE)(_view(path))


def _view(path: str | None) -> Callable[..., Response]:
    def options(**_named: object) -> Response:
        media_type = choose(accepted(), by_name(WADL, XML), f"Capabilities are described as {WADL} or {XML}.")
        allowed = ("OPTIONS",) if path is None else methods_of(path)
        return respond(capabilities(root(), path), media_type=media_type, Allow=", ".join(allowed))

    options.__name__ = f"options{_NAMED.sub('', path or '').replace('/', '_')}"
    return options
