"""A digest as HTTP says it is what we kept, and what is no digest is none."""

from hashlib import sha256

import pytest

from mappings.content_digest import read_sha256, write_sha256

DIGEST = sha256(b'{"hello": "world"}\n').digest()
SAID = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
"""The example of RFC 9530, appendix B.1."""


def test_it_is_written_as_the_standards_example():
    assert write_sha256(DIGEST) == SAID


@pytest.mark.parametrize("value", [SAID, f"sha-512=:AAAA:, {SAID}", f"{SAID},md5=:AAAA:", f" {SAID};x=1"])
def test_it_is_read_among_others(value):
    assert read_sha256(value) == DIGEST


@pytest.mark.parametrize("value", ["", "sha-256", "sha-256=:AAAA:", f"x{SAID}", SAID[:-1], "sha-256=RK/0qy18", SAID.upper()])
def test_what_is_no_digest_is_none(value):
    assert read_sha256(value) is None
