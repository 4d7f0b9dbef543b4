"""The one table from failures to what each dialect calls them; doors alone use it, and what is not in it loses its detail."""

import json
from dataclasses import dataclass

from mappings import failures as f


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of failure at the doors: HTTP status (RFC 9110), FHIR issue type (R4), DIMSE status and its comment.

    DIMSE statuses are those of PS3.4 Table B.2-1 and PS3.7 Annex C; the comment, at most 64 characters, is the kind's, never the
    failure's own sentence.
    """

    http: int
    issue: str
    dimse: int
    comment: str


_LATER = "nothing was stored, send again later"
TABLE: dict[type[f.Failure], Fault] = {
    f.Invalid: Fault(400, "invalid", 0xC000, "The object can't be kept as it is"),
    f.Unauthenticated: Fault(401, "login", 0x0124, "This sender may not store here"),
    f.Forbidden: Fault(403, "forbidden", 0x0124, "This sender may not store here"),
    f.NotFound: Fault(404, "not-found", 0x0112, "There is no such object"),
    f.MethodNotAllowed: Fault(405, "not-supported", 0x0211, "This operation is not offered"),
    f.NotAcceptable: Fault(406, "not-supported", 0x0122, "This encoding is not offered"),
    f.TooSlow: Fault(408, "timeout", 0xA700, f"It did not come in time; {_LATER}"),
    f.Conflict: Fault(409, "conflict", 0x0110, "Its batch was closed meanwhile; send it again"),
    f.Gone: Fault(410, "deleted", 0x0112, "It was withdrawn"),
    f.TooLarge: Fault(413, "too-costly", 0xA700, "The object is larger than is taken here; nothing was stored"),
    f.TooBroad: Fault(413, "too-costly", 0xA700, "The question is too broad; narrow it"),  # PS3.18 table 10.6.3-1
    f.UnsupportedMedia: Fault(415, "not-supported", 0x0122, "This encoding is not taken"),
    f.Unsatisfiable: Fault(416, "invalid", 0xC000, "The object can't be kept as it is"),
    f.Throttled: Fault(429, "throttled", 0xA700, f"Tried too often; {_LATER}"),
    f.Busy: Fault(503, "throttled", 0xA701, "Another transfer of this object is under way; send it again"),
    f.Unavailable: Fault(503, "transient", 0xA700, f"Storage does not answer; {_LATER}"),
    f.Full: Fault(507, "no-store", 0xA700, f"Short of disk space; {_LATER}"),
}
UNKNOWN = Fault(500, "exception", 0x0110, "Processing failed; the operator's log says where")


def fault(error: BaseException) -> Fault:
    """The row of this failure; an unknown error is ours."""
    return TABLE.get(type(error), UNKNOWN) if isinstance(error, f.Failure) else UNKNOWN


def failure_of(error: BaseException, reference: str) -> f.Failure:
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
    if isinstance(failure, f.Gone) and failure.at is not None:
        named |= {"stopped": failure.at.isoformat(timespec="seconds"), "cause": failure.cause}
    return json.dumps({"type": "about:blank", **{k: v for k, v in named.items() if v is not None}}).encode()
