"""Bodies as their callers take them: gzip where that is accepted (RFC 9110 section 12.5.3) and worth it."""

import zlib

from flask import Response

from server.web.context import request

SMALLEST = 1024
"""Bytes below which a body goes as it is: the packet is the same."""
_LEVEL = 1  # eight times smaller as it is, at a quarter of the time of level 6
_GZIP = 31  # zlib's window bits for a gzip wrapper
_KINDS = frozenset({"application/fhir+json", "application/fhir+xml", "application/dicom+json", "application/json"})


def gzipped(response: Response) -> Response:
    """The response gzipped, where its body is whole, of a kind that shrinks, and without a strong tag that names its bytes."""
    if response.mimetype not in _KINDS or response.is_streamed or "Content-Encoding" in response.headers:
        return response
    response.headers["Vary"] = ", ".join((*response.headers.getlist("Vary"), "Accept-Encoding"))
    tag, weak = response.get_etag()
    if not request.accept_encodings.quality("gzip") or (tag and not weak) or (response.content_length or 0) < SMALLEST:
        return response
    packer = zlib.compressobj(_LEVEL, wbits=_GZIP)
    response.set_data(packer.compress(response.get_data()) + packer.flush())
    response.headers["Content-Encoding"] = "gzip"
    return response
