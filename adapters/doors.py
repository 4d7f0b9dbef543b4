"""An Accord's own doors, asked from outside: whether a caller at its public URL, or a sender at its DICOM port, is answered."""

import socket

import httpx

SECONDS = 3


def ask_http(url: str) -> str | None:
    """Why this URL does not answer 200, in words; None where it does."""
    try:
        status = httpx.get(url, timeout=SECONDS, trust_env=False).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return str(error) or type(error).__name__
    return None if status == httpx.codes.OK else f"it answers with status {status}"


def ask_port(host: str, port: int) -> str | None:
    """Why nobody can connect there, in words; None where somebody can."""
    try:
        with socket.create_connection((host, port), SECONDS):
            return None
    except OSError as error:
        return error.strerror or str(error)
