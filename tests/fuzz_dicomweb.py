"""What a stranger may ask of DICOMweb: as many requests as are wanted, each made of a seed and its number alone.

Every route of both archives, that of all datasets and that of one; good, odd and broken UIDs, numbers, keys, paths and headers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from urllib.parse import quote

from mappings.fields import QIDO_KEYS
from tests.fuzz_fhir import ASKERS, Case
from tests.fuzz_words import LONG, ODD

ROOTS = ("/dicom-web",) * 5 + ("/datasets/LUNG/dicom-web",) * 3 + ("/datasets/BREAST/dicom-web", "/datasets/NOBODY/dicom-web")
METHODS = ("GET",) * 60 + ("HEAD", "HEAD", "HEAD", "OPTIONS", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE")
ORIGIN = "https://viewer.example"
_BIG = ("2147483647", "2147483648", "9223372036854775807", "9223372036854775808", "18446744073709551616", "9" * 40, "9" * 4_400)
NUMBERS = ("1", "1", "1", "2", "3", "10", "11", "0", "-1", "+1", "01", "1.5", "1e3", "٣", "", " 1", "x", *_BIG)
FRAMES = (
    *NUMBERS, "1,2", "2,1", "1,1,1", "1,", ",1", "1,,2", "1-3", "1;2", "1,0", ",".join(["1"] * 1_000), ",".join(["1"] * 1_001),
    ",".join(map(str, range(1, 3_000))), f"1,{'9' * 10}", "1,\n2", "1\n", "all",
)  # fmt: skip
UIDS = (
    "1.2.3",
    "1." * 31 + "1",
    "1." * 40 + "1",
    "01.2",
    "1..2",
    "1.2.",
    ".",
    "..",
    "2.25." + "9" * 39,
    "1.2.3*",
    "1.2,1.3",
    "1.2\n",
)
TAGS = ("7FE00010", "7fe00010", "00280010", "00100010", "00020010", "FFFEE000", "60003000", "00420011", "7FE00008", "52009230")
VIEWPORTS = (
    "64,64", "512,512", "513,1", "1,1", "0,0", "-1,5", "64", "64,64,0,0,10,10", "64,64,0,0,-10,-10", "64,64,,,5,5", "1e9,1e9",
    "64,64,1e308,1e308,1e308,1e308", "nan,nan", "64,64,nan,0,1,1", "inf,inf", "64,64,0,0,0,0", "9" * 400 + ",1",
    "64,64,-5,-5,5,5",
    "64.5,64.5", "64,64,0,0,1e-300,1e-300", "٦٤,٦٤",
)  # fmt: skip
WINDOWS = (
    "40,400", "40,400,linear", "40,400,sigmoid", "40,400,linear-exact", "40,0", "40,-1", "nan,nan", "inf,1",
    "1e308,1e308", "1,nan",
    "40,400,nobody", "40", "40,400,linear,1", "1e-320,1e-320", "-inf,inf", "1_0,2_0", "40,1e-320,sigmoid", "9" * 400 + ",1",
)  # fmt: skip
RANGES = (
    "bytes=0-9", "bytes=2-", "bytes=-7",
    "bytes=0-0", "bytes=0-", "bytes=-1", "bytes=-0", "bytes=5-2", "bytes=0-1,3-4", f"bytes={'9' * 18}-", f"bytes={'9' * 30}-",
    f"bytes=-{'9' * 18}", "bytes=-", "items=0-1", "bytes = 0 - 1", "bytes=0-1 ", "BYTES=1-1", "bytes=\u0660-\u0661",
    "bytes=100-99999999999",
    "bytes=" + ",".join(["0-1"] * 900),
)  # fmt: skip
ACCEPTS = (
    "*/*", "*/*", "*/*", "*/*", "*/*", "*/*", "application/dicom; transfer-syntax=*",
    "*/*", "application/dicom", "application/dicom; transfer-syntax=*", 'multipart/related; type="application/dicom"',
    "application/zip",
    'multipart/related; type="application/octet-stream"; transfer-syntax=*', "application/octet-stream", "application/dicom+json",
    "application/json", "application/dicom+xml", "image/jpeg", "image/png", "image/gif", "multipart/related; type=image/jls",
    'multipart/related; type="', "application/dicom; transfer-syntax=1.2.840.10008.1.2.5", "application/*; q=0", "*/*; q=0",
    ", ".join(["a/b"] * 70), "a/b;" + "c=d;" * 300, "x" * LONG, "application/dicom; transfer-syntax=\x7f", "é/é",
    "application/octet-stream; transfer-syntax=1.2.840.10008.1.2.1", "application/vnd.sun.wadl+xml",
)  # fmt: skip
SYNTAXES = (
    "1.2.840.10008.1.2", "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99",
    "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90",
    "1.2.3.4", "*", "", "1.2.840.10008.1.2 ", "x" * 70, "1.2.840.10008.1.2.1\\1.2.840.10008.1.2", "\x7f",
)  # fmt: skip
"""Transfer syntaxes that are asked for by name: plain, compressed, and none."""
TAGGED = ("*", '"x"', 'W/"x"', "x", '"', '"x", W/"y"', ",".join(f'"{n}"' for n in range(500)), "", '"é"')
HEADERS: Mapping[str, Sequence[str]] = {
    "Accept": ACCEPTS,
    "Range": RANGES,
    "If-None-Match": TAGGED,
    "If-Match": TAGGED,
    "If-Range": (*TAGGED, "Wed, 21 Oct 2015 07:28:00 GMT"),
    "If-Modified-Since": ("Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 99999999999999999999 07:28:00 GMT", "x"),
    "Accept-Encoding": ("gzip", "gzip;q=0", "identity", "br", "*;q=0", "gzip;q=x", ",".join(["a"] * 300)),
    "Accept-Charset": ("utf-8", "x"),
    "Origin": (ORIGIN, "https://other.example", "null", "", "x" * LONG, "é"),
    "Access-Control-Request-Method": ("GET", "PUT", "x" * 300),
    "Access-Control-Request-Headers": ("authorization", "x" * 300),
    "Content-Length": ("0", "1", "-1", "x", "9" * 30),
    "Transfer-Encoding": ("chunked", "gzip, chunked"),
    "Prefer": ("respond-async", "x" * LONG),
    "Host": ("elsewhere.example", "a b", "[::1", "x" * 300, "é"),
    "X-Forwarded-For": ("127.0.0.1", "x", ",".join(["1.2.3.4"] * 300)),
    "Authorization": ("Bearer", "Bearer x", "Basic eDp4", "bearer é", "Bearer " + "a." * 900, ""),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Stored:
    """One object that a house has to ask about."""

    study: str
    series: str
    instance: str


def case(stored: Sequence[Stored], seed: int, number: int) -> Case:
    """The request of this number."""
    return _Making(stored, Random(f"{seed} {number}")).made(number)


class _Making:
    """One request in the making, by its own chance."""

    def __init__(self, stored: Sequence[Stored], chance: Random) -> None:
        self.one, self.others, self.chance = chance.choice(stored), stored, chance
        self.said: dict[str, str] = {}
        self.wild = 0.25 if chance.random() < 0.4 else 0.0

    def made(self, number: int) -> Case:
        make = self.chance.choice(
            (
                self._search,
                self._search,
                self._whole,
                self._part,
                self._part,
                self._drawn,
                self._drawn,
                self._nested,
                self._ranged,
                self._encoded,
            )
        )
        path, pairs = make()
        method = self.chance.choice(METHODS)
        asker = self.chance.choice((*ASKERS, *("user", "provider") * 6))
        body = self.chance.choice((b"", b"--b\r\n", b"x" * 5_000)) if method in ("POST", "PUT", "PATCH") else None
        return Case(number, asker, method, self.chance.choice(ROOTS) + path, self._spelled(pairs), self._headers(), body)

    def _search(self) -> tuple[str, list[tuple[str, str]]]:
        levels = (
            "/studies",
            "/series",
            "/instances",
            f"{self._study()}/series",
            f"{self._study()}/instances",
            f"{self._series()}/instances",
        )
        keys = [(self._key(), self._value()) for _ in range(self.chance.choice((0, 1, 1, 2, 3, 5, 70 if self.wild else 2)))]
        names = ("all", "PatientName", "00100010", "0040A730", "7FE00010", "Nobody", "00081110.00081150", "PatientName,StudyDate")
        for name, values in (
            ("limit", NUMBERS),
            ("offset", NUMBERS),
            ("fuzzymatching", ("true", "TRUE", "false", "x")),
            ("includefield", (*names, ",".join(f"A{n}" for n in range(900)), *ODD)),
        ):
            if self._now(0.3):
                keys.append((name, self.chance.choice(values)))
        return self.chance.choice(levels) + ("/count" if self._now(0.3) else ""), keys

    def _whole(self) -> tuple[str, list[tuple[str, str]]]:
        return self.chance.choice((self._study, self._series, self._instance))() + self.chance.choice(("", "", "/metadata")), []

    def _part(self) -> tuple[str, list[tuple[str, str]]]:
        if self._now(0.5):
            return f"{self._instance()}/frames/{quote(self.chance.choice(FRAMES), safe=',')}", []
        deep = self.chance.choice((0, 0, 0, 0, 1, 2, 33, 400))
        path = "/".join([f"{self.chance.choice(TAGS)}/{self.chance.choice(NUMBERS[:8])}"] * deep + [self.chance.choice(TAGS)])
        return f"{self._instance()}/bulkdata/{self._odd(path)}", []

    def _drawn(self) -> tuple[str, list[tuple[str, str]]]:
        frame = f"/frames/{quote(self.chance.choice(NUMBERS))}" if self._now(0.5) else ""
        given = {
            "viewport": VIEWPORTS,
            "window": WINDOWS,
            "quality": (*NUMBERS, "100", "101", "50"),
            "iccprofile": ("no", "yes", "yes", "srgb", "SRGB", "adobergb", "rommrgb", "", "x", "x" * LONG),
            "annotation": ("patient", "x"),
        }
        pairs = [(name, self.chance.choice(values)) for name, values in given.items() if self._now(0.3)]
        if self._now(0.3):
            return f"{self.chance.choice((self._study, self._series))()}/thumbnail", pairs
        return f"{self._instance()}{frame}/{self.chance.choice(('rendered', 'thumbnail'))}", pairs

    def _ranged(self) -> tuple[str, list[tuple[str, str]]]:
        """Some bytes of what a BulkDataURI leads to, or of one frame."""
        self.said = {"Accept": "application/octet-stream; transfer-syntax=*", "Range": self.chance.choice(RANGES)}
        if self._now(0.3):
            self.said["If-Range"] = self.chance.choice(TAGGED)
        part = self.chance.choice(("bulkdata/7FE00010", "bulkdata/7FE00010", "frames/1", f"bulkdata/{self.chance.choice(TAGS)}"))
        return f"{self._instance()}/{part}", []

    def _encoded(self) -> tuple[str, list[tuple[str, str]]]:
        """What is stored, in transfer syntaxes that are asked for by name."""
        path = self.chance.choice((self._study, self._series, self._instance, lambda: f"{self._instance()}/frames/1"))()
        kind = "application/octet-stream" if path.endswith("frames/1") else "application/dicom"
        form = self.chance.choice((kind, f'multipart/related; type="{kind}"'))
        asked = self.chance.choices(SYNTAXES, k=self.chance.choice((1, 1, 1, 2, 3)))
        weighed = self.chance.choice(("", "", "; q=0.5", "; q=0"))
        self.said = {"Accept": ", ".join(f"{form}; transfer-syntax={each}{weighed}" for each in asked)}
        if self._now(0.2):
            self.said["Range"] = self.chance.choice(RANGES)
        return path, []

    def _nested(self) -> tuple[str, list[tuple[str, str]]]:
        pieces = (
            "..",
            "%2e%2e",
            "%2F",
            "studies",
            "frames",
            "bulkdata",
            "%00",
            "%0d%0aX-Bad:%201",
            "1.2.3",
            "//",
            "é",
            "%ff",
            "a" * 300,
        )
        return self._instance() + "/" + "/".join(self.chance.choices(pieces, k=self.chance.randrange(1, 9))), []

    def _study(self) -> str:
        return f"/studies/{self._uid(self.one.study)}"

    def _series(self) -> str:
        return f"{self._study()}/series/{self._uid(self.one.series)}"

    def _instance(self) -> str:
        return f"{self._series()}/instances/{self._uid(self.one.instance)}"

    def _uid(self, uid: str) -> str:
        other = self.chance.choice(self.others)
        return self._odd(
            self.chance.choice((*UIDS, other.study, other.series, other.instance)) if self._now(self.wild / 3) else uid
        )

    def _odd(self, text: str) -> str:
        return quote(self.chance.choice(ODD), safe="") if self._now(self.wild / 3) else quote(text)

    def _key(self) -> str:
        key = self.chance.choice(tuple(QIDO_KEYS))
        return self.chance.choice((key.lower(), f"{key}.{key}", "accept", "charset", *ODD)) if self._now(self.wild) else key

    def _value(self) -> str:
        good = (
            "*",
            "CT",
            "MR",
            "C?",
            "A*",
            "*a*",
            "20200101-",
            "-20200101",
            "20200101-20210101",
            "1000",
            "1000-1100",
            "1",
            "Doe^J",
        )
        good = (
            *good,
            self.one.study,
            self.one.series,
            f"{self.one.study},1.2.3",
            "a b c d",
            "\\".join("abc"),
            "1.2," * 200 + "1.2",
        )
        return (
            self.chance.choice((*ODD, *NUMBERS, "*?" * 100, "?" * 250, "a " * 120, "-", "%_[]"))
            if self._now(self.wild)
            else self.chance.choice(good)
        )

    def _headers(self) -> dict[str, str]:
        often = {"Accept": 0.4, "Range": 0.15, "If-None-Match": 0.1, "Origin": 0.1}
        told = {name: self.chance.choice(values) for name, values in HEADERS.items() if self._now(often.get(name, self.wild / 8))}
        return {name: value.replace("\r", "").replace("\n", "") for name, value in (told | self.said).items()}

    def _spelled(self, pairs: list[tuple[str, str]]) -> str:
        if self._now(0.1):
            pairs = [*pairs, ("accept", self.chance.choice(ACCEPTS))]
        text = "&".join(f"{quote(name, safe='.')}={quote(value)}" for name, value in pairs)
        return (
            text + self.chance.choice(("%", "%zz", "%FF", "&&=", ";", "%00", "&%0d%0aX-Bad:1=%0d%0a"))
            if self._now(self.wild / 2)
            else text
        )

    def _now(self, often: float) -> bool:
        return self.chance.random() < often
