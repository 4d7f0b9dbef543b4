"""Sealed cursors: where a page ended, which only this installation can read, and only beside the question that it ended.

A row's number tells how many rows lie before it, also of those that its reader may not see. AES-SIV (RFC 5297) hides it, refuses
what was changed or belongs to another question, and seals the same position of the same question alike.
"""

from base64 import b64decode, urlsafe_b64encode
from pathlib import Path
from typing import Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from adapters.identity import load_or_make_secret

_KEY_BYTES = 64
_POSITION = 16  # bytes


class Cursors:
    """Seals and opens positions with the installation's key. Safe for many threads."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    @classmethod
    def load_or_make(cls, path: Path) -> Self:
        """With the key at `path` (0600), made if none is there: processes started at once agree."""
        return cls(load_or_make_secret(path, _KEY_BYTES))

    def seal(self, question: bytes, position: int) -> str:
        """A cursor for this position (below 2^128) of this question; all are of one length."""
        return urlsafe_b64encode(self._cipher.encrypt(position.to_bytes(_POSITION), [question])).decode()

    def opened(self, question: bytes, cursor: str) -> int | None:
        """The position that was sealed with this question; None where this is no such cursor."""
        try:
            return int.from_bytes(self._cipher.decrypt(b64decode(cursor, b"-_", validate=True), [question]))
        except (ValueError, InvalidTag):
            return None
