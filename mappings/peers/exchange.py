"""One question at one repository, by its kind: what is sent, and what state the answer is in. Nothing here reaches out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from mappings.eucaim import PATH
from mappings.peers import eucaim, fhir
from mappings.peers.answer import PeerAnswer, State, answered
from mappings.query import AllOf

KINDS = ("accord", "eucaim", "fhir")
FHIR_JSON = "application/fhir+json"
_OK, _REDIRECTED, _BAD, _SERVER = 200, 300, 400, 500
_STRICT = (400, 422)
_SAID = {
    401: "It does not know who asks: see its secret file or client file.",
    403: "It does not let this repository ask.",
    404: "It takes no such question at this URL.",
    413: "It finds the question too broad.",
    422: "It does not take this question.",
    429: "It has been asked too often of late.",
}
Read = Callable[[bytes, float, bool], PeerAnswer]


@dataclass(frozen=True, slots=True)
class Sent:
    """A request, and how the body of its answer is read; `probe` is a URL that is asked beside it, to be refused."""

    method: str
    url: str
    read: Read
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    probe: str | None = None


def compiled(peer: str, kind: str, url: str, where: AllOf, query: str) -> Sent | PeerAnswer:
    """What is sent to a repository of this kind at this URL, under the name `query`; or that it can't be asked so.

    A criterion that can't be expressed is not left out: nothing is asked then.
    """
    if kind == "fhir":
        search, missing = fhir.to_search(where)
        headers = {"Accept": FHIR_JSON, "Prefer": "handling=strict"}
        sent = Sent("GET", url + fhir.to_path(search), partial(_read_count, peer, search), headers, probe=url + fhir.PROBE)
    else:
        ast, missing = eucaim.to_ast(where)
        at = url + PATH if kind == "accord" else url
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        sent = Sent("POST", at, partial(_read_reply, peer, kind), headers, eucaim.to_body(ast, query))
    return PeerAnswer(peer, kind, State.CANNOT_EXPRESS, said=f"It can't be asked for {'; '.join(missing)}.") if missing else sent


def read_answer(peer: str, kind: str, sent: Sent, status: int, body: bytes, seconds: float, probed: int = 0) -> PeerAnswer:
    """The answer that came with this status; `probed` is what the probe was answered."""
    if status == _OK:
        return sent.read(body, seconds, probed in _STRICT)
    if kind == "fhir" and status in _STRICT:  # by `handling=strict`: what we send is well formed
        return PeerAnswer(peer, kind, State.CANNOT_EXPRESS, seconds, said="It does not know how to search by all of this.")
    if _BAD <= status < _SERVER:
        return PeerAnswer(peer, kind, State.REFUSED, seconds, said=_SAID.get(status, f"It answered with status {status}."))
    said = "It redirects, and that is not followed." if _REDIRECTED <= status < _BAD else f"It answered with status {status}."
    return PeerAnswer(peer, kind, State.NO_ANSWER, seconds, said=said)


def _read_reply(peer: str, kind: str, body: bytes, seconds: float, _strict: bool) -> PeerAnswer:
    """An Accord leaves out datasets of few, so what it tells is a part; EUCAIM's own providers tell all."""
    datasets = eucaim.read_reply(body)
    if datasets is None:
        return PeerAnswer(peer, kind, State.NO_ANSWER, seconds, said="What it answered is no reply of a federated search.")
    return answered(peer, kind, datasets, seconds, whole=kind != "accord")


def _read_count(peer: str, search: fhir.Search, body: bytes, seconds: float, strict: bool) -> PeerAnswer:
    read = fhir.read_count(body, search, strict=strict)
    if read is None:
        return PeerAnswer(peer, "fhir", State.NO_ANSWER, seconds, said="What it answered is no searchset with a total.")
    studies, unsaid = read
    if unsaid:
        said = f"It does not say that it searched by {', '.join(unsaid)}, so its count is not taken."
        return PeerAnswer(peer, "fhir", State.CANNOT_EXPRESS, seconds, said=said)
    return PeerAnswer(peer, "fhir", State.ANSWERED, seconds, studies)
