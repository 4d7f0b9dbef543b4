"""Batches over HTTP: a provider's client opens one, asks which files it need not send, and closes it; reports in three forms.

The files themselves come by STOW-RS with `?batch=KEY`, each part named by its `Content-Location`, percent-encoded.
"""

import json
import re
from collections.abc import Callable, Iterator
from tempfile import SpooledTemporaryFile
from typing import IO, cast

from flask import Response

from adapters.disk import filling
from consent.conditions import Action
from mappings.failures import Invalid
from mappings.negotiation import by_name, choose
from mappings.report import BatchReport, summary, to_csv, to_json, to_text
from server.usecases import push
from server.usecases.report import report, reports
from server.web.bodies import is_text, json_object
from server.web.bulkheads import Bulkhead
from server.web.context import caller, peer, request, respond, runtime, serves, staying
from server.web.errors import Door, problem

SCOPE = "ImagingStudy.c"
"""What a provider's client holds in order to push; its reports ask for the same."""
MOST_FILES = 1000
MOST_NAME = 1024
"""Bytes of a file's name in UTF-8."""
IN_MEMORY = 1_000_000
CHUNK = 1 << 16
_DIGEST = re.compile(r"[0-9a-fA-F]{64}")

FORMS: dict[str, tuple[str, Callable[[BatchReport], Iterator[str]]]] = {
    "json": ("application/json", to_json),
    "csv": ("text/csv; charset=utf-8", to_csv),
    "text": ("text/plain; charset=utf-8", to_text),
}
"""`?format=`, the media type that asks for the same, and who writes it; the first is what everybody else gets."""


def door() -> Door:
    """The routes of batches."""
    routes = Door("batches", problem)
    one = "/api/batches/<key>"
    serves(routes, "/api/batches", Action.DEPOSIT, scope=SCOPE, methods=("POST",))(open_one)
    serves(routes, one, Action.DEPOSIT, scope=SCOPE, methods=("PATCH",))(close)
    serves(routes, f"{one}/known", Action.DEPOSIT, scope=SCOPE, methods=("POST",))(acknowledge_held)
    serves(routes, "/api/batches", Action.DISCOVER, scope=SCOPE)(newest)
    serves(routes, one, Action.DISCOVER, scope=SCOPE, bulkhead=Bulkhead.STREAM)(read)
    return routes


def open_one() -> Response:
    """201 and the batch; 403 for who is no provider, 404 for another's dataset, 409 where it takes nothing or must be named."""
    alias = json_object(request).get("dataset")
    if alias is not None and not isinstance(alias, str):
        raise Invalid("dataset-unreadable", "dataset is the alias of a dataset.", "dataset")
    made = push.open_push(runtime(), caller(), alias, peer())
    return respond(json.dumps(_summary(report(runtime(), caller(), made.key))), 201, Location=_url(made.key))


def close(key: str) -> Response:
    """200 and what the batch brought, also where it was closed before; 404 for another's."""
    if json_object(request) != {"status": "closed"}:
        raise Invalid("status-unknown", 'The only change to a batch is {"status": "closed"}.', "status")
    push.close_push(runtime(), caller(), key)
    return respond(json.dumps(_summary(report(runtime(), caller(), key))))


def acknowledge_held(key: str) -> Response:
    """200 and the names that need not be sent, of at most 1000 files {name, digest}; 404 for another's batch, 409 if closed.

    Of those that wait for review, `waiting` names the batch that brought each.
    """
    acknowledged = push.acknowledge_held(runtime(), caller(), key, _files(json_object(request).get("files")))
    return respond(json.dumps({"known": sorted(acknowledged.names), "waiting": acknowledged.waiting}))


def newest() -> Response:
    """The caller's newest batches, at most 100."""
    return respond(json.dumps({"batches": [_summary(r) for r in reports(runtime(), caller())]}))


def read(key: str) -> Response:
    """The report in the form that `?format=` or `Accept` asks for, written out before it is sent: one cut short looks whole."""
    form = _form()
    media_type, write = FORMS[form]
    told = report(runtime(), caller(), key)
    with staying() as leave:
        file, size = _spooled(write(told))
        response = respond(iter(lambda: file.read(CHUNK), b""), media_type=media_type, Content_Length=str(size))
        response.call_on_close(file.close)
        response.call_on_close(leave)
    if form == "csv":
        response.headers["Content-Disposition"] = f'attachment; filename="batch-{told.key}.csv"'
    return response


def _spooled(pieces: Iterator[str]) -> tuple[IO[bytes], int]:
    """The pieces in UTF-8, in memory while they are few, and their bytes."""
    file = SpooledTemporaryFile(IN_MEMORY, dir=str(runtime().settings.data_dir))  # noqa: SIM115 - closed with the response
    try:
        for piece in pieces:
            with filling():
                file.write(piece.encode())
        size = file.tell()
        file.seek(0)
    except BaseException:
        file.close()
        raise
    return cast("IO[bytes]", file), size


def _form() -> str:
    if named := request.args.get("format"):
        if named not in FORMS:
            raise Invalid("format-unknown", f"format is one of: {', '.join(FORMS)}.", "format")
        return named
    forms = {media_type.partition(";")[0]: form for form, (media_type, _) in FORMS.items()}
    return forms[choose(request.headers.get("Accept", ""), by_name(*forms), f"A report is served as: {', '.join(forms)}.")]


def _summary(told: BatchReport) -> dict[str, object]:
    return {**summary(told), "status": "closed" if told.closed else "open", "report": _url(told.key)}


def _url(key: str) -> str:
    return f"{runtime().settings.base_url}/api/batches/{key}"


def _files(document: object) -> dict[str, bytes]:
    if not isinstance(document, list) or len(document) > MOST_FILES:
        raise Invalid("files-unreadable", f"files is a list of at most {MOST_FILES} objects with name and digest.", "files")
    return dict(map(_file, document))


def _file(document: object) -> tuple[str, bytes]:
    name, digest = (document.get("name"), document.get("digest")) if isinstance(document, dict) else (None, None)
    if not is_text(name, MOST_NAME) or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise Invalid("file-unreadable", f"A file has a name (at most {MOST_NAME} bytes) and a digest (SHA-256 in hex).", "files")
    return name, bytes.fromhex(digest)
