"""What EUCAIM's programs need on this machine, beside what Accord's own tests do."""

import shutil
import socket

from tests.peers.eucaim.chain import PAGE_PORT, SPOT_PORT

PROGRAMS = ("cargo", "git", "node", "npm", "chromium")


def missing() -> str | None:
    """The sentence that says what is not here; None where all is."""
    if lacking := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"EUCAIM's programs need, and this machine lacks: {', '.join(lacking)}."
    if taken := [str(port) for port in (SPOT_PORT, PAGE_PORT) if _is_taken(port)]:
        return f"The explorer's pages need these ports of loopback, which are taken: {', '.join(taken)}."
    return None


def _is_taken(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0
