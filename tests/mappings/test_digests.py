"""What is kept of a file's parts: enough to believe one of them, and no less."""

from hashlib import sha256
from zlib import crc32

import pytest

from mappings.digests import BLOCK, DIGEST_SIZE, FRAME_SIZE, are_blocks, checksums, digest_parts, read_frame

FILE = memoryview(bytes(range(256)) * 4096 * 2 + b"end")


def test_a_file_of_one_block_has_no_parts():
    assert digest_parts(FILE[:BLOCK], [(0, 10)]) is None


def test_every_block_has_its_digest_the_short_last_one_too():
    parts = digest_parts(FILE, [])
    assert parts.blocks == b"".join(sha256(FILE[at : at + BLOCK]).digest() for at in (0, BLOCK, 2 * BLOCK))
    assert parts.frames == b""


def test_every_frame_is_kept_where_it_lies():
    parts = digest_parts(FILE, [(5, 10), (15, BLOCK + 7)])
    assert len(parts.frames) == 2 * FRAME_SIZE
    assert read_frame(parts.frames[FRAME_SIZE:]) == (15, BLOCK + 7, sha256(FILE[15 : BLOCK + 22]).digest())


@pytest.mark.parametrize("at", [BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 2])
def test_blocks_are_believed_to_the_bit(at):
    kept = digest_parts(FILE, []).blocks[DIGEST_SIZE:]
    read = bytearray(FILE[BLOCK:])
    assert are_blocks(memoryview(read), kept)
    read[at - BLOCK] ^= 1
    assert not are_blocks(memoryview(read), kept)


@pytest.mark.parametrize("read", [FILE[BLOCK:-1], FILE[BLOCK : 2 * BLOCK], FILE[:0], FILE])
def test_blocks_that_are_cut_or_more_than_were_asked_for_are_others(read):
    assert not are_blocks(read, digest_parts(FILE, []).blocks[DIGEST_SIZE:])


def test_the_checksums_of_a_file_are_those_of_all_its_bytes_and_the_reading_is_told_of():
    told = []
    assert checksums(FILE, told.append) == (sha256(FILE).digest(), crc32(FILE))
    assert told == list(range(0, len(FILE), BLOCK))
