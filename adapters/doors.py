"""An Accord's own doors, asked from outside: whether a caller at its public URL, or a sender at its DICOM port, is answered."""

import json
import socket

import httpx

from mappings.eucaim import NOBODY, unusable

SECONDS = 3
SEARCH_SECONDS = 20
"""More than a federated count may take."""
MOST_REPLY = 1_000_000  # bytes


def ask_http(url: str) -> str | None:
    """Why this URL does not answer 200, in words; None where it does."""
    try:
        status = httpx.get(url, timeout=SECONDS, trust_env=False).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return str(error) or type(error).__name__
    return None if status == httpx.codes.OK else f"it answers with status {status}"


def ask_search(url: str, secret: str) -> str | None:
    """Why a federated search at this URL is not answered as Focus needs it (`ENDPOINT_TYPE=omop`), in words; None where it is.

    Focus takes status 200 alone, follows no redirect, and sends the secret as the whole Authorization header. The question is one
    that nobody matches.
    """
    sent = {b"Authorization": secret.encode(), b"Content-Type": b"application/json", b"Accept": b"*/*"}
    body = json.dumps({"ast": NOBODY, "id": "accord-doctor"}, indent=2).encode()
    try:
        with httpx.stream("POST", url, content=body, headers=sent, timeout=SEARCH_SECONDS, trust_env=False) as answer:
            if answer.status_code != httpx.codes.OK:
                return f"it answers with status {answer.status_code}"
            return _unusable(answer)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return str(error) or type(error).__name__


def _unusable(answer: httpx.Response) -> str | None:
    read = b""
    for part in answer.iter_bytes():
        read += part
        if len(read) > MOST_REPLY:
            return "its answer to a question that nobody matches is over 1 MB"
    return unusable(read)


def ask_port(host: str, port: int) -> str | None:
    """Why nobody can connect there, in words; None where somebody can."""
    try:
        with socket.create_connection((host, port), SECONDS):
            return None
    except OSError as error:
        return error.strerror or str(error)
