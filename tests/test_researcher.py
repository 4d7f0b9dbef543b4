"""A researcher's commands on a whole application, without a network: what each prints, writes and ends with."""

import csv
import io
import json
from pathlib import Path

import click
import httpx
import pytest
from PIL import Image

from adapters.accord_client import AccordClient
from adapters.client_file import write_client
from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.failures import Failure, Full, Invalid, NotFound
from server.cli import cite, download, find, reading, view
from server.cli.progress import in_words
from tests.adapters.researchers import OPEN, SHARED, Researcher


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    built = Researcher(tmp_path_factory.mktemp("house"))
    yield built
    built.runtime.close()


@pytest.fixture
def accord(house, tmp_path, monkeypatch, capsys):
    """`accord(find.search, …)`: (status, what was printed, what was said beside it)."""
    house.restore()
    write_client(tmp_path / "client.json", house.client)
    monkeypatch.setattr(
        reading, "AccordClient", lambda client, _url, **_: AccordClient(client, transport=house, pause=house.pauses.append)
    )

    def run(command: click.Command, *arguments: object) -> tuple[int, str, str]:
        line = [*map(str, arguments), "--as", str(tmp_path / "client.json")]
        with command.make_context(command.name, line) as context:
            status = command.invoke(context) or 0
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


def test_a_search_lists_studies_in_lines_or_json_or_csv(accord):
    _, lines, _ = accord(find.search, "--patient", "P1")
    head, row = lines.splitlines()
    assert head == "study\tdate\tmodalities\tdescription\tseries\tinstances\tpatient"
    assert row == f"{SHARED[0]}\t2020-01-01\tMR\t–\t2\t6\tP1"
    _, told, _ = accord(find.search, "--json")
    assert {row["study"] for row in json.loads(told)} == {*SHARED, OPEN}
    _, table, _ = accord(find.search, "--csv")
    assert [row["instances"] for row in csv.DictReader(io.StringIO(table))] == ["6"] * 3


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["--modality", "MR"], 3),
        (["--modality", "CT"], 0),
        (["--body-part", "LIVER"], 0),
        (["--patient", "P*"], 3),
        (["--since", "2020-01-01", "--until", "20200101"], 3),
        (["--since", "2020-01-02"], 0),
        (["--until", "2019-12-31"], 0),
        ([f"StudyInstanceUID={SHARED[0]},{OPEN}"], 2),
        (["00100020=P3", "--modality", "MR"], 1),
    ],
)
def test_a_search_is_narrowed_by_flags_and_keys(accord, asked, found):
    assert len(json.loads(accord(find.search, *asked, "--json")[1])) == found


def test_a_search_says_that_there_are_more(accord):
    _, lines, said = accord(find.search, "--limit", 2)
    assert (len(lines.splitlines()) - 1, "These are the first 2; there are more" in said) == (2, True)
    assert accord(find.search, "--limit", 3)[2] == ""


@pytest.mark.parametrize("text", ["Patient=P1", "PatientID=", "PatientID", "limit=1"])
@pytest.mark.parametrize("command", [find.search, find.count, download.download])
def test_a_key_that_would_be_left_out_is_refused_before_anything_is_asked(accord, house, tmp_path, command, text):
    more = ("--to", tmp_path / "x", "1.2.3") if command is download.download else ()
    if "=" not in text and more:
        return  # it names a study
    with pytest.raises(Invalid, match="no attribute to search by"):
        accord(command, text, *more)
    assert house.asked == []


def test_a_count_adds_up_what_there_is_and_what_may_be_taken(accord, house):
    status, lines, said = accord(find.count)
    counted = dict(line.split("\t") for line in lines.splitlines())
    assert (status, {name: counted[name] for name in ("studies", "series", "instances", "subjects")}) == (
        0,
        {"studies": "3", "series": "6", "instances": "18", "subjects": "3"},
    )
    assert int(counted["bytes"]) > 12 * 700
    assert "1 study is not in the bytes: " in said
    assert f"Questions: {house.runtime.settings.contact}." in said
    assert "GET" not in {method for method, path in house.asked if path == f"/dicom-web/studies/{SHARED[0]}"}


def test_a_download_says_how_much_first_and_what_became_of_it_last(accord, house, tmp_path):
    status, lines, said = accord(download.download, *SHARED, "--to", tmp_path / "taken")
    first, second, last = lines.splitlines()
    assert first.startswith("2 studies: 12 objects to bring, ")
    assert first.endswith("; 0 are there already.")
    assert second.startswith(f"Free at {tmp_path / 'taken'}: ")
    assert last.startswith("12 downloaded (")
    assert (", 0 already there, 0 failed, " in last, status, said) == (True, 0, "")
    assert len(list((tmp_path / "taken").rglob("*.dcm"))) == 12
    _, lines, _ = accord(download.download, *SHARED, "--to", tmp_path / "taken")
    assert lines.splitlines()[-1].startswith("0 downloaded (0 bytes), 12 already there, 0 failed, ")


def test_after_a_download_its_files_are_listed_and_cited(accord, tmp_path):
    accord(download.download, SHARED[0], "--to", tmp_path)
    rows = list(csv.DictReader((tmp_path / "manifest.csv").read_text().splitlines()))
    assert {row["path"] for row in rows} == {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.dcm")}
    assert "Hospital-A (" in (tmp_path / "CITATION.txt").read_text()
    assert NEVER_FOR_DIAGNOSIS in (tmp_path / "CITATION.txt").read_text()
    assert (tmp_path / "CITATION.bib").read_text().startswith("@misc{LUNG,")


def test_a_study_whose_dataset_is_not_told_yet_is_cited_when_it_is(accord, house, tmp_path):
    house.before = lambda request: httpx.Response(200, json={}) if request.url.path.endswith("/ImagingStudy") else None
    accord(download.download, SHARED[0], "--to", tmp_path)
    assert "The dataset of 1 study is not told yet: run the same" in (tmp_path / "CITATION.txt").read_text()
    house.restore()
    accord(download.download, SHARED[0], "--to", tmp_path)
    assert "not told" not in (tmp_path / "CITATION.txt").read_text()


def test_a_dry_run_brings_nothing_and_makes_nothing(accord, house, tmp_path):
    status, lines, _ = accord(download.download, "--patient", "P1", "--to", tmp_path / "taken", "--dry-run")
    assert (status, len(lines.splitlines()), (tmp_path / "taken").exists()) == (0, 2, False)
    assert all(method == "HEAD" or path.endswith(("/studies", "/instances", "token", "server")) for method, path in house.asked)


def test_what_is_refused_is_said_once_and_the_rest_is_brought(accord, house, tmp_path):
    status, lines, said = accord(download.download, "--modality", "MR", "--to", tmp_path)
    assert (status, lines.splitlines()[-1].startswith("12 downloaded")) == (1, True)
    (sentence,) = said.splitlines()
    assert sentence.startswith("1 study can't be had: ")
    assert f"Questions: {house.runtime.settings.contact}." in sentence


def test_what_failed_is_named_and_ends_with_1(accord, house, tmp_path, monkeypatch):
    monkeypatch.setattr(download, "NAMED", 2)
    gone = httpx.Response(410, json={"title": "x", "detail": "It was withdrawn."})
    house.before = lambda request: gone if request.method == "GET" and "/series/" in request.url.path else None
    status, lines, said = accord(download.download, SHARED[0], "--to", tmp_path)
    assert (status, "0 downloaded (0 bytes), 0 already there, 6 failed" in lines) == (1, True)
    assert said.count(": It was withdrawn.") == 2
    assert "and 4 more" in said


def test_what_has_no_room_is_not_begun(accord, house, tmp_path, monkeypatch):
    monkeypatch.setattr("adapters.download_folder.DownloadFolder.free", lambda _self: 100)
    with pytest.raises(Full, match="no room"):
        accord(download.download, SHARED[0], "--to", tmp_path / "taken")
    assert not list((tmp_path / "taken").rglob("*.dcm"))


def test_a_download_that_is_interrupted_says_how_to_go_on(accord, house, tmp_path, capsys):
    def interrupt(request: httpx.Request) -> None:
        if request.method == "GET" and request.url.path.endswith(".2"):
            raise KeyboardInterrupt

    house.before = interrupt
    with pytest.raises(KeyboardInterrupt):
        accord(download.download, SHARED[0], "--to", tmp_path)
    assert "Run the same command again to go on." in capsys.readouterr().err


def test_nothing_named_is_not_everything(accord, tmp_path):
    with pytest.raises(click.UsageError):
        accord(download.download, "--to", tmp_path)


@pytest.mark.parametrize(("form", "begins"), [("text", "Hospital-A ("), ("bibtex", "@misc{LUNG,"), ("ris", "TY  - DATA")])
@pytest.mark.parametrize("named", ["LUNG", SHARED[0]])
def test_a_dataset_is_cited_by_its_alias_or_by_a_study_of_it(accord, form, begins, named):
    status, cited, _ = accord(cite.cite, named, "--format", form)
    assert (status, cited.startswith(begins), "acknowledge Hospital-A" in cited) == (0, True, True)


def test_a_dataset_is_cited_once_and_what_is_not_listed_is_said(accord):
    status, cited, said = accord(cite.cite, "LUNG", *SHARED, "OPEN")
    assert (status, cited.count("We acknowledge")) == (1, 1)
    assert said == "OPEN can't be cited: The catalogue has no such dataset.\n"
    with pytest.raises(NotFound, match="no such study"):
        accord(cite.cite, "1.2.99")


def test_a_view_opens_a_private_picture_as_large_as_may_be_seen(accord, tmp_path, monkeypatch):
    opened: list[str] = []
    monkeypatch.setattr(view.click, "launch", opened.append)
    monkeypatch.setattr(view.tempfile, "tempdir", str(tmp_path))
    for study, preview in ((SHARED[0], False), (OPEN, True)):
        _, printed, said = accord(view.view, study)
        assert (printed, "This is a preview. " in said) == ("", preview)
    for name in opened:
        assert Path(name).stat().st_mode & 0o077 == 0
        assert Image.open(io.BytesIO(Path(name).read_bytes())).format == "JPEG"
    assert len(opened) == 2


def test_a_view_is_of_the_image_that_is_named_or_of_the_middle_one(accord, house, tmp_path):
    series = f"{SHARED[0]}.2"
    for named, instance in (((series, f"{series}.3"), "3"), ((series,), "2")):
        accord(view.view, SHARED[0], *named, "--frame", 1, "--output", tmp_path / "seen.jpg")
        assert (
            house.asked[-1][1]
            == f"/dicom-web/studies/{SHARED[0]}/series/{series}/instances/{series}.{instance}/frames/1/rendered"
        )
    assert (tmp_path / "seen.jpg").read_bytes()[:2] == b"\xff\xd8"


@pytest.mark.parametrize("named", [("1.2.99",), (SHARED[0], "1.2.9")])
def test_where_there_is_no_image_nothing_is_opened(accord, tmp_path, named):
    with pytest.raises(NotFound, match="no image"):
        accord(view.view, *named, "--output", tmp_path / "seen.jpg")
    assert not (tmp_path / "seen.jpg").exists()


def test_a_purpose_is_the_commands_own(house, accord):
    with pytest.raises(Failure, match="purpose"):
        accord(find.search, "--purpose", "AITRAIN")


@pytest.mark.parametrize(
    ("size", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2.5e6, "2.5 MB"), (1e9, "1.0 GB"), (3e15, "3000.0 TB")],
)
def test_bytes_are_said_as_people_read_them(size, words):
    assert in_words(size) == words
