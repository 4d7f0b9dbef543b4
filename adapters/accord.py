"""An Accord for programs: who connects gives other libraries its address, and an authorization that renews itself.

    from adapters.accord import connect
    from dicomweb_client import DICOMwebClient
    from fhirpy import SyncFHIRClient

    accord = connect("researcher.client.json")
    images = DICOMwebClient(accord.dicomweb_url, session=accord.session())
    studies = images.search_for_studies(search_filters={"ModalitiesInStudy": "CT"}, limit=5)
    records = SyncFHIRClient(accord.fhir_url, requests_config={"auth": accord})
    described = records.resources("ImagingStudy").search(modality="CT").limit(5).fetch()

`requests.get(url, auth=accord)` and `httpx.Client(auth=accord)` do as well. fhirpy takes its `authorization` as a fixed text,
which expires with its token: hand it `requests_config` as above. Its asynchronous client can't be handed one that renews itself:
make it anew within a token's five minutes, with `authorization=accord.header()`.
"""

from collections.abc import Generator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import httpx

from adapters.accord_client import AccordClient
from adapters.client_file import read_client

if TYPE_CHECKING:
    from requests import PreparedRequest, Response, Session


def connect(client_file: Path | str, base_url: str | None = None, *, purpose: str | None = None) -> "Accord":
    """An Accord as the client of this file; at `base_url` and for `purpose`, else as the file says. Nothing is asked yet.

    Raises Invalid where there is no such file. What it is used for later raises Unauthenticated where the client is refused a
    token, by the server's own sentence, and Unavailable where it is not answered.
    """
    client = read_client(Path(client_file))
    return Accord(AccordClient(replace(client, purpose=purpose or client.purpose), base_url))


class Accord(httpx.Auth):
    """An Accord and who asks it: `auth` for requests and for httpx. Safe for many threads; `with` closes its connections.

    A request has a token that is good for it, and a fresh one where that is refused all the same. Only requests to `base_url`
    have it: to any other host they go without.
    """

    def __init__(self, client: AccordClient) -> None:
        self._client = client
        self._origin = _origin(httpx.URL(client.base))
        self.base_url = client.base
        self.dicomweb_url = f"{client.base}/dicom-web"
        self.fhir_url = f"{client.base}/fhir/R4"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.__exit__(kind, error, trace)

    def header(self) -> str:
        """What `Authorization` is now, for a library that takes a fixed one; it expires within five minutes."""
        return f"Bearer {self._client.bearer()}"

    def session(self) -> "Session":
        """A session of requests that is authorized, as DICOMwebClient takes one."""
        import requests  # noqa: PLC0415 - who needs no session does not wait for it

        session = requests.Session()
        session.auth = self
        return session

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Authorize a request of httpx. One whose body can't be sent twice is not tried again."""
        if not self._is_ours(str(request.url)):
            yield request
            return
        token = self._client.bearer()
        request.headers["Authorization"] = f"Bearer {token}"
        answer = yield request
        if answer.status_code == HTTPStatus.UNAUTHORIZED and isinstance(request.stream, httpx.ByteStream):
            request.headers["Authorization"] = f"Bearer {self._client.bearer(token)}"
            yield request

    def __call__(self, request: "PreparedRequest") -> "PreparedRequest":
        """Authorize a request of requests."""
        if self._is_ours(request.url or ""):
            request.headers["Authorization"] = self.header()
            request.register_hook("response", self._again)  # type: ignore[no-untyped-call]  # of its stubs
        return request

    def _again(self, answer: "Response", **sending: Any) -> "Response":
        """The answer, or where its token was refused the one to the same request with a fresh token; see `auth_flow`."""
        request = answer.request
        can_be_sent = request.body is None or isinstance(request.body, bytes | str)
        shown = request.headers.get("Authorization", "")  # none where a redirect came here by another host
        if answer.status_code != HTTPStatus.UNAUTHORIZED or not (can_be_sent and shown and self._is_ours(request.url or "")):
            return answer
        refused = shown.removeprefix("Bearer ")
        answer.close()
        again = request.copy()
        again.headers["Authorization"] = f"Bearer {self._client.bearer(refused)}"
        second: Response = answer.connection.send(again, **sending)
        second.history.append(answer)
        second.request = again
        return second

    def _is_ours(self, url: str) -> bool:
        return _origin(httpx.URL(url)) == self._origin


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    """Scheme, host and port (RFC 6454); httpx leaves out a scheme's own port."""
    return url.scheme, url.host, url.port
