"""What every act of governance checks first: names that are known or free, and words of a closed list.

Each act is one durable transaction: the change, the moved counter (so it binds the next statement everywhere) and its ledger
entry. Illegal moves and unknown names raise; nothing is half done.
"""

import re
from collections.abc import Iterable, Sequence
from typing import TypeVar

from consent.person import Act, Actor, may
from mappings.failures import Conflict, Forbidden, Invalid, NotFound
from mappings.network import read_address

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
NAMED = "1 to 63 letters, digits, - and _, the first a letter or digit"
MOST_REASON = 500
_PORT, _HIGHEST_PORT = re.compile(r"[1-9][0-9]{0,4}"), 65535
Row = TypeVar("Row")


def require(row: Row | None, noun: str, name: str) -> Row:
    """What is called so. Raises NotFound where there is none."""
    if row is None:
        raise NotFound(f"{noun}-unknown", f"There {'are' if noun == 'terms' else 'is'} no {noun} called {name}.", noun)
    return row


def check_new(row: object | None, noun: str, name: str, pattern: re.Pattern[str] = NAME, told: str = NAMED) -> None:
    """Check a name for something new; `told` says the pattern. Raises Invalid, or Conflict where `row` has it already."""
    if not pattern.fullmatch(name):
        raise Invalid(f"{noun}-name", f"The name of the {noun} has {told}.", noun)
    if row is not None:
        raise Conflict(f"{noun}-exists", f"There is {_article(noun)} called {name} already.", noun)


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def check_aet(aet: str) -> None:
    """Check an AE title. Raises Invalid."""
    if not 1 <= len(aet) <= 16 or not aet.isascii() or not aet.isprintable() or "\\" in aet or aet.strip() != aet:
        raise Invalid(
            "aet-illegal", "An AE title has 1 to 16 characters of the default repertoire, no backslash (PS3.5 6.2).", "aet"
        )


def read_scp(text: str) -> tuple[str, int]:
    """(address, port) of `10.1.2.3:104` or `[2001:db8::1]:104`: an address, so that nobody else's word says where bytes go."""
    host, _, port = text.rpartition(":")
    address = read_address(host.removeprefix("[").removesuffix("]"))
    if address is None or not _PORT.fullmatch(port) or int(port) > _HIGHEST_PORT:
        raise Invalid("scp-unreadable", "Where an SCP listens is written as address:port, such as 10.1.2.3:104.", "scp")
    return str(address), int(port)


def check_words(words: Iterable[str], allowed: Sequence[str], what: str) -> str:
    """The words as a row keeps them: each once, in order, by blanks. Raises Invalid for one that is not allowed."""
    chosen = sorted(set(words))
    if not set(chosen) <= set(allowed):
        raise Invalid(f"{what}-unknown", f"{what} must be among: {', '.join(allowed)}.", what)
    return " ".join(chosen)


def check_reason(reason: str | None) -> str | None:
    """A reason as the ledger keeps it; None where none is given. Raises Invalid for one that is long or no line of text."""
    text = (reason or "").strip()
    if len(text) > MOST_REASON or not text.isprintable():
        raise Invalid("reason", f"A reason is one line of at most {MOST_REASON} characters.", "reason")
    return text or None


def check_text(text: str, most: int, where: str) -> str:
    """Free text as it is kept. Raises Invalid for one that is long, or holds what is neither printed nor a line's end."""
    said = text.strip()
    if len(said.encode()) > most or not all(line.isprintable() for line in said.replace("\t", " ").splitlines()):
        raise Invalid("text", f"{where} is text of at most {most} bytes.", where)
    return said


def require_act(actor: Actor, act: Act, party: str | None = None) -> None:
    """Raise Forbidden where this actor's roles do not let it do this, to what is `party`'s (None: the repository's own)."""
    if not may(actor, act, party):
        raise Forbidden("act-not-yours", f"Your roles do not let you {act} here.")


def enumerated(users: Sequence[str], most: int = 10) -> str:
    """What uses something, as a refusal names it: the first ones, and how many more."""
    rest = len(users) - most
    return ", ".join(users[:most]) + (f" and {rest} more" if rest > 0 else "")
