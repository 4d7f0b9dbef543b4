import random
from datetime import UTC, datetime
from hashlib import sha256

import pytest
import rfc8785

from consent.commitment import NONCE_BYTES, canonical, leaf_hash

AT = datetime(2026, 11, 22, 12, 0, 0, 5, tzinfo=UTC)
LETTERS = 'abcZ09 äßç漢字\U0001f600"\\/\b\f\n\r\t\x00\x1f\x7f\u2028\u20ac'


def value(chance: random.Random, depth: int = 0) -> object:
    """Anything an entry may hold: strings, whole numbers below 2^53, lists and mappings of these."""
    kind = chance.randrange(2 if depth > 2 else 4)
    if kind == 0:
        return "".join(chance.choices(LETTERS, k=chance.randrange(12)))
    if kind == 1:
        return chance.choice([0, 1, -1, chance.randrange(2**53), -chance.randrange(2**53)])
    if kind == 2:
        return [value(chance, depth + 1) for _ in range(chance.randrange(4))]
    return {key(chance): value(chance, depth + 1) for _ in range(chance.randrange(4))}


def key(chance: random.Random) -> str:
    return "".join(chance.choices("abcXYZ_09.-", k=chance.randint(1, 8)))


@pytest.mark.parametrize("seed", range(200))
def test_the_canonical_bytes_are_those_of_rfc_8785(seed):
    chance = random.Random(seed)
    body = {key(chance): value(chance) for _ in range(6)}
    assert canonical(body) == rfc8785.dumps(body)


def test_the_order_in_which_facts_are_given_changes_nothing():
    assert (
        canonical({"b": 1, "a": {"d": 1, "c": 2}}) == canonical({"a": {"c": 2, "d": 1}, "b": 1}) == b'{"a":{"c":2,"d":1},"b":1}'
    )


def test_what_has_no_canonical_form_is_refused():
    for number in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON compliant"):
            canonical({"a": number})


def test_a_leaf_commits_to_nonce_and_body():
    nonce, body = bytes(NONCE_BYTES), b'{"v":1}'
    assert leaf_hash(nonce, body) == sha256(b"\x00" + sha256(nonce + body).digest()).digest()
    others = {leaf_hash(nonce, b'{"v":2}'), leaf_hash(b"\x01" * NONCE_BYTES, body), leaf_hash(nonce, body)}
    assert len(others) == 3
