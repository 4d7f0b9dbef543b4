"""One arriving instance read in one walk over its elements: what the index keeps, its DICOM JSON, what it says about people.

The walk's events go to three readers a batch at a time, so that a data set of millions of elements is never a list of them.
"""

from dataclasses import dataclass
from itertools import islice

from mappings.dicom.deidentification import Observations, Observer
from mappings.dicom.elements import walk
from mappings.dicom.fragment import BASE, FragmentWriter
from mappings.dicom.header import Header, HeaderReader
from mappings.dicom.part10 import Unreadable

BATCH = 4096  # events


@dataclass(frozen=True, slots=True)
class ParsedInstance:
    """A plain data set as it was read: header, full DICOM JSON (bulk data at the URIs of `/dicom-web`), observations."""

    header: Header
    metadata: bytes
    observations: Observations


def read_instance(
    dataset: memoryview, transfer_syntax: str, *, placeholders: frozenset[str], preamble_zero: bool
) -> ParsedInstance:
    """Read a plain data set, whose whole structure is checked on the way; `placeholders`: lower-case words that make a name none.

    Raises Unreadable: uid-missing before uid-illegal before structure-broken, as the deposit rules rank them.
    """
    header, fragment, observer = (
        HeaderReader(dataset, transfer_syntax),
        FragmentWriter(dataset, transfer_syntax),
        Observer(dataset, placeholders),
    )
    events = walk(dataset, transfer_syntax)
    try:
        while batch := list(islice(events, BATCH)):
            for reader in (header, fragment, observer):
                reader.feed(batch)
    except Unreadable:
        header.check_uids()
        raise
    found = header.finish()
    return ParsedInstance(found, fragment.finish(_bulk_base(found)), observer.finish(preamble_zero))


def _bulk_base(header: Header) -> str:
    study, series = header.study_instance_uid, header.series_instance_uid
    return f"{BASE}/studies/{study}/series/{series}/instances/{header.sop_instance_uid}/bulkdata"
