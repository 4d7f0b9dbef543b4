"""`accord check`: a folder is told what a server would say, on this machine, with no account."""

import csv
import json
import re
import tarfile
import zipfile

import pytest
from pydicom.uid import generate_uid

from server.cli.check import check
from tests.builders import DICOM, SAMPLES, made
from tests.running import image

CUSTODY = {"known", "content-conflict", "waiting"}
SKIPPED = {"media/DICOMDIR"}


@pytest.fixture
def checked(capsys):
    """Call it: (status, what was printed, what was said beside it)."""

    def run(*arguments):
        with check.make_context("check", ["--processes", "2", *map(str, arguments)]) as context:
            status = check.invoke(context)
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_the_verdicts_are_the_servers_own(checked):
    """Those that the samples were judged by hand to have; what depends on what is held already is not said."""
    status, said, _ = checked(DICOM, "--report", "json")
    told = {each["file"]: (each["outcome"], each["rule"]) for each in json.loads(said)["receipts"]}
    with (SAMPLES / "expected.csv").open(newline="") as rows:
        expected = {row["file"]: (row["outcome"], row["rule"]) for row in csv.DictReader(rows) if row["rule"] not in CUSTODY}
    expected = {name: verdict for name, verdict in expected.items() if name not in SKIPPED}
    assert len(expected) > 90
    assert {name: told.get(name) for name in expected} == expected
    assert status == 1


@pytest.fixture
def folder(tmp_path):
    """Two series: one whole but for a slice and a manufacturer, one of a single image in two files."""
    study, export = generate_uid(prefix=None), tmp_path / "export"
    export.mkdir()
    for number in (1, 2, 4, 5):
        (export / f"a{number}.dcm").write_bytes(image(study, "P1", number, Manufacturer=""))
    other = made("1.2.3.1.1", BodyPartExamined="BREAST", Manufacturer="ACME", PatientAge="050Y", InstanceNumber="1")
    for name in ("b.dcm", "b-again.dcm"):
        (export / name).write_bytes(other)
    (export / ".DS_Store").write_bytes(b"x")
    return export


def test_what_series_lack_is_said_and_what_nobody_needs_is_skipped(checked, folder):
    status, said, beside = checked(folder)
    assert status == 0
    assert said.startswith("6 files of 2 series in 2 studies,")
    assert "6 would be taken, 0 would wait for review, 0 would be refused." in said
    assert "without Manufacturer (0008,0070), which EUCAIM's imaging minimum asks for: 1 series" in said
    assert "missing slices: 1" in said
    assert ": 3\n" in said
    assert "1.2.3.1.1: b-again.dcm, b.dcm" in said
    assert "Nothing was sent." in said
    assert "skipped: '.DS_Store' belongs to a file system" in beside


def test_a_zip_archive_is_looked_into(checked, folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in folder.glob("*.dcm"):
            archive.write(path, f"disc/{path.name}")
        archive.writestr("disc/zero", b"")
        archive.writestr("disc/notes.txt", b"nothing of DICOM")
    status, said, beside = checked(tmp_path / "export.zip", "--report", "json")
    told = json.loads(said)
    assert sorted(each["file"].rpartition("/")[2] for each in told["receipts"]) == sorted(
        [path.name for path in folder.glob("*.dcm")] + ["notes.txt"]
    )
    assert {each["rule"] for each in told["receipts"] if each["outcome"] == "reject"} == {"not-dicom"}
    assert [sorted(series["missing"]) for series in told["series"] if series["missing"]] == [[3]]
    assert (status, "disc/zero' is empty." in beside) == (1, True)


@pytest.mark.parametrize(("name", "mode"), [("export.tar", "w"), ("export.tgz", "w:gz"), ("no-suffix", "w:gz")])
def test_a_tar_archive_is_looked_into(checked, folder, tmp_path, name, mode):
    with tarfile.open(tmp_path / name, mode) as archive:
        archive.add(folder, "disc")
    status, said, beside = checked(tmp_path / name)
    assert (status, said.startswith("6 files of 2 series in 2 studies,")) == (0, True)
    assert "1.2.3.1.1: " + ", ".join(f"{tmp_path}/{name}/disc/{n}.dcm" for n in ("b-again", "b")) in said
    assert "disc/.DS_Store' belongs to a file system" in beside


def test_a_page_tells_all_of_it_and_no_name_is_markup(checked, folder):
    (folder / "<script>alert(1)<script>.dcm").write_bytes(made(PatientName="Doe^Jane"))
    status, said, _ = checked(folder, "--report", "html")
    assert (status, said.startswith("<!doctype html>")) == (0, True)
    assert "<script" not in said
    assert "&lt;script&gt;alert(1)&lt;script&gt;.dcm" in said
    for told in ("<b>6</b>would be taken", "<b>1</b>would wait for review", "(0010,0010) Patient&#x27;s Name", "Missing slices"):
        assert told in said
    assert "Doe" not in said


def test_a_page_asks_nobody_for_anything_and_its_tables_have_heads(checked, folder):
    said = checked(folder, "--report", "html")[1]
    assert not re.search(r"(?i)\bsrc=|href=|url\(|@import|https?:", said)
    tables = re.findall(r"<table>.*?</table>", said, re.DOTALL)
    assert len(tables) > 4
    assert all('scope="col"' in table and 'scope="row"' in table for table in tables)


def test_a_date_of_content_series_or_study_is_one_of_the_acquisition(checked, tmp_path):
    dated = {"a": {"ContentDate": "20200101"}, "b": {"StudyDate": "20200101"}, "c": {"AcquisitionDate": ""}}
    for name, elements in dated.items():
        (tmp_path / f"{name}.dcm").write_bytes(
            made(f"1.2.3.{ord(name)}", series=f"1.2.{ord(name)}", **{"StudyDate": ""} | elements)
        )
    series = json.loads(checked(tmp_path, "--report", "json")[1])["series"]
    lacking = [each["series"] for each in series if any(name.startswith("Acquisition Date") for name in each["lacks"])]
    assert lacking == [f"1.2.{ord('c')}"]


def test_what_can_not_be_read_keeps_nothing_else_from_being_looked_at(checked, folder, tmp_path):
    with zipfile.ZipFile(folder / "export.zip", "w") as archive:
        archive.writestr("a.dcm", made("1.2.3.1.9"))
    damaged = bytearray((folder / "export.zip").read_bytes())
    damaged[200] ^= 1
    (folder / "export.zip").write_bytes(damaged)
    (folder / "half.zip").write_bytes(damaged[:100])
    _, said, beside = checked(folder, "--report", "json")
    told = json.loads(said)["receipts"]
    assert {each["file"]: each["rule"] for each in told if each["outcome"] == "reject"} == {
        "export.zip/a.dcm": "structure-broken"
    }
    assert len(told) == 7
    assert "skipped: 'half.zip' is a damaged archive" in beside


def test_an_attested_sender_is_judged_as_one(checked, tmp_path):
    (tmp_path / "a.dcm").write_bytes(made(PatientIdentityRemoved=None))
    rules = [json.loads(checked(tmp_path, *flags, "--report", "json")[1])["rules"] for flags in ((), ("--attested",))]
    assert [[(rule["outcome"], rule["rule"]) for rule in each] for each in rules] == [
        [("review", "not-declared")],
        [("pass", "attested")],
    ]
