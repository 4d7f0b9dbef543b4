"""wsidicom on an Accord: it opens a tiled slide by search and metadata, and reads each tile by its frame."""

import sys
from hashlib import sha256

from requests import Session
from wsidicom import WsiDicom
from wsidicom.web import WsiDicomWebClient

base, token, study, series = sys.argv[1:]
session = Session()
session.headers["Authorization"] = f"Bearer {token}"
client = WsiDicomWebClient.create_client(f"{base}/dicom-web", auth=session)

with WsiDicom.open_web(client, study, series) as slide:
    size, level = slide.size, slide.pyramid[0]
    tiles = [(x, y) for y in range(level.tiled_size.height) for x in range(level.tiled_size.width)]
    print("size", size.width, size.height, sep="\t")
    print("tiles", *(sha256(slide.read_tile(0, tile).tobytes()).hexdigest() for tile in tiles), sep="\t")
    print("region", sha256(slide.read_region((0, 0), 0, (size.width, size.height)).tobytes()).hexdigest(), sep="\t")
