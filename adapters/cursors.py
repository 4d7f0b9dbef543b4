"""Sealed cursors: where a page ended, which only this installation can read, and only beside the question that it ended.

A row's number tells how many rows lie before it, also of those that its reader may not see. AES-SIV (RFC 5297) hides it, refuses
what was changed or belongs to another question, and seals the same place of the same question alike.
"""

from base64 import b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from adapters.identity import load_or_make_secret

_KEY_BYTES = 64
_BLOCK = 64  # bytes


class Cursors:
    """Seals and opens places with the installation's key. Safe for many threads."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    @classmethod
    def load_or_make(cls, path: Path) -> Self:
        """With the key at `path` (0600), made if none is there: processes started at once agree."""
        return cls(load_or_make_secret(path, _KEY_BYTES))

    def seal(self, question: bytes, place: bytes) -> str:
        """A cursor for this place (without a NUL) of this question; how long it is tells no more than a multiple of 64 bytes."""
        padded = place.ljust(-(-len(place) // _BLOCK) * _BLOCK, b"\0")
        return urlsafe_b64encode(self._cipher.encrypt(padded, [question])).decode()

    def opened(self, question: bytes, cursor: str) -> bytes | None:
        """The place that was sealed with this question; None where this is no such cursor."""
        try:
            return self._cipher.decrypt(b64decode(cursor, b"-_", validate=True), [question]).rstrip(b"\0")
        except (ValueError, InvalidTag):
            return None
