"""Archives are listed without unpacking them, what they hold is read as often as is needed, and nothing strange grows large."""

import gzip
import io
import stat
import tarfile
import zipfile
from itertools import islice
from pathlib import Path

import pytest

from adapters import offered, packed
from adapters.offered import Damaged, Offered
from adapters.packed import HEAD, Unlisted, kind

FILES = {"a/1.dcm": b"one", "b.dcm": b"two" * 100}


def zipped(path: Path, files=FILES, method=zipfile.ZIP_DEFLATED) -> Offered:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return listed(path)


def tarred(path: Path, files=FILES, mode="w", **entry) -> Offered:
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for field, value in entry.items():
                setattr(info, field, value)
            archive.addfile(info, io.BytesIO(content))
    return listed(path)


def listed(path: Path) -> Offered:
    return Offered(path.name, path, path.stat().st_size)


def members(file: Offered) -> list[tuple[Offered, str]]:
    return list(packed.members(file, file.head(HEAD), file.path.parent))


def why(file: Offered) -> dict[str, str]:
    return {member.name: why for member, why in members(file)}


@pytest.fixture(params=["zip", "stored", "tar", "tgz"])
def archive(request, tmp_path) -> Offered:
    path = tmp_path / f"export.{request.param}"
    made = {"zip": zipped, "tar": tarred, "tgz": lambda path: tarred(path, mode="w:gz")}
    return made.get(request.param, lambda path: zipped(path, method=zipfile.ZIP_STORED))(path)


def test_its_files_are_named_by_the_archive_and_read_as_often_as_is_needed(archive):
    found = [member for member, _ in members(archive)]
    assert [file.name for file in found] == [f"{archive.name}/{name}" for name in FILES]
    for _ in range(2):
        assert [bytes(file.content()) for file in found] == list(FILES.values())
        assert [file.digest() for file in found] == [file.digest() for file in reversed(found)][::-1]
        for file, content in zip(found, FILES.values(), strict=True):
            with file.open() as source:
                assert (source.read(2), source.read(), source.read(1)) == (content[:2], content[2:], b"")


def test_a_large_file_of_a_zip_archive_is_not_held_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(offered, "IN_MEMORY", 10)
    assert [bytes(member.content()) for member, _ in members(zipped(tmp_path / "a.zip"))] == list(FILES.values())


@pytest.mark.parametrize("name", ["../a.dcm", "/etc/a.dcm", "a/../../b", "C:\\a.dcm", "a\\..\\b"])
@pytest.mark.parametrize("pack", [zipped, tarred])
def test_a_path_that_leads_out_of_its_archive_is_not_taken(tmp_path, pack, name):
    assert list(why(pack(tmp_path / "x", {name: b"x", "b": b"x"})).values()) == [packed.OUTSIDE, ""]


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_two_files_of_one_name_are_told_apart(tmp_path, pack, recwarn):
    file = pack(tmp_path / "x", {"a": b"1"})
    if pack is zipped:
        with zipfile.ZipFile(file.path, "a") as archive:
            archive.writestr("a", b"2")
    else:
        with tarfile.open(file.path, "a") as archive:
            archive.addfile(tarfile.TarInfo("a"))
    recwarn.clear()
    assert [why for _, why in members(listed(file.path))] == ["", packed.TWICE]


@pytest.mark.parametrize(
    ("type_", "reason"),
    [
        (tarfile.SYMTYPE, packed.LINK),
        (tarfile.LNKTYPE, packed.LINK),
        (tarfile.CHRTYPE, packed.NO_FILE),
        (tarfile.FIFOTYPE, packed.NO_FILE),
    ],
)
def test_links_and_devices_of_a_tar_archive_are_not_taken(tmp_path, type_, reason):
    assert why(tarred(tmp_path / "x.tar", {"a": b""}, type=type_, linkname="/etc/passwd")) == {"x.tar/a": reason}


def test_what_of_a_zip_archive_can_not_be_read_is_said(tmp_path):
    link, secret, odd = (zipfile.ZipInfo(name) for name in ("link", "secret", "odd"))
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for entry in (link, secret, odd):
            archive.writestr(entry, b"x")
        secret.flag_bits, odd.compress_type = 1, zipfile.ZIP_LZMA
    assert list(why(listed(tmp_path / "x.zip")).values()) == [packed.LINK, packed.ENCRYPTED, packed.UNKNOWN]


@pytest.mark.parametrize("mode", ["w:gz", None])
def test_a_bomb_is_refused_before_it_fills_anything(tmp_path, monkeypatch, mode):
    monkeypatch.setattr(packed, "FREELY", 1_000_000)
    zeros = {f"{n}": bytes(1_000_000) for n in range(5)}
    bomb = tarred(tmp_path / "x", zeros, mode) if mode else zipped(tmp_path / "x", zeros)
    assert bomb.size * packed.MOST_TIMES < 5_000_000
    with pytest.raises(Unlisted, match="would unpack"):
        members(bomb)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 3_000_000


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_an_archive_of_too_many_files_is_refused(tmp_path, monkeypatch, pack):
    monkeypatch.setattr(packed, "MOST_MEMBERS", 2)
    assert len(members(pack(tmp_path / "x"))) == 2
    with pytest.raises(Unlisted, match="holds more than"):
        members(pack(tmp_path / "y", FILES | {"c": b"3"}))


def test_a_directory_too_large_to_be_read_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(packed, "_DIRECTORY", 90)
    with pytest.raises(Unlisted, match="holds more than"):
        members(zipped(tmp_path / "x.zip"))


def test_a_header_is_not_read_for_as_long_as_it_says_it_is(tmp_path, monkeypatch):
    file = tarred(tmp_path / "x.tar", {"n" * 5_000: b"x"}, "w")
    monkeypatch.setattr(packed, "_HEADER", 512)
    with pytest.raises(Unlisted, match="damaged"):
        members(file)


@pytest.mark.parametrize(("size", "listed_before"), [(700, [packed.DAMAGED]), (1600, [""])])
def test_an_archive_that_was_cut_short_says_so_after_what_is_whole(tmp_path, size, listed_before):
    whole = tarred(tmp_path / "x.tar", {"a": b"x" * 600, "b": b"y" * 600})
    (tmp_path / "cut.tar").write_bytes(whole.path.read_bytes()[:size])
    cut = listed(tmp_path / "cut.tar")
    told = packed.members(cut, cut.head(HEAD), tmp_path)
    assert [reason for _, reason in islice(told, len(listed_before))] == listed_before
    with pytest.raises(Unlisted, match="damaged"):
        next(told)
    with gzip.open(tmp_path / "x.tgz", "wb") as squeezed:
        squeezed.write(whole.path.read_bytes())
    (tmp_path / "cut.tgz").write_bytes((tmp_path / "x.tgz").read_bytes()[:-20])
    with pytest.raises(Unlisted, match="damaged"):
        members(listed(tmp_path / "cut.tgz"))


def test_garbage_in_the_middle_of_a_tar_archive_is_no_end(tmp_path):
    content = bytearray(tarred(tmp_path / "x.tar").path.read_bytes())
    content[1024:1536] = b"\1" * 512
    (tmp_path / "x.tar").write_bytes(content)
    with pytest.raises(Unlisted, match="damaged"):
        members(listed(tmp_path / "x.tar"))


def test_a_damaged_file_is_only_known_when_it_is_read(tmp_path):
    file = zipped(tmp_path / "x.zip", {"a": b"x" * 100}, zipfile.ZIP_STORED)
    content = bytearray(file.path.read_bytes())
    content[60] ^= 1
    file.path.write_bytes(content)
    ((member, _),) = members(listed(file.path))
    for read in (member.content, member.digest, lambda: member.head(HEAD)):
        with pytest.raises(Damaged):
            read()


def test_what_is_compressed_and_no_tar_archive_is_said(tmp_path):
    with gzip.open(tmp_path / "a.dcm.gz", "wb") as squeezed:
        squeezed.write(bytes(128) + b"DICM")
    with pytest.raises(Unlisted, match="no tar archive"):
        members(listed(tmp_path / "a.dcm.gz"))


@pytest.mark.parametrize("start", [b"PK\3\4", b"\x1f\x8b"])
def test_a_dicom_file_is_no_archive_whatever_its_preamble_is(start):
    assert kind(start.ljust(128, b"\0") + b"DICM") is None
    assert kind(start.ljust(HEAD, b"\0")) is not None


def _header(name: str, size: int, kind: bytes) -> bytearray:
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return bytearray(info.tobuf(tarfile.GNU_FORMAT))


def _summed(header: bytearray) -> bytes:
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header)


FIRST, END = bytes(_header("a", 0, b"0")), bytes(1024)
LONG_NAMES = (bytes(_header("././@LongLink", 5, b"L")) + b"long\0".ljust(512, b"\0")) * 2000


def _sparse(blocks: int) -> bytes:
    """A sparse file whose list goes on for so many blocks."""
    header, more = _header("s", 0, b"S"), bytearray((b"00000000001\0" * 42).ljust(512, b"\1"))
    header[386:482], header[482] = b"00000000001\0" * 8, 1
    return _summed(header) + bytes(more) * blocks + bytes(512)


@pytest.mark.parametrize("headers", [LONG_NAMES, _sparse(2000)], ids=["names", "sparse"])
def test_headers_before_one_file_are_bounded(tmp_path, headers):
    path = tmp_path / "a.tar"
    path.write_bytes(FIRST + headers + bytes(_header("b", 0, b"0")) + END)
    with pytest.raises(Unlisted, match="damaged"):
        members(listed(path))


def test_a_file_of_fewer_bytes_than_none_is_damaged(tmp_path):
    negative = _header("b", 0, b"0")
    negative[124:136] = b"\xff" + (-5).to_bytes(11, "big", signed=True)
    path = tmp_path / "a.tar"
    path.write_bytes(FIRST + _summed(negative) + END)
    assert why(listed(path)) == {"a.tar/a": "", "a.tar/b": packed.DAMAGED}


def test_a_file_without_a_name_is_listed(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a", b"x")
        archive.filelist[0].filename = ""
    assert why(listed(tmp_path / "a.zip")) == {"a.zip/": ""}


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_what_is_not_there_any_more_is_damaged(tmp_path, pack):
    archive = pack(tmp_path / "x")
    *_, (last, _) = members(archive)
    pack(tmp_path / "y", {"a": b"x"})
    (tmp_path / "y").rename(archive.path) if pack is zipped else archive.path.write_bytes(b"")
    with pytest.raises(Damaged):
        last.content()


def test_a_file_that_is_empty_by_now_is_damaged(tmp_path):
    (tmp_path / "a.dcm").write_bytes(b"one")
    file = listed(tmp_path / "a.dcm")
    file.path.write_bytes(b"")
    with pytest.raises(Damaged):
        file.content()
