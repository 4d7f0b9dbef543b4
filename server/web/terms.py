"""The documents of use, open to everybody: the version in force of each, any other, and what it changed.

`/terms` are the general terms, `/documents/KIND` each document by its name; `/documents` lists every version.
"""

from flask import Response

from consent.conditions import Action
from consent.terms import TITLES, DocumentKind, Terms
from mappings.failures import NotFound
from server.usecases.terms import list_documents, read_terms
from server.web.context import View, conditional, respond, runtime, serves
from server.web.errors import Door, problem

TEXT = "text/plain; charset=utf-8"


def door() -> Door:
    """The routes of the documents."""
    routes = Door("terms", problem)
    _add(routes, read, "/terms", "/terms/<version>", "/documents/<kind>", "/documents/<kind>/<version>")
    _add(routes, read_changes, "/terms/<version>/changes", "/documents/<kind>/<version>/changes")
    _add(routes, list_all, "/documents")
    return routes


def _add(routes: Door, view: View, *rules: str) -> None:
    for rule in rules:
        serves(routes, rule, Action.DISCOVER, anonymous=True)(view)


def read(version: str | None = None, kind: str = DocumentKind.GENERAL) -> Response:
    """The text as it was published, its SHA-256 as ETag."""
    terms = _read(kind, version)
    return conditional(respond(terms.text, media_type=TEXT, Content_Location=_place(terms)), terms.sha256)


def read_changes(version: str, kind: str = DocumentKind.GENERAL) -> Response:
    """What a version changed of the one before, as a unified diff; its summary, which is for convenience only, before it."""
    terms = _read(kind, version)
    summary = f"For convenience only: {terms.summary}\n\n" if terms.summary else ""
    said = f"{summary}{terms.changes}\n".encode()
    return conditional(respond(said, media_type=TEXT), f"changes-{terms.sha256}")


def list_all() -> Response:
    """Every version of every document, a line each: its place, when it takes effect, whether it needs renewal, its SHA-256."""
    return respond("\n".join(map(_line, list_documents(runtime()))).encode() + b"\n", media_type=TEXT)


def _read(kind: str, version: str | None) -> Terms:
    if kind not in set(DocumentKind):
        raise NotFound("document-unknown", f"There is no such document. There are: {', '.join(DocumentKind)}.", "kind")
    return read_terms(runtime(), version, DocumentKind(kind))


def _place(terms: Terms) -> str:
    general = terms.kind is DocumentKind.GENERAL
    return f"/terms/{terms.version}" if general else f"/documents/{terms.kind}/{terms.version}"


def _line(terms: Terms) -> str:
    renewal = ", needs renewal" if terms.issue.needs_renewal else ""
    effective = f"in effect from {terms.issue.effective_at:%Y-%m-%d %H:%M} UTC{renewal}"
    return f"{TITLES[terms.kind]} {terms.version}: {_place(terms)}, {effective}, SHA-256 {terms.sha256}"
