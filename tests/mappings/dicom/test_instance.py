"""One walk reads an instance: header, fragment and observations are what each reader makes alone, and what they were before."""

import csv
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

import pytest

from mappings.dicom import instance
from mappings.dicom.deidentification import Observations, observations_of
from mappings.dicom.elements import walk
from mappings.dicom.fragment import fragment_of
from mappings.dicom.frame_spans import FrameFinder
from mappings.dicom.header import Header, header_of
from mappings.dicom.instance import Instance, read_instance
from mappings.dicom.part10 import Unreadable, plain, read_part10

SAMPLES = Path(__file__).parents[3] / "samples" / "dicom"
GOLDEN = Path(__file__).with_name("golden.csv")
PLACEHOLDERS = frozenset({"anonymous", "patient", "removed", "by", "ctp"})


def opened(name: str) -> tuple[memoryview, str, bool]:
    part10 = read_part10(memoryview((SAMPLES / name).read_bytes()))
    return plain(part10.dataset, part10.transfer_syntax), part10.transfer_syntax, part10.preamble_zero


def readable() -> list[str]:
    return [line[0] for line in golden() if len(line[3]) == 16]


def golden() -> list[list[str]]:
    """(file, digests of header, fragment and observations), or (file, rule, detail, where) of what is refused."""
    with GOLDEN.open(newline="") as lines:
        return list(csv.reader(lines))


def digests(read: Instance) -> list[str]:
    return [digest(stated(read.header)), digest(read.fragment), digest(noticed(read.observations))]


def digest(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]


def made_now(name: str) -> list[str]:
    try:
        dataset, syntax, zero = opened(name)
        return digests(read_instance(dataset, syntax, placeholders=PLACEHOLDERS, preamble_zero=zero))
    except Unreadable as refusal:
        return [refusal.rule, refusal.detail, refusal.where or ""]


def stated(header: Header) -> bytes:
    return repr(sorted((field, value) for field, value in asdict(header).items() if value is not None)).encode()


def noticed(observations: Observations) -> bytes:
    return repr((observations.declared, [(finding.rule, finding.where) for finding in observations.findings])).encode()


def test_every_sample_has_its_line_and_enough_of_them_are_read():
    assert [line[0] for line in golden()] == sorted(str(f.relative_to(SAMPLES)) for f in SAMPLES.rglob("*") if f.is_file())
    assert len(readable()) > 100


@pytest.mark.parametrize("line", golden(), ids=lambda line: line[0])
def test_a_sample_reads_as_it_always_did(line):
    """Made by the code that walked a file three times. What the index holds was read so: a line changes for a reason only.

    A field more in the header is one: `python -m tests.mappings.dicom.test_instance` writes the lines anew; read the diff.
    """
    assert [line[0], *made_now(line[0])] == line


@pytest.mark.parametrize("name", readable())
def test_each_reader_alone_makes_the_same(name):
    dataset, syntax, zero = opened(name)
    events = list(walk(dataset, syntax))
    assert read_instance(dataset, syntax, placeholders=PLACEHOLDERS, preamble_zero=zero) == Instance(
        header_of(dataset, syntax, events),
        fragment_of(dataset, syntax, iter(events)),
        observations_of(dataset, iter(events), placeholders=PLACEHOLDERS, preamble_zero=zero),
        frames_of(dataset, header_of(dataset, syntax, events), events),
    )


def frames_of(dataset, header, events):
    finder = FrameFinder(dataset)
    finder.read(events)
    return finder.finish(header)


def test_a_data_set_is_walked_once(monkeypatch):
    walks = []
    monkeypatch.setattr(instance, "walk", lambda *args: walks.append(args) or walk(*args))
    dataset, syntax, zero = opened("ct/CT_small.dcm")
    read_instance(dataset, syntax, placeholders=PLACEHOLDERS, preamble_zero=zero)
    assert len(walks) == 1


def test_an_illegal_uid_ranks_before_the_structure_that_breaks_after_it():
    dataset, syntax, _ = opened("mr/MR_small.dcm")
    cut = bytes(dataset[:-1])
    uid = cut.index(b"\x08\0\x18\0UI") + 8
    for broken, rule in ((cut, "structure-broken"), (cut[:uid] + b"x" + cut[uid + 1 :], "uid-illegal")):
        with pytest.raises(Unreadable) as refusal:
            read_instance(memoryview(broken), syntax, placeholders=PLACEHOLDERS, preamble_zero=True)
        assert refusal.value.rule == rule


def main() -> None:
    lines = [[line[0], *made_now(line[0])] for line in golden()]
    with GOLDEN.open("w", newline="") as written:
        csv.writer(written, lineterminator="\n").writerows(lines)


if __name__ == "__main__":
    main()
