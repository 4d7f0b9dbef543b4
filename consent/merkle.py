"""The ledger's tree: RFC 6962 section 2.1 hashing, and roots that grow without rereading old leaves."""

from collections.abc import Iterable
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node over its two children (RFC 6962: 0x01 prefix)."""
    return sha256(b"\x01" + left + right).digest()


def grow(frontier: tuple[bytes, ...], size: int, leaves: Iterable[bytes]) -> tuple[tuple[bytes, ...], int]:
    """Append leaf hashes to a tree known by its frontier: the roots of its full subtrees, largest first.

    A tree of `size` leaves has one full subtree for every 1 bit of `size`, so 2^40 leaves need at most 40 hashes.
    """
    stack = list(frontier)
    for leaf in leaves:
        stack.append(leaf)
        merged = size
        while merged & 1:
            right = stack.pop()
            stack[-1] = node_hash(stack[-1], right)
            merged >>= 1
        size += 1
    return tuple(stack), size


def root(frontier: tuple[bytes, ...]) -> bytes:
    """The Merkle tree hash: the full subtrees folded from the right."""
    if not frontier:
        return EMPTY_ROOT
    folded = frontier[-1]
    for left in reversed(frontier[:-1]):
        folded = node_hash(left, folded)
    return folded
