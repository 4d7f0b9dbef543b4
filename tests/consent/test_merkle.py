import random
from hashlib import sha256

import pytest

from consent.merkle import EMPTY_ROOT, grow, node_hash, root

INPUTS = ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
ROOTS = (
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""The trees of Certificate Transparency's own tests (RFC 6962's authors), by number of leaves."""


def leaf(data: bytes) -> bytes:
    return sha256(b"\x00" + data).digest()


def naive(leaves: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, read aloud: split at the largest power of two smaller than n."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return sha256(b"\x01" + naive(leaves[:split]) + naive(leaves[split:])).digest()


@pytest.mark.parametrize("size", range(len(ROOTS)))
def test_the_known_trees_have_their_known_roots(size):
    frontier, grown = grow((), 0, [leaf(bytes.fromhex(data)) for data in INPUTS[:size]])
    assert (root(frontier).hex(), grown) == (ROOTS[size], size)


def test_an_empty_tree_has_the_hash_of_nothing():
    assert root(()) == EMPTY_ROOT == naive([])


def test_every_tree_up_to_130_leaves_is_what_the_recursion_says():
    leaves = [leaf(bytes([n])) for n in range(130)]
    frontier: tuple[bytes, ...] = ()
    for size, new in enumerate(leaves):
        frontier, grown = grow(frontier, size, [new])
        assert grown == size + 1
        assert root(frontier) == naive(leaves[: size + 1])


def test_growing_in_any_steps_gives_the_same_tree():
    chance = random.Random(7)
    leaves = [leaf(chance.randbytes(8)) for _ in range(300)]
    for _ in range(20):
        frontier, size = (), 0
        while size < len(leaves):
            step = chance.randint(0, 40)
            frontier, size = grow(frontier, size, leaves[size : size + step])
        assert root(frontier) == naive(leaves)


def test_a_frontier_holds_one_hash_for_each_bit_of_its_size():
    frontier, size = (), 0
    for n in range(1, 200):
        frontier, size = grow(frontier, size, [leaf(bytes([n]))])
        assert len(frontier) == n.bit_count()


def test_one_changed_leaf_changes_the_root_of_every_later_tree():
    leaves = [leaf(bytes([n])) for n in range(20)]
    changed = [*leaves[:3], leaf(b"other"), *leaves[4:]]
    for size in range(4, 21):
        assert root(grow((), 0, leaves[:size])[0]) != root(grow((), 0, changed[:size])[0])


def test_a_node_is_no_leaf():
    """The prefixes differ, so nobody can pass an inner node for a leaf."""
    left, right = leaf(b"a"), leaf(b"b")
    assert node_hash(left, right) != leaf(left + right)
