"""dicomweb-client on an Accord: the images are asked for with no media type named, as most scripts do."""

import sys
from collections.abc import Iterable
from hashlib import sha256

import pydicom
from dicomweb_client import DICOMwebClient
from requests import Session

base, token, native, jpeg, path, alias = sys.argv[1:]
session = Session()
session.headers["Authorization"] = f"Bearer {token}"
client = DICOMwebClient(f"{base}/dicom-web", session=session)
deposits = DICOMwebClient(f"{base}/datasets/{alias}/dicom-web", session=session)


def value(found: dict, tag: str) -> str:
    """The first value of an element."""
    return found[tag]["Value"][0]


def digests(contents: Iterable[bytes]) -> list[str]:
    """A digest of each."""
    return [sha256(each).hexdigest() for each in contents]


def tell(what: str, seen: Iterable[object]) -> None:
    """Print it as all the others do."""
    print(what, *seen, sep="\t")


def instance(study: str) -> tuple[str, str, str]:
    """The only instance of a study."""
    (found,) = client.search_for_instances(study)
    return study, value(found, "0020000E"), value(found, "00080018")


def frames(study: str) -> list[str]:
    """A digest of each frame of the only instance of a study."""
    metadata = client.retrieve_instance_metadata(*instance(study))
    return digests(client.retrieve_instance_frames(*instance(study), list(range(1, value(metadata, "00280008") + 1))))


tell("paged", sorted(value(each, "0020000D") for each in client.search_for_studies(limit=7, get_remaining=True)))
tell("found", sorted(value(each, "0020000D") for each in client.search_for_studies(search_filters={"ModalitiesInStudy": "CT"})))
(metadata,) = client.retrieve_study_metadata(native)
tell("metadata", [value(metadata, "00080018")])
tell("bulk data", digests(client.retrieve_bulkdata(metadata["7FE00010"]["BulkDataURI"])))
tell("frames", frames(native))
tell("compressed", frames(jpeg))
tell("retrieved", digests([each.PixelData for each in client.retrieve_study(native)]))
deposit = pydicom.dcmread(path)
answer = deposits.store_instances([deposit])
tell("stored", [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence])
tell("kept", digests([client.retrieve_instance(*instance(deposit.StudyInstanceUID)).PixelData]))
