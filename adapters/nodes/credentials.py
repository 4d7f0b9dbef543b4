"""What a DICOMweb node is shown: the line of a secret file, or the client file of another Accord."""

import os
from functools import partial
from pathlib import Path

import httpx
import requests
from requests.auth import HTTPBasicAuth

from adapters.accord import Accord
from adapters.accord_client import AccordClient
from adapters.client_file import read_client
from adapters.nodes.dicomweb import Authorize


def read_credentials(secret_file: str | None) -> Authorize:
    """Credentials as a file has them: user:password, or a bearer token, read anew for each request, as tokens expire; none: none.

    A client file renews its tokens itself. Raises OSError where the file can't be read, Invalid for what is no client file.
    """
    path = Path(secret_file or os.devnull)
    if not path.read_text().lstrip().startswith("{"):
        return partial(_show, path)
    now_and_then = httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=0))  # a node is never closed
    return Accord(AccordClient(read_client(path), transport=now_and_then))


def _show(path: Path, request: requests.PreparedRequest) -> requests.PreparedRequest:
    user, colon, password = path.read_text().strip().partition(":")
    if colon:  # no bearer token has one (RFC 6750 §2.1)
        HTTPBasicAuth(user.encode(), password.encode())(request)
    elif user:
        request.headers["Authorization"] = f"Bearer {user}"
    return request
