"""Other repositories asked over HTTP: all at once, where they are registered, each with one deadline for all and so many bytes.

No redirect is followed and no proxy of the environment used. What one of them does, or leaves undone, keeps no other waiting and
nobody here: a connection that is late is closed wherever it is.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from adapters.accord_client import METADATA_PATH, TokenEndpoint, printable, read_token, read_token_endpoint, token_fields
from adapters.client_file import ClientFile, read_client
from mappings.failures import Failure, Invalid, Unauthenticated, Unavailable

MOST_BYTES = 10_000_000
"""Of an answer, as Beam has it."""
MOST_SECRET = 4096
MOST_SAID = 300
"""Characters of a sentence, which may repeat what a server said of itself."""
LOOK_SECONDS = 0.5
"""How often it is looked whether the question was cancelled."""
UNKNOWN = 401


@dataclass(frozen=True, slots=True)
class Proof:
    """By what we prove ourselves to a repository: the whole Authorization header, or a client's file; neither: by nothing."""

    header: str | None = None
    client: ClientFile | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request to one repository, called `peer` here, and the files of its proof."""

    peer: str
    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes | None = None
    secret_file: str | None = None
    client_file: str | None = None
    probe: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a call in so many seconds: a status and its body; without a status (0), a sentence on why nothing came.

    `probed` is the status of the answer to the call's `probe`, a URL that is got beside it (0: there is none).
    """

    status: int
    body: bytes
    seconds: float
    said: str = ""
    probed: int = 0


def read_proof(secret_file: str | None, client_file: str | None) -> Proof:
    """What these files hold. Raises Invalid."""
    if client_file is not None:
        return Proof(client=read_client(Path(client_file)))
    if secret_file is None:
        return Proof()
    try:
        header = Path(secret_file).read_text("ascii").strip()
    except OSError as error:
        raise Invalid("secret-unreadable", f"The secret file {secret_file} can't be read: {error.strerror}.", "secret") from None
    except ValueError:
        header = ""
    if not 0 < len(header) <= MOST_SECRET or not header.isprintable():
        raise Invalid("secret-unreadable", f"{secret_file} holds no line that an Authorization header can be.", "secret")
    return Proof(header)


def ask_all(
    calls: Sequence[Call], seconds: float, told: Callable[[str, Outcome], object], stopped: Callable[[], bool] = lambda: False
) -> None:
    """Ask each, and tell what came of it as soon as it did, one at a time; none takes longer than so many seconds.

    When it is `stopped`, what has not answered is let go, and nothing is told of it.
    """
    asyncio.run(_ask_all(calls, seconds, told, stopped))


def ask_one(call: Call, seconds: float) -> Outcome:
    """Ask one, and wait."""
    came: list[Outcome] = []
    ask_all([call], seconds, lambda _peer, outcome: came.append(outcome))
    return came[0]


def bearer(client_file: str, url: str, seconds: float) -> str:
    """The Authorization header by a token of this client, for several calls to this URL.

    Raises Invalid for a file that is none, Unauthenticated, and Unavailable.
    """

    async def asked() -> str:
        async with httpx.AsyncClient(timeout=seconds, follow_redirects=False, trust_env=False) as http:
            async with asyncio.timeout(seconds):
                return await _token(http, read_client(Path(client_file)), url)

    try:
        return f"Bearer {asyncio.run(asked())}"
    except (TimeoutError, httpx.HTTPError, httpx.InvalidURL, OSError):
        raise Unavailable("token-endpoint-unavailable", "Where its tokens are does not answer.") from None


async def _ask_all(
    calls: Sequence[Call], seconds: float, told: Callable[[str, Outcome], object], stopped: Callable[[], bool]
) -> None:
    async with httpx.AsyncClient(timeout=seconds, follow_redirects=False, trust_env=False) as http:
        waiting = {asyncio.create_task(_in_time(http, call, seconds)): call.peer for call in calls}
        while waiting and not await asyncio.to_thread(stopped):
            done, _ = await asyncio.wait(waiting, timeout=LOOK_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                await asyncio.to_thread(told, waiting.pop(task), task.result())
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _in_time(http: httpx.AsyncClient, call: Call, seconds: float) -> Outcome:
    began = time.monotonic()
    status, body, said, probed = 0, b"", "", 0
    try:
        async with asyncio.timeout(seconds):
            status, body, probed = await _called(http, call)
    except TimeoutError:
        said = f"It did not answer within {seconds:g} s."
    except Unauthenticated:
        status = UNKNOWN
    except Failure as failure:
        said = failure.sentence
    except httpx.ConnectError as error:  # in this machine's words: refused, no such name, a certificate that is not trusted
        said = f"It can't be reached: {error}."
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        said = "It broke off, or does not speak HTTP."
    return Outcome(status, body, round(time.monotonic() - began, 3), printable(said)[:MOST_SAID], probed)


async def _called(http: httpx.AsyncClient, call: Call) -> tuple[int, bytes, int]:
    proof = await asyncio.to_thread(read_proof, call.secret_file, call.client_file)
    header = proof.header if proof.client is None else f"Bearer {await _token(http, proof.client, call.url)}"
    shown = {} if header is None else {"Authorization": header}
    headers = {**call.headers, **shown}
    probed = (await _fetched(http, "GET", call.probe, headers)).status_code if call.probe else 0
    answer = await _fetched(http, call.method, call.url, headers, call.body)
    return answer.status_code, answer.content, probed


async def _token(http: httpx.AsyncClient, client: ClientFile, url: str) -> str:
    """A token for this client (SMART Backend Services), from where its file says, or where the server itself says it is."""
    endpoint = await _endpoint(http, client, url)
    form = httpx.Request("POST", endpoint.url, data=token_fields(client, endpoint))
    headers = {"Content-Type": form.headers["Content-Type"], "Accept": "application/json"}
    return read_token(endpoint, await _fetched(http, "POST", endpoint.url, headers, form.content)).text


async def _endpoint(http: httpx.AsyncClient, client: ClientFile, url: str) -> TokenEndpoint:
    if client.token_url:
        return TokenEndpoint(client.token_url, client.token_url)
    if urlsplit(client.base_url)[:2] != urlsplit(url)[:2]:
        raise Unavailable("client-elsewhere", "Its client file is another server's: name where its tokens are, as token_url.")
    answer = await _fetched(http, "GET", f"{client.base_url}{METADATA_PATH}", {"Accept": "application/json"})
    return read_token_endpoint(client, client.base_url, answer)


async def _fetched(
    http: httpx.AsyncClient, method: str, url: str, headers: Mapping[str, str], body: bytes | None = None
) -> httpx.Response:
    """The whole answer, plain and of MOST_BYTES at most. Raises Unavailable for a larger one, and for one in another coding."""
    async with http.stream(method, url, headers={**headers, "Accept-Encoding": "identity"}, content=body) as answer:
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise Unavailable("answer-coded", "It compressed its answer, which was not asked for.")
        read = bytearray()
        async for piece in answer.aiter_raw():
            read += piece
            if len(read) > MOST_BYTES:
                raise Unavailable("answer-too-large", f"Its answer is larger than {MOST_BYTES // 1_000_000} MB.")
        kept = {"Content-Type": answer.headers.get("Content-Type", "")}
        return httpx.Response(answer.status_code, headers=kept, content=bytes(read), request=answer.request)
