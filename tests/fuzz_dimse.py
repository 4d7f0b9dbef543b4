"""What a stranger may send to DICOM's network door: as many connections as are wanted, each made of a seed and its number.

Associations whose PDUs are good, odd or broken in any way (PS3.8 section 9.3), messages and data sets likewise (PS3.7 section 6).
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from tests.fuzz_objects import Stores, mutated
from tests.fuzz_words import ODD

IMPLICIT, EXPLICIT, BIG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"
ECHO, MR, COMMIT = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.1.20.1"
ROOTS = tuple(f"1.2.840.10008.5.1.4.1.2.{model}.{service}" for model in (1, 2) for service in (1, 2, 3))
TITLES = ("ACCORD", "LUNG", "BREAST", "NOBODY", "", " ", "x" * 16, "\xe9\xff", "A\\B", "LUNG\0", "\r\nX")
CALLING = ("RESEARCH", "COMPUTE", "PACS-A", "STORESCU", "NOBODY", "", "\xff" * 16)
FIELDS = (
    0x0001,
    0x0010,
    0x0020,
    0x0021,
    0x0030,
    0x0130,
    0x0FFF,
    0x8001,
    0x8020,
    0x8030,
    0x0100,
    0x0110,
    0x0120,
    0x0140,
    0x0150,
    0xFFFF,
)
COMMIT_INSTANCE = "1.2.840.10008.1.20.1.1"
VALUES = (
    "", "*", "?", "CT", "MR", "20200101-", "-20210101", "20200101-20210101", "20211332", "1000-1100", "P*", "a\\b\\c", "1.2.3",
    "\\",
    "1.2.1", "^", "=", "\x1b$B", "x" * 70, "*" * 200, "9" * 400, *ODD[:30],
)  # fmt: skip
KEYS = (
    0x00080005, 0x00080020, 0x00080030, 0x00080050, 0x00080052, 0x00080054, 0x00080060, 0x00080061, 0x00080062, 0x00081030,
    0x00081110,
    0x00100010, 0x00100020, 0x00100030, 0x00100040, 0x0020000D, 0x0020000E, 0x00080018, 0x00200013, 0x00201208, 0x00400275,
    0x00091001,
    0x7FE00010, 0xFFFEE000, 0x00020010, 0x00000000,
)  # fmt: skip
LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE", "STUDY ", "study", "", "FRAME", "STUDY\\SERIES", "\xff")
_LEVEL = 0x00080052


@dataclass(frozen=True)
class Call:
    """One connection: its A-ASSOCIATE-RQ (whatever that is), what follows an answer to it, and whether it takes its leave.

    Who does not says that nothing more will come, and reads on.
    """

    number: int
    request: bytes
    messages: Sequence[bytes]
    releases: bool


class Calls:
    """Connections by their numbers."""

    def __init__(self, seed: int) -> None:
        self._seed, self._stores = seed, Stores(seed)

    def case(self, number: int) -> Call:
        """The connection of this number."""
        return _Making(Random(f"{self._seed} {number}"), self._stores, number).made()


class _Making:
    def __init__(self, chance: Random, stores: Stores, number: int) -> None:
        self.chance, self.stores, self.number = chance, stores, number
        self.wild = 0.15 if chance.random() < 0.5 else 0.0
        self.instance = ""
        self.called = chance.choice(TITLES) if self._now(self.wild) else chance.choice(("ACCORD", "LUNG"))
        self.calling = chance.choice(CALLING) if self._now(self.wild) else "STORESCU" if self.called == "LUNG" else "RESEARCH"

    def made(self) -> Call:
        request = self._request()
        if self._now(self.wild):
            request = self.chance.choice((mutated(self.chance, request), self.chance.randbytes(self.chance.randrange(400)), b""))
        messages = [self._message() for _ in range(self.chance.choice((1, 1, 2, 3)))]
        return Call(self.number, request, messages, releases=not self.wild and self._now(0.7))

    # --- A-ASSOCIATE-RQ (PS3.8 section 9.3.2)

    def _request(self) -> bytes:
        contexts = [
            (ECHO, (IMPLICIT,)),
            (MR, (EXPLICIT,)),
            (COMMIT, (IMPLICIT,)),
            *((root, (IMPLICIT, EXPLICIT)) for root in ROOTS),
        ]
        if self._now(self.wild):
            contexts = self.chance.choice(([], contexts * 16, contexts[:1] * 300, [("", ())], [("x" * 70, ("",))]))
        items = [
            _item(0x10, b"1.2.840.10008.3.1.1.1"),
            *(self._context(at, *each) for at, each in enumerate(contexts)),
            self._user(),
        ]
        if self._now(self.wild):
            self.chance.shuffle(items)
        version, reserved = self.chance.choice((0, 2, 0xFFFF)) if self._now(self.wild) else 1, bytes(32)
        titles = b"".join(each.encode("latin-1").ljust(16)[:16] for each in (self.called, self.calling))
        return self._pdu(1, struct.pack(">HH", version, 0) + titles + reserved + b"".join(items))

    def _context(self, at: int, abstract: str, syntaxes: Sequence[str]) -> bytes:
        number = self.chance.randrange(256) if self._now(self.wild / 4) else 2 * at + 1 & 0xFF
        items = [_item(0x30, abstract.encode()), *(_item(0x40, each.encode()) for each in syntaxes)]
        return self._broken(_item(0x20, bytes([number, 0, 0, 0]) + b"".join(items)))

    def _user(self) -> bytes:
        most = self.chance.choice((0, 1, 6, 7, 128, 0xFFFFFFFF)) if self._now(self.wild) else 16_384
        roles = [_item(0x54, struct.pack(">H", len(MR)) + MR.encode() + self._roles())]
        identity = _item(0x58, b"\1\1\0\4user\0\0") if self._now(self.wild) else b""
        window = _item(0x53, struct.pack(">HH", *self.chance.choices((0, 1, 9, 0xFFFF), k=2))) if self._now(self.wild) else b""
        named = [_item(0x51, struct.pack(">L", most)), _item(0x52, b"1.2.3"), *roles, window, identity, _item(0x55, b"FUZZ")]
        return self._broken(_item(0x50, b"".join(self._broken(each) for each in named)))

    def _roles(self) -> bytes:
        return bytes(self.chance.choices((0, 1, 2), k=2)) if self._now(self.wild) else b"\1\1"

    # --- P-DATA-TF (PS3.8 section 9.3.5) and others

    def _message(self) -> bytes:
        if self._now(self.wild):
            return self._pdu(
                self.chance.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 255)), self.chance.randbytes(self.chance.randrange(200))
            )
        context, field, sop, data = self._asked()
        self.instance, data = self.stores.data_set(self.chance) if field == 0x0001 and data == b"" else ("1.2.3.4", data)
        if self._now(self.wild):
            context = self.chance.randrange(256)
        command = self._broken(self._command(field, sop, has_data=data is not None))
        pieces = [(3, command)] + ([(2, self._broken(data))] if data is not None else [])
        if self._now(self.wild):
            self.chance.shuffle(pieces)
        sent = b"".join(self._values(context, *piece) for piece in pieces)
        return mutated(self.chance, sent) if self._now(self.wild / 2) else sent

    def _values(self, context: int, control: int, content: bytes) -> bytes:
        """A message's command set or data set, in one value or several."""
        size = self.chance.choice((1, 7, 500, 16_000)) if len(content) < 2_000 else 16_000
        cuts = [content[at : at + size] for at in range(0, len(content), size)] or [b""]
        made = []
        for at, piece in enumerate(cuts, 1):
            marks = control if at == len(cuts) else control & 1
            marks = self.chance.randrange(256) if self._now(self.wild / 20) else marks
            length = self.chance.choice((0, 1, 2, 0xFFFFFFFF)) if self._now(self.wild / 20) else len(piece) + 2
            made.append(self._pdu(4, struct.pack(">LBB", length, context, marks) + piece))
        return b"".join(made)

    def _asked(self) -> tuple[int, int, str, bytes | None]:
        """(presentation context, command field, SOP Class, data set)."""
        kind = self.chance.randrange(6)
        if self._now(self.wild):
            return 1, self.chance.choice(FIELDS), ECHO, self.chance.choice((None, b"", self.chance.randbytes(50)))
        if kind == 0:
            return 1, 0x0030, ECHO, None
        if kind == 1:
            return 3, 0x0001, MR, b""
        if kind == 2:
            return 5, 0x0130, COMMIT, self._elements([(0x00081195, "1.2.3"), *self._keys()])
        root = self.chance.randrange(len(ROOTS))
        field = (0x0020, 0x0021, 0x0010)[root % 3] if not self._now(self.wild) else self.chance.choice(FIELDS)
        level = self.chance.choice(LEVELS) if self._now(self.wild) else self.chance.choice(LEVELS[:4])
        return 7 + 2 * root, field, ROOTS[root], self._elements(sorted([(_LEVEL, level), *self._keys()]))

    def _keys(self) -> list[tuple[int, str]]:
        keys = self.chance.sample(KEYS, self.chance.choice((1, 3, 6))) if not self._now(self.wild / 4) else KEYS * 9
        return [(key, self.chance.choice(VALUES)) for key in keys]

    def _elements(self, pairs: Sequence[tuple[int, str]]) -> bytes:
        made = [_element(tag, value.encode("utf-8", "replace")) for tag, value in pairs]
        return b"".join(self._broken(each) for each in made)

    def _command(self, field: int, sop: str, *, has_data: bool) -> bytes:
        number = self.chance.randrange(1, 0x10000)
        pairs = {
            0x00000002: sop.encode(),
            0x00000003: COMMIT_INSTANCE.encode() if field == 0x0130 else b"",
            0x00000100: struct.pack("<H", field),
            0x00000110: struct.pack("<H", number),
            0x00000120: struct.pack("<H", number) if field & 0x8000 or field == 0x0FFF else b"",
            0x00000600: self.chance.choice((b"TAKER", b"NOBODY", b"\xff" * 40)) if field == 0x0021 else b"",
            0x00000700: struct.pack("<H", 0),
            0x00000800: struct.pack("<H", 1 if has_data else 0x0101),
            0x00001000: self.instance.encode() if field == 0x0001 else b"",
            0x00001008: struct.pack("<H", self.chance.choice((1, 1, 2))) if field == 0x0130 else b"",
        }
        if field == 0x0130:
            pairs[0x00000003], pairs[0x00001001] = b"", COMMIT_INSTANCE.encode()
        made = b"".join(_element(tag, value) for tag, value in sorted(pairs.items()) if value)
        return _element(0x00000000, struct.pack("<L", len(made))) + made

    def _pdu(self, kind: int, content: bytes) -> bytes:
        length = len(content)
        if self._now(self.wild / 8):
            length = self.chance.choice((0, 1, length - 1 if length else 0, length + 1, length + 1_000, 1 << 20, 0xFFFFFFFF))
        return struct.pack(">BBL", kind, 0, length) + content

    def _broken(self, data: bytes) -> bytes:
        return mutated(self.chance, data) if self._now(self.wild / 6) else data

    def _now(self, often: float) -> bool:
        return self.chance.random() < often


def _item(kind: int, content: bytes) -> bytes:
    return struct.pack(">BBH", kind, 0, len(content) & 0xFFFF) + content


def _element(tag: int, value: bytes) -> bytes:
    """In Implicit VR Little Endian."""
    value += b"\0" * (len(value) % 2)
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, len(value)) + value
