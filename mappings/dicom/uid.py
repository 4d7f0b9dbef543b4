"""What a UID is. Clients ask it too, so it stands on nothing."""

import re

_UID = re.compile(r"(?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))+")


def legal_uid(uid: str) -> bool:
    """PS3.5 §9.1: digits and dots, at most 64, at least two components, none empty or with a leading zero."""
    return len(uid) <= 64 and _UID.fullmatch(uid) is not None
