"""What is written here other clients read, what other clients write is read here, and a stranger's body costs no memory."""

import io
import tracemalloc
from hashlib import sha256

import pytest
from dicomweb_client.web import DICOMwebClient
from hypothesis import given
from hypothesis import strategies as st
from requests import Response

from mappings.dicom.multipart import Limits, Multipart, Part, PartReader, dicom_part
from mappings.failures import Failure, Invalid, TooLarge, UnsupportedMedia

TYPE = 'multipart/related; type="application/dicom"; boundary=b'
J2K = "1.2.840.10008.1.2.4.90"


class Taken(io.BytesIO):
    """A sink that remembers what it was given and whether its part was whole."""

    whole = False

    def close(self):
        self.whole = True


def read(body, content_type=TYPE, size=None, **limits):
    parts = []

    def open_part(headers):
        parts.append((headers, Taken()))
        return parts[-1][1]

    reader = PartReader(content_type, open_part, Limits(**limits))
    size = size or len(body) or 1
    for at in range(0, len(body), size):
        reader.feed(body[at : at + size])
    reader.finish()
    assert all(sink.whole for _, sink in parts)
    return [(headers, sink.getvalue()) for headers, sink in parts], reader


def written(*parts, boundary="b", digest=lambda _: None):
    multipart = Multipart(boundary)
    heads = [Part(dicom_part(J2K), len(p), f"/studies/1.2/instances/{n}", digest(p)) for n, p in enumerate(parts)]
    body = b"".join(multipart.head(head) + part for head, part in zip(heads, parts, strict=True)) + multipart.tail()
    assert len(body) == multipart.total(heads)
    return body


def body(*parts, head=b"Content-Type: application/dicom\r\n"):
    return b"".join(b"--b\r\n" + head + b"\r\n" + part + b"\r\n" for part in parts) + b"--b--"


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json", UnsupportedMedia),
        ("", UnsupportedMedia),
        ("multipart/form-data; boundary=b", UnsupportedMedia),
        ('multipart/related; type="application/dicom+json"; boundary=b', UnsupportedMedia),
        ('multipart/related; type="application/dicom"', Invalid),
        ('multipart/related; type="application/dicom"; boundary=', Invalid),
        ('multipart/related; type="application/dicom"; boundary="' + "b" * 257 + '"', Invalid),
        ('multipart/related; type="application/dicom"; boundary="b "', Invalid),
        ('multipart/related; type="application/dicom"; boundary="ü"', Invalid),
        ("multipart/related; boundary=b; " + "x=y;" * 999, UnsupportedMedia),
    ],
)
def test_a_body_of_another_type_or_without_boundary_is_refused_before_it_is_read(content_type, kind):
    with pytest.raises(Failure) as refusal:
        PartReader(content_type, lambda _: Taken())
    assert type(refusal.value) is kind


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (b"", "multipart-truncated"),
        (b"no delimiter at all", "multipart-truncated"),
        (b"--b\r\n\r\nbytes", "multipart-truncated"),
        (b"--b\r\n\r\nbytes\r\n--b\r\n", "multipart-truncated"),
        (b"--b\r\n\r\nbytes\r\n--b", "multipart-truncated"),
        (b"--b\r\nContent-Type: application/dicom\r\n", "multipart-truncated"),
        (b"--b--", "multipart-no-dicom"),
        (b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b--", "multipart-no-dicom"),
        (b"--b\n\nbytes\n--b--", "multipart-delimiter"),
        (b"--bc\r\n\r\nbytes\r\n--bc--", "multipart-delimiter"),
        (b"--b\r\n\r\nbytes\r\n--b-x", "multipart-delimiter"),
        (b"--b" + b" " * 9000, "multipart-delimiter"),
        (b"--b\r\nContent-Type application/dicom\r\n\r\nbytes\r\n--b--", "multipart-headers"),
        (b"--b\r\nContent-Type: application/dicom\nX: y\r\n\r\nbytes\r\n--b--", "multipart-headers"),
        (b"--b\r\nContent-Type:\r\n application/dicom\r\n\r\nbytes\r\n--b--", "multipart-headers"),
        (b"--b\r\nX: " + b"y" * 9000, "multipart-headers"),
        (b"--b\r\nX: " + b"y" * 9000 + b"\r\n\r\nbytes\r\n--b--", "multipart-headers"),
    ],
)
@pytest.mark.parametrize("size", [1, 7, None])
def test_a_body_that_breaks_the_rules_is_refused_by_name(sent, code, size):
    with pytest.raises(Invalid) as refusal:
        read(sent, size=size)
    assert refusal.value.code == code


def test_a_broken_body_leaves_its_last_sink_open():
    part = Taken()
    reader = PartReader(TYPE, lambda _: part)
    reader.feed(b"--b\r\n\r\nhalf")
    with pytest.raises(Invalid):
        reader.finish()
    assert not part.whole


def test_parts_without_number_are_too_many():
    with pytest.raises(TooLarge):
        read(body(b"1", b"2", b"3"), parts=2)
    assert len(read(body(b"1", b"2"), parts=2)[0]) == 2


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, None])
@pytest.mark.parametrize(
    "sent",
    [
        body(b"one", b"two"),
        b"\r\n" + body(b"one", b"two"),
        b"a preamble\r\n" + body(b"one", b"two") + b"\r\nan epilogue --b\r\n",
        body(b"one", b"two", head=b""),
        body(b"one", b"two", head=b"content-type:Application/DICOM ; transfer-syntax=1.2\r\nX-Y: z\r\n"),
        body(b"one", b"two").replace(b"--b\r\n", b"--b \t\r\n"),
    ],
)
def test_what_real_clients_send_is_read_in_whatever_pieces_it_comes(sent, size):
    assert [part for _, part in read(sent, size=size)[0]] == [b"one", b"two"]


def test_parts_of_other_types_are_passed_over_and_counted():
    sent = body(b"text", head=b"Content-Type: text/plain\r\n")[:-5] + body(b"one")
    parts, reader = read(sent)
    assert [(headers.number, part) for headers, part in parts] == [(2, b"one")]
    assert reader.skipped == [1]


def test_a_part_says_its_transfer_syntax_and_location():
    headers = read(written(b"one"))[0][0][0]
    assert (headers.number, headers.transfer_syntax, headers.location) == (1, J2K, "/studies/1.2/instances/0")


def test_a_part_says_its_digest_where_that_is_known():
    def digest(part):
        return sha256(part).digest()

    for part, of in ((b"one", digest), (b"", digest), (b"one", lambda _: None)):
        ((headers, _),) = read(written(part, digest=of))[0]
        assert headers.sha256 == of(part)


def test_headers_are_written_in_the_letter_case_that_viewers_read():
    assert written(b"one") == (
        b"\r\n--b\r\nContent-Type: application/dicom; transfer-syntax=1.2.840.10008.1.2.4.90\r\nContent-Length: 3\r\n"
        b"Content-Location: /studies/1.2/instances/0\r\n\r\none\r\n--b--\r\n"
    )
    assert Multipart("b").content_type() == 'multipart/related; type="application/dicom"; boundary=b'


NEARLY = st.sampled_from([b"\r\n--", b"\r\n--x", b"--b", b"\r\n", b"\r", b"\r\n-", b"\r\n--boundary4"])


@given(st.lists(st.binary(max_size=40) | NEARLY, min_size=1, max_size=5), st.integers(1, 80))
def test_any_bytes_survive_writing_and_reading(parts, size):
    sent = written(*parts, boundary="boundary42")
    assert [part for _, part in read(sent, TYPE.replace("=b", "=boundary42"), size)[0]] == parts


@pytest.mark.parametrize("digest", [lambda _: None, lambda part: sha256(part).digest()])
def test_the_python_client_reads_what_is_written_and_its_own_writing_is_read(digest):
    parts = [b"DICM\r\n" * 3, b"\0" * 1001, b"--"]
    response = Response()
    response.status_code, response.raw = 200, io.BytesIO(written(*parts, digest=digest))
    response.headers["content-type"] = Multipart("b").content_type()
    client = DICOMwebClient("http://127.0.0.1")
    assert list(client._decode_multipart_message(response, stream=False)) == parts
    sent = client._encode_multipart_message(parts, 'multipart/related; type="application/dicom"; boundary=0f3cf5c0')
    assert [part for _, part in read(sent, 'multipart/related; type="application/dicom"; boundary=0f3cf5c0')[0]] == parts


@pytest.mark.parametrize("length", [71, 73, 256])
def test_a_boundary_longer_than_its_standard_allows_is_read(length):
    """Orthanc's DICOMweb client sends two UUIDs and a dash."""
    boundary = ("0f3cf5c0-63f8-4d7e-9a0b-2b7d1f0c9e11-" * 7)[:length]
    sent = written(b"one", b"two", boundary=boundary)
    assert [part for _, part in read(sent, TYPE.replace("=b", f"={boundary}"))[0]] == [b"one", b"two"]


def test_a_long_part_costs_no_memory():
    class Nowhere:
        taken = 0

        def write(self, data):
            self.taken += len(data)

        def close(self):
            pass

    sink, chunk = Nowhere(), bytes(100_000)
    reader = PartReader(TYPE, lambda _: sink)
    tracemalloc.start()
    try:
        reader.feed(b"--b\r\n\r\n")
        for _ in range(200):
            reader.feed(chunk)
        reader.feed(b"\r\n--b--")
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
    assert sink.taken == 20_000_000
