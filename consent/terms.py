"""The terms of use: immutable versions, each known by the hash of its bytes."""

import re
from dataclasses import dataclass
from hashlib import sha256

VERSION = re.compile(r"\d{1,4}\.\d{1,4}\.\d{1,4}")


@dataclass(frozen=True, slots=True)
class Terms:
    """A published version, with the SHA-256 of its text's bytes in hex."""

    version: str
    sha256: str
    text: bytes


def is_version(text: str) -> bool:
    """Whether a terms version is MAJOR.MINOR.PATCH."""
    return VERSION.fullmatch(text) is not None


def terms_hash(text: bytes) -> str:
    """SHA-256 of the terms' bytes as published, in lower-case hex."""
    return sha256(text).hexdigest()
