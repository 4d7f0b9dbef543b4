"""One series brought into a folder: in one answer where most of it is missing, else object by object.

What breaks off is asked for again after growing pauses, as often as something came.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from threading import Event

import httpx

from adapters.accord_client import CHUNK, DAMAGED, PAUSES
from adapters.download_folder import Arriving, DownloadFolder
from adapters.repository import ALONE, TOGETHER, Listed, Repository, Stored, retrieved
from mappings.content_digest import read_sha256
from mappings.dicom.multipart import Limits, PartHeaders, PartReader, Sink
from mappings.dicom.uid import legal_uid
from mappings.failures import Failure, Forbidden, Full, Gone, Invalid, NotFound, Unavailable

MOST_OBJECTS = 1_000_000
"""Objects in one answer; a server gives no more."""
MORE = 1 << 20
"""Bytes beyond what a server said of all, for what it says between objects."""
Moved = Callable[[int], object]
Source = tuple[Repository, DownloadFolder, Event]
"""Where it comes from, where it goes, and what ends it."""
_STOPPED = "download-stopped"
_LOCATION = re.compile(r"/studies/([0-9.]+)/series/([0-9.]+)/instances/([0-9.]+)")


@dataclass(slots=True)
class Brought:
    """What came of a download: files that are whole, and those that are not, each with the reason."""

    files: dict[Listed, Stored] = field(default_factory=dict)
    failed: dict[Listed, str] = field(default_factory=dict)


class _Passed:
    """The bytes of an object that is there already, or is new since the series was listed."""

    def __init__(self, moved: Moved) -> None:
        self._moved = moved

    def write(self, data: memoryview) -> None:
        """Let it go by: it was counted as it came."""
        self._moved(-len(data))

    def close(self) -> None:
        """Nothing was opened."""


class SeriesDownload:
    """What is missing of one series of `count` objects, on its way.

    An answer may have `most` bytes, about: who takes it looked whether there is room for so much (None: nobody could tell).
    """

    def __init__(self, source: Source, missing: Sequence[Listed], count: int, moved: Moved, *, most: int | None = None) -> None:
        self._repository, self._folder, self._stopping = source
        self._most = None if most is None else most + MORE
        self._wanted, self._count, self._moved = missing, count, moved
        self._names = frozenset(missing)
        self._together = True
        self._arriving: Arriving | None = None
        self.brought = Brought()

    def bring(self) -> Brought:
        """Ask until all of it is brought or has failed; a bounded number of times in a row for nothing."""
        pauses = iter(PAUSES)
        while (missing := self._missing()) and not self._stopping.is_set():
            why = self._tried(missing)
            if len(self._missing()) < len(missing):
                pauses = iter(PAUSES)
            elif (pause := next(pauses, None)) is None:
                self._fail(missing, why)
            else:
                self._together = False
                self._stopping.wait(pause)
        return self.brought

    def _missing(self) -> list[Listed]:
        done = self.brought
        return [i for i in self._wanted if i not in done.files and i not in done.failed]

    def _fail(self, instances: Iterable[Listed], sentence: str) -> None:
        self.brought.failed |= dict.fromkeys(instances, sentence)

    def _tried(self, missing: Sequence[Listed]) -> str:
        """Ask once for what is missing. Why some of it may still be."""
        try:
            if self._together and 2 * len(missing) > self._count:
                self._take(retrieved(missing[0].study, missing[0].series), TOGETHER, self._read_parts)
            else:
                self._one_by_one(missing)
        except (httpx.RequestError, Invalid):
            return "The server's answer broke off, each time."
        except Full:
            raise
        except Failure as refusal:
            if refusal.code not in (DAMAGED, _STOPPED):  # of a damaged series the others can be had one by one
                self._fail(self._missing(), refusal.sentence)
        return "What came has not the digest that the server states."

    def _one_by_one(self, missing: Iterable[Listed]) -> None:
        for instance in missing:
            try:
                self._take(instance.path, ALONE, partial(self._read_one, instance))
            except (Forbidden, NotFound, Gone) as refusal:
                self._fail([instance], refusal.sentence)
            except Unavailable as refusal:
                if refusal.code != DAMAGED:
                    raise
                self._fail([instance], refusal.sentence)

    def _take(self, path: str, accept: str, read: Callable[[httpx.Response], None]) -> None:
        if self._stopping.is_set():
            return
        with closing(self._repository.taken(path, accept)) as answer:
            try:
                read(answer)
            finally:
                if self._arriving is not None:
                    self._arriving.drop()
                    self._arriving = None

    def _read_parts(self, answer: httpx.Response) -> None:
        reader = PartReader(answer.headers.get("Content-Type", ""), self._open_part, Limits(parts=MOST_OBJECTS))
        self._feed(answer, reader.feed)
        reader.finish()

    def _read_one(self, instance: Listed, answer: httpx.Response) -> None:
        file = self._open(instance, read_sha256(answer.headers.get("Repr-Digest", "")))
        self._feed(answer, file.write)
        file.close()

    def _feed(self, answer: httpx.Response, read: Callable[[bytes], object]) -> None:
        """Read an answer through, and let `moved` forget what it came to in vain."""
        came, before = 0, len(self.brought.files)
        try:
            for piece in answer.iter_bytes(CHUNK):
                came += len(piece)
                self._moved(len(piece))
                self._check_size(came)
                read(piece)
                self._check_going()
        except BaseException:
            kept = list(self.brought.files.values())[before:]
            self._moved(sum(stored.size for stored in kept) - came)
            raise

    def _check_size(self, came: int) -> None:
        if self._most is not None and came > self._most:
            raise Unavailable("more-than-said", "The server sends more than it said that there is.")

    def _check_going(self) -> None:
        if self._stopping.is_set():
            raise Unavailable(_STOPPED, "The download was stopped.")

    def _open_part(self, headers: PartHeaders) -> Sink:
        instance = self._named(headers.location or "")
        is_asked_for = instance in self._names and instance not in self.brought.files
        return self._open(instance, headers.sha256) if is_asked_for else _Passed(self._moved)

    def _named(self, location: str) -> Listed:
        """Which object comes, by its Content-Location: one of this series, whose UIDs are legal."""
        series, named = self._wanted[0], _LOCATION.search(location)
        uids = named.groups() if named else ()
        if uids[:2] != (series.study, series.series) or not legal_uid(uids[2]):
            raise Unavailable("not-asked-for", "The server sent an object that was not asked for.")
        return Listed(*uids)

    def _open(self, instance: Listed, digest: bytes | None) -> Arriving:
        if digest is None:
            raise Unavailable("digest-unsaid", "The server does not say the digest of what it gives.")

        def arrived(size: int) -> None:
            self._arriving = None
            self.brought.files[instance] = Stored(size, digest)

        self._arriving = Arriving(self._folder.path(instance), digest, arrived)
        return self._arriving
