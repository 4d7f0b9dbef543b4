"""Reading what arrives: a file becomes its parts, what the index keeps of it, and what it says of its de-identification."""

from dataclasses import dataclass

from adapters.nodes.port import NodeFile
from adapters.spool import Behind
from adapters.sql.custody import SopInstance
from mappings.dicom.deidentification import Observations
from mappings.dicom.fragment import BASE, BULK
from mappings.dicom.header import Header
from mappings.dicom.instance import read_instance
from mappings.dicom.part10 import Part10, plain, read_part10
from mappings.digests import PartDigests, checksums, digest, digest_parts


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """One file read: its parts and their digests, what the index keeps of it, and what it says of its de-identification."""

    name: str
    file: memoryview
    part10: Part10
    dataset: memoryview
    header: Header
    metadata: bytes
    seen: Observations
    instance: SopInstance
    parts: PartDigests | None

    @property
    def node_file(self) -> NodeFile:
        """What a node is told of it."""
        i = self.instance
        return NodeFile(i.sop_uid, i.study_uid, i.series_uid, i.patient_id, i.file_digest, i.size)


def parse_file(name: str, file: memoryview, placeholders: frozenset[str]) -> ParsedFile:
    """A file, parsed. Raises Unreadable."""
    part10, passed = read_part10(file), Behind(file)
    dataset = plain(part10.dataset, part10.transfer_syntax)
    zero = part10.preamble_zero
    facts = read_instance(dataset, part10.transfer_syntax, placeholders=placeholders, preamble_zero=zero, passed=passed)
    header, (file_digest, crc32) = facts.header, checksums(file, passed)
    instance = SopInstance(
        sop_uid=header.sop_instance_uid,
        series_uid=header.series_instance_uid,
        study_uid=header.study_instance_uid,
        patient_id=header.patient_id or "",
        digest=digest(file, part10.dataset_start, len(file), passed),
        file_digest=file_digest,
        size=len(file),
        dataset_start=part10.dataset_start,
        transfer_syntax=part10.transfer_syntax,
        crc32=crc32,
    )
    metadata = facts.fragment.replace(BULK.encode(), bulk_base(header).encode())
    lie = facts.frames if dataset is part10.dataset else []  # of a data set that was inflated they lie nowhere in the file
    parts = digest_parts(file, [(part10.dataset_start + frame.start, frame.length) for frame in lie], passed)
    return ParsedFile(name, file, part10, dataset, header, metadata, facts.observations, instance, parts)


def bulk_base(header: Header) -> str:
    """Where an instance's bulk data is served, below the public base URL."""
    study, series = header.study_instance_uid, header.series_instance_uid
    return f"{BASE}/studies/{study}/series/{series}/instances/{header.sop_instance_uid}/bulkdata"
