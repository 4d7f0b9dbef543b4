"""highdicom on an Accord: it reads a segmentation that dicomweb-client retrieves, and puts it over its images."""

import sys
from hashlib import sha256

from dicomweb_client import DICOMwebClient
from highdicom.seg import Segmentation
from requests import Session

base, token, *names = sys.argv[1:]
session = Session()
session.headers["Authorization"] = f"Bearer {token}"
client = DICOMwebClient(f"{base}/dicom-web", session=session)

read = Segmentation.from_dataset(client.retrieve_instance(*names))
sources = [instance for _, _, instance in read.get_source_image_uids()]
pixels = read.get_pixels_by_source_instance(sources)
print("segments", *(read.get_segment_description(number).segment_label for number in read.segment_numbers), sep="\t")
print("masks", *sorted(sha256(each.astype("uint8").tobytes()).hexdigest() for each in pixels[..., 0] if each.any()), sep="\t")
