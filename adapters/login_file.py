"""A person's login on a command line: asked for by the device grant (RFC 8628), kept as a refresh token that changes at each use.

The file is its owner's alone. Who renews holds a lock beside it: a token that two commands used would end the login, as it would
if it had been copied.
"""

import fcntl
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from mappings import json_text
from mappings.failures import Invalid, Unauthenticated, Unavailable

CLIENT_ID = "accord-cli"
DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_DEVICE, _TOKEN = "/oauth/device", "/oauth/token"
_WAITS, _SLOWER = frozenset({"authorization_pending", "slow_down"}), 5


@dataclass(frozen=True, slots=True)
class Login:
    """Whose Accord, and the refresh token that is next (which is never printed)."""

    base_url: str
    refresh_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the server told a command line that waits for its person."""

    base_url: str
    device_code: str = field(repr=False)
    user_code: str
    verification_uri: str
    interval: int
    expires_in: int


def begin(http: httpx.Client, base_url: str, scope: str | None) -> Waiting:
    """Begin to wait for a person. Raises Unauthenticated or Unavailable."""
    base = base_url.rstrip("/")
    status, told = _post(http, base + _DEVICE, {"client_id": CLIENT_ID, **({"scope": scope} if scope else {})})
    if status != httpx.codes.OK:
        raise _refused(told)
    try:
        said = {"user_code": str(told["user_code"]), "verification_uri": str(told["verification_uri"])}
        numbers = {"interval": int(told.get("interval", 5)), "expires_in": int(told["expires_in"])}
        return Waiting(base_url=base, device_code=str(told["device_code"]), **said, **numbers)  # type: ignore[arg-type]
    except (KeyError, ValueError, TypeError):
        raise _no_accord(base) from None


def wait(http: httpx.Client, waiting: Waiting, pause: Callable[[float], object] = time.sleep) -> Login:
    """The login, once its person said yes. Raises Unauthenticated where they said no or nothing in time, or Unavailable."""
    left, interval = float(waiting.expires_in), max(1, waiting.interval)
    asked = {"grant_type": DEVICE_GRANT, "client_id": CLIENT_ID, "device_code": waiting.device_code}
    while True:
        pause(interval)
        left -= interval
        status, told = _post(http, waiting.base_url + _TOKEN, asked)
        if status == httpx.codes.OK:
            return Login(waiting.base_url, str(told.get("refresh_token", "")))
        if told.get("error") not in _WAITS or left <= 0:
            raise _refused(told)
        interval += _SLOWER if told["error"] == "slow_down" else 0


def read_login(path: Path) -> Login | None:
    """The login in a file; None where this is a file of another kind. Raises Invalid where it can't be read."""
    try:
        said = json.loads(path.read_text())
    except OSError as error:
        raise Invalid("login-file", f"The file {path} can't be read: {error.strerror}.") from None
    except ValueError:
        return None
    if not isinstance(said, dict) or not isinstance(said.get("refresh_token"), str):
        return None
    return Login(str(said.get("base_url", "")), said["refresh_token"])


def write_login(path: Path, login: Login) -> None:
    """Keep a login (0600), whole or not at all."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            json.dump({"base_url": login.base_url, "refresh_token": login.refresh_token}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)


def renew(http: httpx.Client, path: Path) -> str:
    """A fresh access token of the login in a file, which keeps the next refresh token. Raises Unauthenticated or Unavailable."""
    with _alone(path):
        login = read_login(path)
        if login is None:
            raise Invalid("login-file", f"{path} is no file of `accord login`.")
        asked = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "refresh_token": login.refresh_token}
        status, told = _post(http, login.base_url + _TOKEN, asked)
        if status != httpx.codes.OK:
            raise _refused(told)
        write_login(path, Login(login.base_url, str(told.get("refresh_token", ""))))
    return str(told.get("access_token", ""))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with os.fdopen(os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _post(http: httpx.Client, url: str, fields: dict[str, str]) -> tuple[int, dict[str, Any]]:
    try:
        answer = http.post(url, data=fields)
        told = json_text.loads(answer.content)
    except httpx.ConnectError:
        raise Unavailable("nobody-answers", f"Nobody answers at {url}. Is the server running, and is this its URL?") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError):
        raise _no_accord(url) from None
    if answer.is_server_error or not isinstance(told, dict):
        raise _no_accord(url)
    return answer.status_code, told


def _no_accord(url: str) -> Unavailable:
    return Unavailable("not-an-accord", f"What answers at {url} does not answer as an Accord does.")


def _refused(told: dict[str, Any]) -> Unauthenticated:
    why = "".join(c for c in str(told.get("error_description", told.get("detail", "no reason given"))) if c.isprintable())
    return Unauthenticated(str(told.get("error", "login-refused"))[:40], why[:300])
