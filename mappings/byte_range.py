"""Reads which bytes of a representation are asked for (RFC 9110 section 14.2): one range of them."""

import re

from mappings.failures import Unsatisfiable

_RANGE = re.compile(r"bytes\s*=\s*(?:([0-9]{1,18})-([0-9]{0,18})|-([0-9]{1,18}))\s*", re.IGNORECASE)


def read_range(text: str, size: int) -> range | None:
    """The bytes of `size` that a Range header names. Raises Unsatisfiable where it names none of them.

    None where it is passed over, as one in other units, of several ranges, or backwards may be.
    """
    read = _RANGE.fullmatch(text.strip())
    if read is None:
        return None
    if read[3]:
        named = range(max(size - int(read[3]), 0), size)
    else:
        first, last = int(read[1]), int(read[2] or size)
        if read[2] and last < first:
            return None
        named = range(min(first, size), min(last + 1, size))
    if not named:
        raise Unsatisfiable("range-unsatisfiable", f"There are {size} bytes.", size)
    return named
