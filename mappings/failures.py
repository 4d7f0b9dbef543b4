"""The few ways a request can fail, as every room below the doors says them.

A deep room raises one of these and may be sure that the caller sees that kind, in its own dialect: `server/faults.py` is the
one table that renders them (problem+json, OperationOutcome, DICOMweb status, DIMSE status). Anything else that is raised is a
fault of ours and loses its detail at the door. The sentence is for the caller: it never holds a patient's value, a path or a
trace; `code` is stable and machine-readable; `where` names the parameter, element or field at fault.
"""

from datetime import datetime


class Failure(Exception):
    """A request that can't be done, with a stable code, a sentence that helps and the place at fault."""

    def __init__(self, code: str, sentence: str, where: str | None = None) -> None:
        super().__init__(sentence)
        self.code = code
        self.sentence = sentence
        self.where = where


class Invalid(Failure):
    """The request can't be read or breaks a rule of its dialect."""


class Unauthenticated(Failure):
    """No token, or one that proves nothing; a token could help."""


class Forbidden(Failure):
    """The caller may know that this exists, but not do that with it."""


class NotFound(Failure):
    """Not there, or not there for this caller: the two look alike."""


class Gone(Failure):
    """Was there, and was stopped, withdrawn or purged; where that is told, since when (`at`) and by whom (`cause`)."""

    def __init__(self, code: str, sentence: str, *, at: datetime | None = None, cause: str | None = None) -> None:
        super().__init__(code, sentence)
        self.at, self.cause = at, cause


class Conflict(Failure):
    """The request meets a state that forbids it."""


class NotAcceptable(Failure):
    """Nothing that can be made matches what the caller accepts."""


class UnsupportedMedia(Failure):
    """The body's media type or encoding is not taken."""


class TooLarge(Failure):
    """The request is bigger than a stated limit."""


class Unsatisfiable(Failure):
    """None of the bytes that are asked for is one of the `size` that there are."""

    def __init__(self, code: str, sentence: str, size: int = 0) -> None:
        super().__init__(code, sentence, "Range")
        self.size = size


class TooSlow(Failure):
    """The request did not come in the time there is for it; the same one may, sent at once."""


class Throttled(Failure):
    """Refused too often of late to be looked at; it may be tried again in `retry_after` seconds."""

    def __init__(self, code: str, sentence: str, retry_after: int = 60) -> None:
        super().__init__(code, sentence)
        self.retry_after = retry_after


class TooBroad(Failure):
    """The question was read and begun, and takes more than its time; a narrower one is answered."""


class MethodNotAllowed(Failure):
    """The path exists, the verb does not."""


class Busy(Failure):
    """Nothing is wrong; try again in `retry_after` seconds."""

    def __init__(self, code: str, sentence: str, retry_after: int = 5) -> None:
        super().__init__(code, sentence)
        self.retry_after = retry_after


class Full(Failure):
    """No room to keep what is offered; said before bytes are taken."""


class Unavailable(Failure):
    """A part this needs does not answer (a node, the database); it may in `retry_after` seconds."""

    retry_after = 10
