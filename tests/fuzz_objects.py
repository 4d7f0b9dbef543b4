"""What a stranger may store: changed objects in changed bodies of STOW-RS, each made of a seed and its number alone."""

from collections.abc import Mapping, Sequence
from random import Random

from mappings.dicom.part10 import read_part10
from tests.builders import made, sample
from tests.fuzz_dicomweb import ACCEPTS
from tests.fuzz_fhir import Case

_NUMBER = "1000000000"
SAMPLES = ("ct/CT_small.dcm", "mr/emri_small_rle.dcm", "rt/rtplan.dcm", "mr/emri_small_jpegls.dcm")
LENGTHS = (
    b"\0\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xfe\xff\xff\xff",
    b"\xff\xff\xff\x7f",
    b"\1\0\0\0",
    b"\xfe\xff\0\xe0",
    b"\xfe\xff\xdd\xe0",
)
TYPES = (
    'multipart/related; type="application/dicom"; boundary=b', "multipart/related; boundary=b", "application/dicom",
    'multipart/related; type="application/dicom"', 'multipart/related; type="application/dicom"; boundary=""',
    'multipart/related; type="application/dicom+json"; boundary=b', "multipart/form-data; boundary=b", "text/plain", "",
    'multipart/related; type="application/dicom"; boundary="' + "b" * 300 + '"', "multipart/related; boundary=\xe9",
    "application/dicom;" * 50,
)  # fmt: skip
HEADERS: Mapping[str, Sequence[str]] = {
    "Accept": ACCEPTS,
    "Content-Encoding": ("gzip", "identity", "x"),
    "Content-Location": ("a/b.dcm", "%00", "%ff" * 900, "../../etc", "x" * 2_000),
    "Content-Length": ("0", "1", "-1", "x", "9" * 30),
    "Authorization": ("", "Bearer x"),
}
PATHS = (
    "/dicom-web/studies?dataset=LUNG", "/datasets/LUNG/dicom-web/studies", "/dicom-web/studies/1.2.3?dataset=LUNG",
    "/dicom-web/studies", "/dicom-web/studies?dataset=NOBODY", "/dicom-web/studies?batch=x",
    "/dicom-web/studies/%00?dataset=LUNG",
    "/datasets/NOBODY/dicom-web/studies", "/dicom-web/studies?dataset=" + "x" * 400,
)  # fmt: skip
_PARTS = (
    b"Content-Type: application/dicom", b"content-type:application/dicom", b"Content-Type: application/dicom; transfer-syntax=*",
    b"Content-Type: text/plain", b"Content-Type", b"", b": x", b"\xff\xfe: \xff", b"X: " + b"x" * 20_000,
    b"\r\n".join([b"A: b"] * 300),
    b"Content-Type: application/dicom\r\nContent-Location: %00/../x", b"Content-Type: application/dicom\r\nContent-Length: -1",
)  # fmt: skip


class Stores:
    """Bodies by their numbers, of objects of our own and of small samples."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._ours = [bytes(made(f"1.2.3.77.{n}.{_NUMBER}", study=f"1.2.3.77.{n}")) for n in range(3)]
        self._objects = [bytes(sample(name)) for name in SAMPLES]

    def case(self, number: int) -> Case:
        """The request of this number."""
        chance = Random(f"{self._seed} {number}")
        wild = 0.2 if chance.random() < 0.5 else 0.0
        kind = chance.choice(TYPES) if chance.random() < wild else TYPES[0]
        parts = [self._part(chance, wild) for _ in range(chance.choice((0, 1, 1, 1, 1, 2, 3, 30 if wild else 2)))]
        body = parts[0][1] if parts and "related" not in kind else _joined(chance, wild, parts)
        if chance.random() < wild:
            body = mutated(chance, body)
        told = {name: chance.choice(values) for name, values in HEADERS.items() if chance.random() < wild / 4}
        path, _, query = (chance.choice(PATHS) if chance.random() < wild else PATHS[0]).partition("?")
        caller = "user" if chance.random() < wild / 4 else "provider"
        return Case(number, caller, "POST", path, query, {"Content-Type": kind} | told, body)

    def object(self, chance: Random) -> bytes:
        """A file, mostly a new one of ours, and nearly always changed."""
        file = self._own(chance) if chance.random() < 0.6 else chance.choice(self._objects)
        return mutated(chance, file) if chance.random() < 0.6 else file

    def data_set(self, chance: Random) -> tuple[str, bytes]:
        """One of our own, nearly always changed, and the SOP Instance UID that it had."""
        part10 = read_part10(memoryview(self._own(chance)))
        data = bytes(part10.dataset)
        return part10.media_sop_instance, mutated(chance, data) if chance.random() < 0.6 else data

    def _own(self, chance: Random) -> bytes:
        return chance.choice(self._ours).replace(_NUMBER.encode(), f"1{chance.randrange(10**9):09}".encode())

    def _part(self, chance: Random, wild: float) -> tuple[bytes, bytes]:
        return chance.choice(_PARTS) if chance.random() < wild else _PARTS[0], self.object(chance)


def _joined(chance: Random, wild: float, parts: Sequence[tuple[bytes, bytes]]) -> bytes:
    line = chance.choice((b"\n", b"\r", b"\r\n\r\n", b"")) if chance.random() < wild / 2 else b"\r\n"
    between = chance.choice((b"--c", b"-b", b"--b ", b"--b--", b"--bb")) if chance.random() < wild / 2 else b"--b"
    body = b"".join(between + line + head + line + line + file + line for head, file in parts)
    return body if chance.random() < wild / 2 else body + b"--b--"


def mutated(chance: Random, data: bytes) -> bytes:
    """With a few bytes changed, taken out, doubled or put in, mostly where an object's attributes are; or cut off."""
    made_of = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 9))):
        at = chance.randrange(min(len(made_of), chance.choice((200, 2_000, 1 << 30))) + 1)
        change = chance.randrange(7)
        if change == 0 and at < len(made_of):
            made_of[at] = chance.randrange(256)
        elif change == 1:
            made_of[at : at + 4] = chance.choice(LENGTHS)
        elif change == 2:
            del made_of[at : at + chance.choice((1, 2, 8, 100, 10_000))]
        elif change == 3:
            made_of[at:at] = made_of[at : at + chance.choice((8, 100, 1_000))]
        elif change == 4:
            made_of[at:at] = chance.randbytes(chance.choice((1, 2, 8, 64)))
        elif change == 5:
            made_of[at : at + 2] = chance.choice((b"SQ", b"UN", b"OB", b"\0\0", b"ZZ", b"DS", b"IS", b"US", b"PN", b"UT"))
        elif chance.random() < 0.3:
            del made_of[at:]
    return bytes(made_of)
