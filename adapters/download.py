"""Studies brought into a folder: first how much it would be, then series by series, several at a time, each object by its digest.

What is refused is said in the server's own sentence, and stops nothing else.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import groupby
from threading import Event

from adapters.download_folder import DownloadFolder, Entry
from adapters.repository import Listed, Repository, Stored, retrieved
from adapters.series_download import Brought, Moved, SeriesDownload
from mappings.failures import Failure, Unavailable


@dataclass(frozen=True, slots=True)
class Plan:
    """A study to be brought: what of it is there already, what is missing, and about how many bytes that is (None: not told)."""

    study: str
    missing: tuple[Listed, ...]
    there: dict[Listed, Stored]
    size: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A study that can't be had, and why, in the server's words."""

    study: str
    sentence: str


class Download:
    """Brings studies from a repository into a folder, so many series at a time; `stopping` ends it soon, wherever it is."""

    def __init__(self, repository: Repository, folder: DownloadFolder, parallel: int, stopping: Event) -> None:
        self._repository, self._folder, self._parallel, self._stopping = repository, folder, parallel, stopping
        self._source = (repository, folder, stopping)

    def plan(self, studies: Iterable[str]) -> list[Plan | Refused]:
        """What each study would take. Nothing is brought, and nothing is a use yet. Raises Unavailable where nobody answers."""
        with self._several() as pool:
            measured = list(pool.map(self._measured, studies))
            listed = (instance for one in measured if isinstance(one, Plan) for instance in one.missing)
            present = [instance for instance in listed if self._folder.path(instance).is_file()]
            looked = pool.map(self._looked_at, present)
            there = {instance: stored for instance, stored in zip(present, looked, strict=True) if stored is not None}
        return [_without(one, there) if isinstance(one, Plan) else one for one in measured]

    def bring(self, plans: Iterable[Plan], moved: Moved) -> Brought:
        """Bring what is missing. `moved` hears of bytes as they come, also of fewer (below zero) when they come again.

        Raises Full, or OSError where the folder can't be written to: then nothing more is begun.
        """
        with self._several() as pool:
            tasks = [pool.submit(self._series, plan, missing, moved) for plan in plans for missing in _by_series(plan.missing)]
            return _gathered(as_completed(tasks))

    def entries(self, files: dict[Listed, Stored]) -> list[Entry]:
        """These files as the manifest lists them, each with its dataset."""
        studies = sorted({instance.study for instance in files})
        with self._several() as pool:
            datasets = dict(zip(studies, pool.map(self._dataset, studies), strict=True))
        return [self._entry(instance, stored, datasets[instance.study]) for instance, stored in files.items()]

    @contextmanager
    def _several(self) -> Iterator[ThreadPoolExecutor]:
        """Threads that end soon where this one is stopped, or one of them meets what stops all."""
        with ThreadPoolExecutor(self._parallel) as pool:
            try:
                yield pool
            except BaseException:
                self._stopping.set()
                pool.shutdown(cancel_futures=True)
                raise

    def _measured(self, study: str) -> Plan | Refused:
        size = None
        if self._stopping.is_set():
            raise Unavailable("plan-stopped", "The server does not answer.")
        try:
            with suppress(Unavailable):  # as where an object is damaged: the others can be had one by one
                size = self._repository.size(retrieved(study))
            return Plan(study, tuple(dict.fromkeys(self._repository.listed(study))), {}, size)
        except Unavailable:  # nor would it answer for the others
            self._stopping.set()
            raise
        except Failure as refusal:
            return Refused(study, refusal.sentence)

    def _looked_at(self, instance: Listed) -> Stored | None:
        """What the server says of a file that is there by name; None where that is another one, or can't be told."""
        try:
            stored = self._repository.stored(instance)
        except Failure:
            return None
        return stored if self._folder.holds(instance, stored) else None

    def _series(self, plan: Plan, missing: Sequence[Listed], moved: Moved) -> Brought:
        there = sum(instance.series == missing[0].series for instance in plan.there)
        return SeriesDownload(self._source, missing, there + len(missing), moved, most=_most(plan)).bring()

    def _dataset(self, study: str) -> str:
        try:
            return self._repository.dataset(study) or ""
        except Failure:
            return ""

    def _entry(self, instance: Listed, stored: Stored, dataset: str) -> Entry:
        path = self._folder.path(instance).relative_to(self._folder.top).as_posix()
        return Entry(path, instance.study, instance.series, instance.instance, str(stored.size), stored.sha256.hex(), dataset)


def _most(plan: Plan) -> int | None:
    """Bytes that an answer of this study may have, by what was told of it before; None where nothing was."""
    return None if plan.size is None else plan.size + sum(stored.size for stored in plan.there.values())


def _by_series(missing: Iterable[Listed]) -> Iterator[list[Listed]]:
    for _, series in groupby(sorted(missing, key=_series_of), key=_series_of):
        yield list(series)


def _series_of(instance: Listed) -> str:
    return instance.series


def _without(plan: Plan, there: Mapping[Listed, Stored]) -> Plan:
    """The plan without what is there already."""
    held = {instance: there[instance] for instance in plan.missing if instance in there}
    missing = tuple(instance for instance in plan.missing if instance not in held)
    size = 0 if not missing else plan.size and max(0, plan.size - sum(stored.size for stored in held.values()))
    return replace(plan, missing=missing, there=held, size=size)


def _gathered(tasks: Iterable[Future[Brought]]) -> Brought:
    whole = Brought()
    for task in tasks:
        one = task.result()
        whole.files |= one.files
        whole.failed |= one.failed
    return whole
