"""A researcher's way on a real Accord: from how many studies there are to files on a disk, with their citation."""

import csv
import io
import json
import re

import httpx
from dicomweb_client import DICOMwebClient
from fhirpy import SyncFHIRClient
from PIL import Image

from adapters.accord import connect
from tests.builders import DICOM
from tests.journeys.conftest import LIVER, Site
from tests.running import CLEAR


def as_researcher(site: Site, *command: object, status: int = 0):
    return site.accord.command(*command, "--as", site.accord.clients["researcher"], status=status)


def test_how_much_a_study_is_is_told_by_head(site):
    path = f"/dicom-web/studies/{site.liver}"
    with site.accord.http("researcher") as http:
        told, brought = http.head(path), http.get(path)
    assert (told.status_code, told.content) == (200, b"")
    assert int(told.headers["Content-Length"]) == len(brought.content)
    assert httpx.head(f"{site.accord.base}{path}", verify=CLEAR).status_code == 401


def test_studies_are_counted_and_found(site):
    counted = dict(line.split("\t") for line in as_researcher(site, "count", "--modality", "CT").stdout.splitlines())
    assert (counted["studies"], counted["instances"], counted["subjects"]) == ("1", "2", "1")
    assert int(counted["bytes"]) > sum((DICOM / name).stat().st_size for name in LIVER) * 0.9
    (row,) = json.loads(as_researcher(site, "search", "--modality", "CT", "--json").stdout)
    assert row["study"] == site.liver


def test_what_may_be_taken_is_brought_and_what_may_not_is_said(site, tmp_path):
    done = as_researcher(site, "download", site.liver, site.emri[0], "--to", tmp_path, status=1)
    assert done.stdout.splitlines()[-1].startswith("2 downloaded (")
    assert re.match(r"1 study can't be had: .+ Questions: .+@.+\.\n", done.stderr)
    rows = list(csv.DictReader((tmp_path / "manifest.csv").read_text().splitlines()))
    assert {row["path"] for row in rows} == {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.dcm")}
    assert {row["dataset"] for row in rows} == {"LIVER"}
    again = as_researcher(site, "download", site.liver, "--to", tmp_path)
    assert "0 downloaded (0 bytes), 2 already there, 0 failed" in again.stdout


def test_a_picture_is_seen_and_a_dataset_that_is_not_listed_is_not_cited(site, tmp_path):
    as_researcher(site, "view", site.liver, "--output", tmp_path / "seen.jpg")
    assert Image.open(io.BytesIO((tmp_path / "seen.jpg").read_bytes())).size == (512, 512)
    assert "The catalogue has no such dataset." in as_researcher(site, "cite", site.liver, status=1).stderr


def test_programs_connect_with_a_client_file(site):
    with connect(site.accord.clients["researcher"]) as accord, accord.session() as session:
        images = DICOMwebClient(accord.dicomweb_url, session=session)
        assert len(images.retrieve_study(site.liver, media_types=(("application/dicom", "*"),))) == 2
        records = SyncFHIRClient(accord.fhir_url, requests_config={"auth": accord})
        assert len(records.resources("ImagingStudy").search(modality="CT").fetch_all()) == 1
