"""Reading what arrives: a file becomes its parts, what the index keeps of it, and what it says of its de-identification."""

from dataclasses import dataclass
from hashlib import sha256

from adapters.nodes.port import Item
from adapters.sql.custody import Object
from mappings.dicom.deidentification import Observations
from mappings.dicom.header import Header
from mappings.dicom.instance import read_instance
from mappings.dicom.part10 import Part10, plain, read_part10


@dataclass(frozen=True, slots=True)
class Arrival:
    """One file read: its parts, what the index keeps of it, and what it says of its de-identification."""

    name: str
    file: memoryview
    part10: Part10
    dataset: memoryview
    header: Header
    metadata: bytes
    seen: Observations
    object: Object

    @property
    def item(self) -> Item:
        """What a node is told of it."""
        o = self.object
        return Item(o.sop_uid, o.study_uid, o.series_uid, o.patient_id, o.file_digest, o.size)


def read(name: str, file: memoryview, placeholders: frozenset[str]) -> Arrival:
    """A file as an arrival. Raises Unreadable."""
    part10 = read_part10(file)
    dataset = plain(part10.dataset, part10.transfer_syntax)
    preamble_zero = part10.preamble_zero
    instance = read_instance(dataset, part10.transfer_syntax, placeholders=placeholders, preamble_zero=preamble_zero)
    header = instance.header
    known = Object(
        sop_uid=header.sop_instance_uid,
        series_uid=header.series_instance_uid,
        study_uid=header.study_instance_uid,
        patient_id=header.patient_id or "",
        digest=sha256(part10.dataset).digest(),
        file_digest=sha256(file).digest(),
        size=len(file),
        dataset_start=part10.dataset_start,
        transfer_syntax=part10.transfer_syntax,
    )
    return Arrival(name, file, part10, dataset, header, instance.metadata, instance.observations, known)
