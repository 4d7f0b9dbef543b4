"""Reads one instance in one walk: what the index keeps, its DICOM JSON, its frames, and what it says of its de-identification."""

from dataclasses import dataclass

from mappings.dicom.deidentification import Observations, Observer
from mappings.dicom.elements import Passed, shared, walk
from mappings.dicom.fragment import FragmentWriter
from mappings.dicom.frame_spans import FrameFinder, Span
from mappings.dicom.header import Header, header_of


@dataclass(frozen=True, slots=True)
class Instance:
    """A data set read; in its fragment the addresses of bulk data begin with `fragment.BULK`; frames by offsets into it."""

    header: Header
    fragment: bytes
    observations: Observations
    frames: list[Span]


def read_instance(
    dataset: memoryview,
    syntax: str,
    *,
    placeholders: frozenset[str],
    preamble_zero: bool,
    passed: Passed = lambda _: None,
) -> Instance:
    """A plain data set, read; `placeholders` are lower-case words that make a name none. Raises Unreadable as header_of does."""
    fragment = FragmentWriter(dataset, syntax)
    observer = Observer(dataset, placeholders)
    frames = FrameFinder(dataset, passed)
    events = shared(walk(dataset, syntax, passed), fragment.read, observer.read, frames.read)
    header = header_of(dataset, syntax, events)
    return Instance(header, fragment.finish(), observer.finish(preamble_zero=preamble_zero), frames.finish(header))
