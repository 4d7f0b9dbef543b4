"""The one table from failures to what each dialect calls them; doors alone use it, and what is not in it loses its detail."""

import json
from dataclasses import dataclass

from mappings import failures as f


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of failure at the doors: HTTP status (RFC 9110), FHIR issue type (R4), DIMSE status (PS3.7 C, PS3.4 B.2.3)."""

    http: int
    issue: str
    dimse: int


TABLE: dict[type[f.Failure], Fault] = {
    f.Invalid: Fault(400, "invalid", 0xC000),
    f.Unauthenticated: Fault(401, "login", 0x0124),
    f.Forbidden: Fault(403, "forbidden", 0x0124),
    f.NotFound: Fault(404, "not-found", 0x0112),
    f.MethodNotAllowed: Fault(405, "not-supported", 0x0211),
    f.NotAcceptable: Fault(406, "not-supported", 0x0122),
    f.Conflict: Fault(409, "conflict", 0x0111),
    f.Gone: Fault(410, "deleted", 0x0112),
    f.TooLarge: Fault(413, "too-costly", 0xA700),
    f.UnsupportedMedia: Fault(415, "not-supported", 0x0122),
    f.Busy: Fault(503, "throttled", 0xA700),
    f.Unavailable: Fault(503, "transient", 0xA700),
    f.Full: Fault(507, "no-store", 0xA700),
}
UNKNOWN = Fault(500, "exception", 0x0110)


def fault(error: BaseException) -> Fault:
    """The row of this failure; an unknown error is ours."""
    return TABLE.get(type(error), UNKNOWN)  # type: ignore[call-overload, no-any-return]


def said(error: BaseException, reference: str) -> f.Failure:
    """The failure a caller may read: itself, or for a fault of ours a sentence with the reference under which it is logged."""
    if isinstance(error, f.Failure):
        return error
    return f.Failure(
        "server.broken", f"Something failed on our side. Reference {reference}. Nothing was stored that was not confirmed."
    )


def problem(failure: f.Failure, status: int, reference: str) -> bytes:
    """RFC 9457 problem details."""
    named = {
        "title": failure.code,
        "status": status,
        "detail": failure.sentence,
        "where": failure.where,
        "instance": f"urn:accord:request:{reference}",
    }
    return json.dumps({"type": "about:blank", **{k: v for k, v in named.items() if v is not None}}).encode()
