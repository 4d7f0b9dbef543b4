"""What a client keeps: who it is, where its Accord is, and the key by which it proves itself (RFC 7523).

A client file is a JWK Set with further members, which readers of such a set ignore (RFC 7517 section 5): clients of the field
take it for their key as it comes.
"""

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from adapters.identity import publish_once, signed, signing_key
from mappings.failures import Conflict, Invalid

SECONDS = 60
"""Life of an assertion."""
TOKEN_PATH = "/oauth/token"  # noqa: S105 - a path


@dataclass(frozen=True, slots=True)
class ClientFile:
    """A client: who it is, the base URL of its Accord, what it asks for, and its private key (which is never printed).

    Where to ask for a token is discovered from the base URL; files of before name `token_url` and no base URL, or the key
    `private_jwk`, and are followed.
    """

    client_id: str
    base_url: str
    scope: str
    purpose: str | None
    private_jwk: dict[str, Any] = field(repr=False)
    token_url: str | None = None
    audience: str | None = None


def new_client_key() -> tuple[dict[str, Any], dict[str, Any]]:
    """A fresh P-384 key pair: the private JWK for the client file and the public key set to register.

    smart-fetch signs with a key alone whose `key_ops` say that it signs.
    """
    key = ECKey.generate_key("P-384", {"alg": "ES384"}, auto_kid=True)
    private = key.as_dict(private=True) | {"key_ops": ["sign"]}  # not `use` beside it (RFC 7517 section 4.3)
    return private, {"keys": [key.as_dict(private=False) | {"use": "sig"}]}


def check_free(path: Path) -> None:
    """Raises what would keep a client file from being written there, as far as that can be told before it is."""
    if path.exists():
        raise _taken(path)
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise Invalid("client-file", f"No file can be written in {path.parent}. Name another place with --write.")


def write_client(path: Path, client: ClientFile) -> None:
    """Write a client file (0600), whole or not at all. Raises Conflict where one is."""
    said = {name: value for name, value in asdict(client).items() if value is not None}
    said["keys"] = [said.pop("private_jwk")]
    if not publish_once(path, json.dumps(said, indent=1)):
        raise _taken(path)


def _taken(path: Path) -> Conflict:
    return Conflict("client-file-exists", f"The file {path} exists already; it is not overwritten. Name another with --write.")


def read_client(path: Path) -> ClientFile:
    """The client file at `path`. Raises Invalid `client-file`."""
    try:
        client = _client(json.loads(path.read_text()))
        signing_key(client.private_jwk)
    except OSError as error:
        raise Invalid("client-file", f"The client file {path} can't be read: {error.strerror}.") from None
    except (ValueError, TypeError, KeyError, AttributeError, JoseError):
        told = f"{path} is no client file, as `accord admin client add` writes them."
        raise Invalid("client-file", told) from None
    return client


def _client(said: Mapping[str, Any]) -> ClientFile:
    """What a file says; raises what a document of another form raises."""
    members = dict(said)
    base = said.get("base_url") or said["token_url"].removesuffix(TOKEN_PATH)
    if keys := members.pop("keys", None):
        (members["private_jwk"],) = keys
    return ClientFile(**{"purpose": None, **members, "base_url": base.rstrip("/")})


def assertion(client: ClientFile, audience: str, now: datetime) -> str:
    """A client assertion (RFC 7523) that proves `client` to who is called `audience`, once, within a minute."""
    issued = int(now.timestamp())
    claims = {"iss": client.client_id, "sub": client.client_id, "aud": client.audience or audience, "iat": issued}
    proof = claims | {"exp": issued + SECONDS, "jti": secrets.token_urlsafe(24)}
    return signed(signing_key(client.private_jwk), "JWT", proof)
