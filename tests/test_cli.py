"""The command line: every command explains itself, and every verb of `accord admin` does what its line says, once."""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
from joserfc.jwk import RSAKey

from adapters.client_file import ClientFile, new_client_key, read_client, write_client
from adapters.identity import Keys
from adapters.sql import custody
from consent.agreement import MOVES, SIGNATURES
from consent.conditions import Action
from consent.node import MOVES as NODE_MOVES
from consent.policy import NEVER_FOR_DIAGNOSIS
from server.cli import main, tokens
from server.cli.admin.peers import FINGERPRINT
from server.usecases import worker
from server.usecases.parse import parse_file
from server.usecases.read_back import node_of
from tests import builders, house
from tests.commands import ALL, on_a_terminal, run
from tests.deposits import deposit, in_care
from tests.running import COMMAND, TOP, eventually, running
from tests.servers import free_port

COMMANDS = {
    "serve",
    "web",
    "dimse",
    "worker",
    "migrate",
    "demo",
    "doctor",
    "token",
    "login",
    "api",
    "proxy",
    "push",
    "explain",
    "ledger",
    "catalogue",
    "admin",
    "backup",
    "check",
    "restore",
    "withdraw",
    "report",
    "search",
    "count",
    "download",
    "cite",
    "view",
    "ask",
}
"""What the design's table of contracts names and this release has."""


VERBS = {words[1:] for words in ALL if len(words) == 3 and words[0] == "admin"}


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_explains_itself(words, capsys):
    assert run(*words, "--help") == 0
    said = capsys.readouterr().out
    assert said.startswith(" ".join(("Usage: accord", *words)))
    assert ALL[words].help


def test_the_commands_are_those_of_the_design():
    assert {words[0] for words in ALL if words} == COMMANDS


def test_each_command_has_a_line_in_the_help_of_all(capsys):
    run("--help")
    said = capsys.readouterr().out.splitlines()
    for name in COMMANDS:
        assert any(line.split()[:1] == [name] and len(line.split()) > 2 for line in said), name


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_line_of_a_command_is_how_it_begins_to_explain_itself(name):
    assert main.COMMANDS[name][1] == ALL[name,].help.splitlines()[0]


def test_every_legal_move_has_its_verb():
    assert {("agreement", verb) for verb in MOVES if verb not in SIGNATURES} | {("node", verb) for verb in NODE_MOVES} <= VERBS


LINES = (
    ("terms add {folder}/terms.txt --version 1.0.0", "1.0.0 sha256:"),
    ("terms list", "1.0.0\t"),
    ("node add central --networks 127.0.0.0/8", ""),
    ("node list", "central\tfolder\tcentral\tlinked\tcentral\t127.0.0.0/8\n"),
    ("node list --json", '"node": "central",\n'),
    ("node set central --networks 10.0.0.0/8 --hosting federated", "next: accord admin node compare central"),
    ("node add second", "second: linked"),
    ("node remove second", "second: removed"),
    ("node add second", "second: linked"),
    ("node compare central", "Custody and the node agree."),
    ("node compare central --digests", "Custody and the node agree."),
    ("node reconcile central", "Custody and the node agree."),
    ("node reconcile central {folder} --digests", "Custody and the node agree."),
    ("node suspend central", "central: suspended"),
    ("node unlink central", "central: unlinked"),
    ("node link central", "central: linked"),
    ("party add hospital --name 'Hospital A' --role provider", ""),
    ("party add university --name University --role user", ""),
    ("party set hospital --name 'Hospital A, Radiology'", ""),
    ("party add startup --name Startup --role user --external", "startup: user, external, not approved"),
    ("party admit startup", "startup: admitted"),
    ("party external university", "university: external"),
    ("party beneficiary university", "university: beneficiary"),
    ("party revoke university", "university: not approved"),
    ("party approve university", "university: approved"),
    ("party list", "hospital\tprovider\tyes\tno\tHospital A, Radiology"),
    ("agreement add DSA --provider hospital --node central --terms 1.0.0 --class conditional --actions query,process", ""),
    ("agreement propose DSA", "DSA: proposed"),
    ("agreement activate DSA", "DSA: active"),
    ("agreement suspend DSA --reason 'an audit'", "DSA: suspended"),
    ("agreement suspend DSA --for provider", "DSA: suspended"),
    ("agreement show DSA@1", "DSA of hospital: suspended, stopped by the provider and the repository"),
    ("agreement resume DSA", "DSA: suspended"),
    ("agreement resume DSA --for provider", "DSA: active"),
    ("agreement verify DSA", "imported: signed on paper"),
    (
        "agreement draft DSA --node central --terms 1.0.0 --class conditional --actions query --data-use IRB --data-use GS=EU "
        "--cancers CLIN1000057 --modalities CT,MR --sop-classes 1.2.840.10008.5.1.4.1.1.2 --deviations 'No weekends.' "
        "--text {folder}/terms.txt --document 'guidelines 1.0.0 " + "ab" * 32 + "' --circumstances security,breach --means file",
        "DSA@2: draft",
    ),
    ("agreement show DSA@2", "change to version 2: [draft] → proposed → signed → active"),
    ("agreement refuse DSA", "DSA: active"),
    (
        "agreement draft DSA --node central --terms 1.0.0 --class conditional --circumstances security --data-use IRB",
        "DSA@3: draft",
    ),
    ("agreement propose DSA", "DSA: proposed"),
    ("agreement activate DSA", "DSA: active"),
    ("agreement suspend DSA --circumstance security", "DSA: suspended"),
    ("agreement resume DSA", "DSA: active"),
    ("agreement list", "DSA\thospital\t3\tactive\tconditional\tnone\tquery\tcentral"),
    ("dataset add LUNG --agreement DSA --title 'Lung CT'", ""),
    ("dataset set LUNG version=1.0.0 keyword=lung", ""),
    ("dataset list", "LUNG\tDSA\tLung CT\t"),
    ("agreement add DSA-B --provider hospital --node central --terms 1.0.0", "DSA-B: draft"),
    ("agreement propose DSA-B", "DSA-B: proposed"),
    ("agreement activate DSA-B", "DSA-B: active"),
    ("dataset move LUNG --agreement DSA-B", "LUNG: to move to DSA-B, when its provider confirms"),
    ("dataset move LUNG --refuse", "LUNG: not moved to DSA-B"),
    ("node sync central --dataset LUNG", "central: nothing new."),
    ("node sync central --end", "central: left alone"),
    ("sender add LUNG --aet PACS1 --from 10.1.2.3/32", ""),
    (
        f"sender add LUNG --aet PACS2 --certificate {FINGERPRINT} --certificate {'ab' * 32} --associations 2",
        "PACS2: may fill LUNG",
    ),
    (f"sender add LUNG --aet PACS3 --subject CN=a,O=b --authority {FINGERPRINT} --scp 10.1.2.3:2762 --scp-tls", "from anywhere"),
    ("sender list", f"PACS2\t–\t–\tno\t–\t{FINGERPRINT.replace(':', '')}; {'ab' * 32}\t2"),
    ("sender attest LUNG --aet PACS1 --person 'Dr. A' --on 2026-11-01", ""),
    ("sender list", "PACS1\t10.1.2.3/32\tDr. A"),
    ("sender remove LUNG --aet PACS1", ""),
    ("client add pacs --party hospital --terms 1.0.0 --write {folder}/pacs.json", "client file: {folder}/pacs.json"),
    ("client add own --party university --jwks {folder}/jwks.json --purposes AITRAIN", ""),
    ("client set own --terms 1.0.0", ""),
    ("client disable own", ""),
    ("client list", "own\tuniversity\tuser\tno\t1.0.0\tAITRAIN\tsystem/*.rs\t–"),
    ("client enable own", "own: enabled"),
    ("client set own --purposes AIRESEARCH,FEDLEARN --scopes system/ImagingStudy.rs --node second", ""),
    ("client list", "own\tuniversity\tuser\tyes\t1.0.0\tAIRESEARCH FEDLEARN\tsystem/ImagingStudy.rs\tsecond"),
    ("client set own --node '' --new-key --write {folder}/own.json", "client file: {folder}/own.json"),
    ("client set own --jwks {folder}/key.pem", ""),
    (
        "ae add GPU-B --client own --from 10.1.2.0/24,10.2.0.1/32 --purpose AIRESEARCH --scp 10.1.2.3:104",
        "-aec ACCORD -aet GPU-B 127.0.0.1",
    ),
    ("ae list", "GPU-B\town\t10.1.2.0/24 10.2.0.1/32\tAIRESEARCH\t10.1.2.3:104"),
    ("ae remove GPU-B", "GPU-B: asks no more"),
    (f"ae add GPU-B --client own --certificate {FINGERPRINT} --associations 1 --scp 10.1.2.3:2762 --scp-tls", "+tls key.pem"),
    (
        f"ae add GPU-C --client own --subject CN=a,O=b --authority {FINGERPRINT}",
        "asks as own from anywhere, with its certificate",
    ),
    ("ae list", "10.1.2.3:2762 by TLS"),
    ("person add ada --operator --name 'Ada L.' --email ada@example.org", "/invitation/"),
    ("person add alan --role researcher --party university --purposes AIRESEARCH --name Alan", "/invitation/"),
    ("person list", "ada\tAda L.\tno\t–\toperator@repository\nalan\tAlan\tno\t–\tresearcher@university\n"),
    ("person invite alan", "invited until"),
    ("person give ada --role signatory --party hospital", "ada: signatory"),
    ("person give alan --role researcher --party hospital --purposes AITRAIN", "alan: researcher"),
    ("person take ada --role signatory --party hospital", "ada: no more signatory"),
    ("person sign-out alan", "alan: 0 ended"),
    ("person block alan", "alan: blocked"),
    ("person unblock alan", "alan: may sign in"),
    ("peer add upv --kind accord --url https://accord.upv.example/ --secret-file {folder}/terms.txt", "upv: asked at https://"),
    ("peer add lab --kind fhir --url http://127.0.0.1:8080/fhir --client {folder}/pacs.json", "next: accord ask --modality MR"),
    ("peer list", "lab\tfhir\thttp://127.0.0.1:8080/fhir\t–\t{folder}/pacs.json"),
    ("peer remove upv", "upv: asked no more"),
    ("permit add LUNG --party university --ends 2030-01-01", ""),
    ("permit add LUNG --party university --export --evidence IRB", ""),
    ("permit list", "\tyes\t–\tIRB"),
    ("permit revoke LUNG --party university", ""),
    ("batch list", ""),
    ("custody show", "0 objects, 0 bytes held"),
    ("job list", ""),
    (
        "document publish {folder}/terms.txt --version 2.0.0 --renewal --effective 2099-03-01 --contains 1.0.0 --dry-run",
        "1 provider, 0 users; 0 external users lose access on 1 March 2099 unless the provider accepts.",
    ),
    (
        "document publish {folder}/terms.txt --version 2.0.0 --renewal --effective 2099-03-01 --summary More --yes --alone law",
        "general 2.0.0 sha256:",
    ),
    ("document publish {folder}/terms.txt --version 1.0.0 --kind guidelines --yes --alone law", "No provider is asked"),
    ("document list", "general\t2.0.0\t2099-03-01 00:00\tyes\t–"),
    ("document show", "Never for diagnosis."),
    ("document show 2.0.0", "For convenience only: More"),
    ("document diff 2.0.0 --kind general", "No line of an earlier version changed."),
    ("document tasks", "2.0.0\thospital\t2099-03-01 00:00\t–\t–\t–"),
    ("document decline 2.0.0 --party hospital", "hospital: decline 2.0.0"),
    ("document accept 2.0.0 --party hospital", "DSA@4 is under terms 2.0.0"),
    ("document tasks --json", '"answer": "accept"'),
    ("dataset audit LUNG --at 2099-02-28", "pacs\thospital\t–\tdiscover export preview process query view"),
    ("dataset audit LUNG --at 2001-01-01 --to 2099-03-02 --json", '"subject": "pacs"'),
    ("agreement terminate DSA --dry-run", "It covers 1 dataset (LUNG) with 0 studies of 0 objects."),
    ("agreement terminate DSA --circumstance security --yes", "DSA: terminated"),
    ("publication add LUNG 'CT at scale' --summary 'A model.' --doi 10.1000/182", ": told of, on LUNG"),
    ("publication list", "\tLUNG\tCT at scale\t–\t–\t10.1000/182"),
    ("exclusion add client pacs --circumstance breach --reason why", "pacs: blocked"),
    ("exclusion list", "client\tpacs\tbreach\t"),
    ("exclusion lift client pacs --reason again", "pacs: let in again"),
    ("proposal make purge study=1.2.3 --reason why", ": proposed, until "),
    ("proposal list", "purge\tstudy=1.2.3\t"),
    ("notice send change 'A new address' --text 'See the README.'", ": sent"),
    ("notice send discontinuity 'Storage moves' --effective 2999-01-01", ": sent"),
    ("notice send discontinuity Maintenance --effective 2999-01-01 --until 2999-01-02 --address /", ": sent"),
    ("notice list", "A second person is asked for: purge"),
    ("notice acknowledge 1", "1: acknowledged"),
)
REFUSED = (
    ("agreement activate DSA", "There is no agreement called DSA"),
    ("agreement add D --provider a --node b --terms 1.0.0 --actions export", "Make its class conditional."),
    ("agreement add D --provider a --node n --terms 1.0.0 --data-use CC", "nothing here is for diagnosis"),
    ("agreement draft DSA --node n --terms 1.0.0", "There is no agreement called DSA"),
    ("agreement verify DSA", "There is no agreement called DSA"),
    ("agreement show DSA@2", "There is no agreement called DSA"),
    ("party add hospital --name H --role king", "'king' is not one of 'provider'"),
    ("terms add {folder}/terms.txt --version one", "MAJOR.MINOR.PATCH"),
    ("terms add {folder}/absent.txt --version 1.0.0", "No such file"),
    ("document publish {folder}/terms.txt --version 1.0.0 --effective 2001-01-01", "before it is published"),
    ("document show 1.0.0", "There is no such version"),
    ("document accept 1.0.0 --party a", "There is no party called a"),
    ("party admit startup", "There is no party called startup"),
    ("dataset set LUNG version", "KEY=VALUE"),
    ("dataset move LUNG", "Name an --agreement"),
    ("dataset move LUNG --confirm", "There is no dataset called LUNG"),
    ("dataset set LUNG colour=red", "colour is none of"),
    ("dataset add lung --agreement DSA --title x", "1 to 16 capitals, digits, - and _"),
    ("sender add LUNG --aet X --from everywhere", "CIDR"),
    ("sender add LUNG --aet X", "which certificate it shows"),
    ("sender add LUNG --aet X --from 10.1.2.3/32 --certificate 12", "SHA-256 fingerprint"),
    ("client add x --party nobody", "nobody"),
    ("ae add X --client nobody --from 10.1.2.3/32", "There is no client called nobody"),
    ("ae add X --client nobody --from 10.1.2.3/32 --scp host:104", "address:port"),
    ("permit revoke LUNG --party university", "LUNG"),
    ("peer add x --kind accord --url http://accord.example", "https://HOST/PATH"),
    ("peer add x --kind accord --url https://a.example --secret-file {folder}/absent", "No such file"),
    ("peer add x --kind accord --url https://a.example --client {folder}/absent", "is for a FHIR server"),
    ("peer add x --kind beacon --url https://a.example", "'beacon' is not one of"),
    ("peer remove x", "There is no peer called x"),
    ("person add ada --name Ada", "--operator, or --role"),
    ("person add ada --name Ada --role auditor --party nobody", "There is no party called nobody"),
    ("person add ada --name Ada --role researcher", "Nobody is researcher in the repository."),
    ("person add ada --name Ada --operator --email ada", "An e-mail address has an @"),
    ("person invite ada", "There is no person called ada"),
    ("person give ada", "Say which: --role."),
    ("node remove third", "There is no node called third"),
    ("node sync third --dataset LUNG", "There is no node called third"),
    ("node sync third", "Name a --dataset, or say --end."),
    ("node set third --url elsewhere", "There is no node called third"),
    ("party set university", "Say what to change"),
    ("party approve university", "There is no party called university"),
    ("client set own", "Say what to change"),
    ("client add x --party nobody --jwks {folder}/terms.txt", "neither JSON nor PEM"),
    ("client add x --party nobody --write {folder}/none/x.json", "No file can be written"),
    ("study withdraw 1.2.3", "No object of this study is in care"),
    ("study restore 1.2.3", "No object of this study is withdrawn"),
    ("dataset withdraw NONE --circumstance breach --yes", "There is no dataset of this name"),
    ("publication add NONE x --summary y", "There is no dataset of this name"),
    ("publication add LUNG x --summary ' '", "There is no dataset of this name"),
    ("publication doi LUNG abc --doi 10.1000/182", "There is no dataset of this name"),
    ("publication remove LUNG abc", "There is no dataset of this name"),
    ("dataset restore NONE", "There is no dataset of this name"),
    ("exclusion add party nobody --circumstance breach", "There is no party called nobody."),
    ("exclusion lift client nobody", "Nobody who is called so is blocked."),
    ("proposal make purge --reason why", "Its arguments are: study (at most 64 characters)."),
    ("proposal make purge study=1.2.3 --alone why", "No object of this study is withdrawn"),
    ("proposal decline abc --reason why", "There is no proposal called abc."),
    ("notice acknowledge 99", "There is no such notice"),
    ("notice send discontinuity Storage", "say from when on"),
    ("notice send discontinuity Storage --effective 2999-01-01 --address fhir", "An address is a path"),
    ("mail test operator@example.org", "ACCORD_MAIL_HOST is not set"),
    ("study withdraw --patient P1", "Name a study, or --dataset and --patient."),
    ("study withdraw --dataset LUNG --patient P1", "There is no dataset of this name"),
    ("block lift 1.2.3", "No block in force"),
    ("study receipt 1.2.3", "Nothing of this study was purged"),
    ("batch show abc", "There is no batch with this key"),
    ("batch release abc", "There is no batch with this key"),
    ("batch refuse abc", "There is no batch with this key"),
    ("job cancel 1", "No job 1 waits or runs."),
    ("agreement add D --provider a --node b --terms 1.0.0 --starts tomorrow", "a date is YYYY-MM-DD"),
)
"""Lines that can't be done, and a piece of the sentence that says why."""


@pytest.mark.parametrize(
    "line",
    [
        "admin party list",
        "admin party add u --name U --role user",
        "doctor",
        "ledger verify",
        "explain 1.2.3 --as one",
        "worker --check",
    ],
)
def test_only_serve_demo_and_migrate_make_an_accord(monkeypatch, tmp_path, capsys, line):
    """A directory that is mistyped, or somebody's: nothing is made in it, and its mode stays."""
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    (home / "letter").touch()
    for name, value in {"DATABASE_URL": None, "PORT": free_port(), "DIMSE_PORT": free_port()}.items():
        monkeypatch.setenv(f"ACCORD_{name}", str(value or ""))
    for data in (tmp_path / "nowhere", home):
        monkeypatch.setenv("ACCORD_DATA_DIR", str(data))
        assert run(*shlex.split(line)) == 2
        assert f"There is no Accord in {data}. " in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert ([path.name for path in home.iterdir()], home.stat().st_mode & 0o777) == (["letter"], 0o755)


def test_a_directory_of_accord_whose_database_is_new_is_none_until_it_is_migrated(monkeypatch, tmp_path, capsys):
    """As where the database's URL is mistyped: the keys are there, and not one table."""
    monkeypatch.setenv("ACCORD_DATA_DIR", str(tmp_path / "data"))
    assert run("migrate") == 0
    monkeypatch.setenv("ACCORD_DATABASE_URL", f"sqlite:///{tmp_path}/other.db")
    assert run("admin", "party", "list") == 2
    assert not (tmp_path / "other.db").exists()
    (tmp_path / "other.db").touch()
    assert run("admin", "party", "list") == 2
    assert capsys.readouterr().err.count("There is no Accord in") == 2
    assert run("migrate") == 0
    assert run("admin", "party", "list") == 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *product(("keys.json", "noise.key", "cursors.key"), (b"garbage", b"")),
        ("noise.key", b"00ff"),
        ("accord.db", b"garbage" * 99),
    ],
)
def test_what_a_server_can_not_use_is_said_once_and_ends_it(tmp_path, name, content):
    """Not by each of its processes, over and over, and in no library's words."""
    builders.runtime(tmp_path).close()
    (tmp_path / "data" / name).write_bytes(content)
    ports = ("--port", str(free_port()), "--dimse-port", str(free_port()))
    command = [*COMMAND, "serve", "--data", str(tmp_path / "data"), *ports]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert "can't be" in line
    assert "from a backup" in line


def test_a_node_that_can_not_be_used_leaves_nothing_and_its_secret_is_found_from_anywhere(accord, tmp_path, orthanc, monkeypatch):
    """Once it was there it was there for ever: no verb removes a node."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong").write_text("accord:wrong\n")
    (tmp_path / "secret").write_text(f"{orthanc.user}:{orthanc.password}\n")
    nowhere = f"http://127.0.0.1:{free_port()}"
    for url, secret, why in (
        (orthanc.url, "absent", "absent can't be read: No such file"),
        (orthanc.url, "wrong", "refuses Accord's credentials"),
        (nowhere, "secret", "Node ward does not answer"),
    ):
        status, said = accord(f"admin node add ward --kind orthanc --url {url} --secret-file {secret}")
        assert (status, why in said) == (2, True), said
    assert accord("admin node list --json") == (0, "[]\n")
    assert accord("ledger verify")[1].startswith("0 entries")
    assert accord(f"admin node add ward --kind orthanc --url {orthanc.url} --secret-file secret")[0] == 0
    monkeypatch.chdir("/")
    assert accord("admin node compare ward")[0] in (0, 1), "it is asked with its secret"


def test_an_archive_is_looked_at_before_it_is_added_and_asked_with_its_secret(accord, tmp_path, orthanc, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "wrong").write_text("accord:wrong\n")
    (tmp_path / "secret").write_text(f"{orthanc.user}:{orthanc.password}\n")
    (tmp_path / "json").write_text("{}")
    root = f"{orthanc.url}/dicom-web"
    for url, secret, why in (
        ("archive", "secret", "Say where the DICOMweb archive is: --url http://HOST/dicom-web, or https."),
        (root, "absent", "user:password, a token, or another Accord's client file"),
        (root, "json", "is no client file"),
        (root, "wrong", "refuses Accord's credentials"),
        (f"{orthanc.url}/elsewhere", "secret", "does not speak DICOMweb"),
    ):
        status, said = accord(f"admin node add far --kind dicomweb --url {url} --secret-file {secret}")
        assert (status, why in said) == (2, True), said
    assert accord("admin node list --json") == (0, "[]\n")
    assert accord(f"admin node add far --kind dicomweb --url {root}/ --secret-file secret")[0] == 0
    assert accord("admin node compare far")[0] in (0, 1)


def test_a_folder_that_holds_something_of_others_is_left_as_it_is(accord, tmp_path):
    """It would be locked for everybody else."""
    home, disk = tmp_path / "home", tmp_path / "disk"
    for folder, held in ((home, "letter"), (disk, "lost+found")):
        folder.mkdir()
        folder.chmod(0o755)
        (folder / held).touch()
    status, said = accord(f"admin node add far --url {home}")
    assert (status, "holds something else. Name an empty one." in said) == (2, True)
    assert (home.stat().st_mode & 0o777, [path.name for path in home.iterdir()]) == (0o755, ["letter"])
    assert accord(f"admin node add far --url {disk}")[0] == 0
    assert disk.stat().st_mode & 0o777 == 0o700


def test_a_folder_in_the_data_directory_is_known_from_there(accord, tmp_path):
    assert accord(f"admin node add near --url {tmp_path}/data/near")[0] == 0
    assert accord(f"admin node add far --url {tmp_path}/far")[0] == 0
    assert [node["url"] for node in json.loads(accord("admin node list --json")[1])] == ["near", f"{tmp_path}/far"]
    (tmp_path / "data").rename(tmp_path / "moved")
    assert accord(f"admin node compare near --data {tmp_path}/moved")[0] == 0


def test_every_verb_does_what_its_line_says(accord, tmp_path):
    (tmp_path / "terms.txt").write_text("Never for diagnosis.\n")
    (tmp_path / "jwks.json").write_text(json.dumps(new_client_key()[1]))
    (tmp_path / "key.pem").write_bytes(RSAKey.generate_key(2048).as_pem(private=False))
    for line, says in LINES:
        status, said = accord(f"admin {line}".format(folder=tmp_path))
        assert status == 0, (line, said)
        assert says.format(folder=tmp_path) in said, line
    assert read_client(tmp_path / "pacs.json").client_id == "pacs"
    assert accord("ledger verify")[1].startswith(f"{sum(entries(line) for line, _ in LINES)} entries")
    assert accord("doctor")[0] == 1, "nobody serves it"


def test_a_worker_is_asked_for_by_its_machine(accord, tmp_path, monkeypatch):
    runtime = builders.runtime(tmp_path)
    assert accord("worker --check")[0] == 1
    worker.beat(runtime)
    assert accord("worker --check") == (0, "A worker is at work.\n")
    monkeypatch.setattr(socket, "gethostname", lambda: "another")
    status, said = accord("worker --check")
    assert (status, said.startswith("No worker has been at work yet")) == (1, True)
    runtime.close()


def test_the_doctor_ends_with_1_where_an_object_is_damaged(accord, tmp_path):
    runtime = builders.runtime(tmp_path)
    builders.seed(runtime)
    deposit(runtime, builders.made())
    with runtime.store.write() as connection:
        custody.mark_damaged(connection, in_care(runtime).id, runtime.clock())
    runtime.close()
    status, said = accord("doctor")
    assert (status, "given to nobody: 1. `accord admin node compare central`" in said) == (1, True)


def test_a_node_and_custody_are_reconciled_both_ways(accord, tmp_path):
    runtime, lost, unknown = builders.runtime(tmp_path), builders.made(), builders.made("1.2.3.1.2")
    builders.seed(runtime)
    deposit(runtime, lost)
    node, row = node_of(runtime, in_care(runtime)), in_care(runtime)
    node.delete(row.place)
    place = node.store(parse_file("b", unknown, frozenset()).node_file, unknown)
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup/a.dcm").write_bytes(lost)
    status, said = accord("admin node reconcile central")
    assert (status, said.splitlines()[:2]) == (1, [f"unknown to custody: {place}", "lost or changed: 1.2.3.1.1"])
    assert "next: accord admin node sync central --dataset ALIAS" in said
    assert accord("admin node sync central --dataset LUNG")[1].startswith("central: 1 pass; batch ")
    place = node.store(parse_file("c", other := builders.made("1.2.3.1.3"), frozenset()).node_file, other)
    status, said = accord(f"admin node reconcile central {tmp_path}/backup")
    assert (status, said.partition(";")[0], said.splitlines()[1]) == (0, "brought in: 1 pass", "Custody and the node agree.")
    assert accord("admin node compare central --digests") == (0, "Custody and the node agree.\n")
    assert in_care(runtime, "1.2.3.1.3").place == place
    runtime.close()


def test_the_doctor_states_what_the_federation_may_ask(accord, monkeypatch):
    accord("migrate")
    monkeypatch.setenv("ACCORD_FEDERATION_SECRET", "Secret s3cr3t")
    said = accord("doctor")[1]
    assert "· federation: Each caller of eucaimSearch has 100 distinct questions about a dataset until 20" in said
    assert "s3cr3t" not in said
    monkeypatch.setenv("ACCORD_MIN_SUBJECTS", "1")
    assert "federation" not in accord("doctor")[1]


def test_the_doctor_says_each_check_in_a_line_or_as_json(accord):
    accord("migrate")
    status, said = accord("doctor")
    told = json.loads(accord("doctor --json")[1])
    signs = {"well": "✓", "wrong": "✗", "note": "·"}
    assert [line.partition(": ")[0] for line in said.splitlines()] == [f"{signs[t['mark']]} {t['check']}" for t in told]
    assert status == 1
    assert all(t["remedy"] for t in told if t["mark"] == "wrong")
    assert {"database", "disk", "server", "dicom", "https", "clock", "ledger", "worker", "jobs", "objects"} < {
        t["check"] for t in told
    }


def test_the_doctor_says_of_a_database_or_a_key_that_can_not_be_used_no_more_than_that(accord, tmp_path):
    data = tmp_path / "data"
    accord("migrate")
    (data / "noise.key").rename(data / "kept")
    status, said = accord("doctor")
    assert (status, "✗ key noise.key:" in said, "database" in said) == (1, True, False)
    assert not (data / "noise.key").exists(), "nothing is made"
    (data / "kept").rename(data / "noise.key")
    (data / "accord.db").write_bytes(b"garbage" * 99)
    status, said = accord("doctor")
    assert (status, said.splitlines()[-1].startswith("✗ database: The database can't be read")) == (1, True)


def entries(line: str) -> int:
    """How many entries a line leaves: one where it changes something, and what two decide on says that it was one alone."""
    reads = ("list", "show", "compare", "reconcile", "verify", "tasks", "diff", "audit")
    if line.split()[1] in reads or "--dry-run" in line:
        return 0
    if line.startswith("publication add"):
        return 2  # its provider has a notice
    alone = line.startswith(("terms add", "party admit", "party beneficiary")) or "--alone" in line
    return (
        1 + alone + (2 if "--renewal" in line else "--kind guidelines" in line)
    )  # and notices: to whom it asks, and to the others


def test_the_lines_use_every_verb():
    used = {tuple(line.split()[:2]) for line, _ in LINES + REFUSED}
    assert used == VERBS


@pytest.mark.parametrize(("line", "says"), REFUSED)
def test_what_cannot_be_done_is_a_sentence_and_status_2(accord, tmp_path, line, says):
    (tmp_path / "terms.txt").write_text("Never for diagnosis.\n")
    status, said = accord(f"admin {line}".format(folder=tmp_path))
    assert status == 2
    assert says in said
    assert "Traceback" not in said


def test_a_client_file_is_written_once_and_for_its_owner_only(accord, tmp_path):
    (tmp_path / "terms.txt").write_text("x")
    accord("admin party add u --name U --role user")
    assert accord(f"admin client add one --party u --write {tmp_path}/c.json")[0] == 0
    assert (tmp_path / "c.json").stat().st_mode & 0o077 == 0
    status, said = accord(f"admin client add two --party u --write {tmp_path}/c.json")
    assert (status, "exists already" in said) == (2, True)


def test_explain_names_the_rule_the_agreement_and_the_terms(accord, tmp_path):
    made = house.build(tmp_path, Keys.load_or_make(tmp_path / "keys.json"))
    made.runtime.close()
    status, said = accord(f"explain {made.study} --as researcher")
    assert status == 0
    first, second, *decisions, last = said.splitlines()
    assert first == f"{made.study} is in dataset LUNG of hospital-a, on node central (linked)."
    assert second == "researcher asks as user, for AIRESEARCH."
    assert [line.split()[0] for line in decisions] == [str(action) for action in Action]
    assert all(re.fullmatch(r"  \w+ +(yes|no ) +[\w-]+: .+ \[agreement DSA-LUNG@1, terms 1\.0\.0\]", line) for line in decisions)
    assert last == NEVER_FOR_DIAGNOSIS


@pytest.mark.parametrize("line", ["", "admin", "admin party", "admin party add", "admin party list --colour", "elsewhere"])
def test_what_is_not_written_as_the_help_says_is_status_2(accord, line):
    status, said = accord(line)
    assert status == 2
    assert "Usage: accord" in said


def test_an_interrupt_is_status_130(accord, monkeypatch):
    def interrupt(_path: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(tokens, "read_client", interrupt)
    assert accord("token --as anything.json")[0] == 130


# --- what a command loads, and what a terminal sees


def imported(log: str) -> set[str]:
    """The packages that processes loaded, by what `PYTHONPROFILEIMPORTTIME` makes them say."""
    return {name.split(".")[0] for name in re.findall(r"^import time: .*\| +([\w.]+)$", log, re.MULTILINE)}


def loaded(folder: Path, line: str, status: int = 0) -> set[str]:
    """The packages that `accord LINE` loads, its output in pipes."""
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1", "ACCORD_DATA_DIR": str(folder / "data")}
    done = subprocess.run([*COMMAND, *shlex.split(line)], cwd=TOP, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr[-1000:]
    return imported(done.stderr)


def test_the_help_of_all_is_there_before_anything_big_is_loaded(tmp_path):
    packages = loaded(tmp_path, "--help")
    assert "click" in packages
    assert packages.isdisjoint({"flask", "sqlalchemy", "rich", "httpx", "pydicom", "numpy"})


def test_a_token_is_asked_for_without_a_database_a_web_server_or_a_table(tmp_path):
    private, _ = new_client_key()
    base = f"http://127.0.0.1:{free_port()}"
    write_client(tmp_path / "client.json", ClientFile("c", base, "system/*.rs", None, private))
    packages = loaded(tmp_path, f"token --as {tmp_path}/client.json", status=2)
    assert "httpx" in packages
    assert packages.isdisjoint({"flask", "sqlalchemy", "rich", "pygments"})


@pytest.mark.parametrize("line", ["withdraw 1.2.3", "report abc", "push samples/dicom/ct/liver/03.dcm"])
def test_what_a_provider_runs_loads_no_database(line):
    environment = {**os.environ, "PYTHONPROFILEIMPORTTIME": "1"}
    command = [*COMMAND, *line.split(), "--help"]
    done = subprocess.run(command, cwd=TOP, env=environment, capture_output=True, text=True, check=True)
    assert imported(done.stderr).isdisjoint({"flask", "sqlalchemy", "rich", "pydicom"})


@pytest.mark.parametrize("command", ["search", "count", "download 1.2 --to x", "cite LUNG", "view 1.2"])
def test_a_researchers_command_waits_for_nothing_that_a_server_stands_on(tmp_path, command):
    packages = loaded(tmp_path, f"{command} --as {tmp_path}/none.json", status=2)
    assert "httpx" in packages
    assert packages.isdisjoint({"flask", "sqlalchemy", "rich", "pygments", "pydicom", "numpy", "requests"})


def test_a_list_for_a_script_is_made_without_a_table(accord, tmp_path):
    packages = loaded(tmp_path, "admin party list")
    assert "sqlalchemy" in packages
    assert packages.isdisjoint({"flask", "rich"})


def test_no_process_of_a_server_loads_what_draws_tables_and_bars(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    log = tmp_path / "data.log"
    with running(tmp_path / "data", min_free_mb="0"):  # web answers; dimse may still be starting
        assert eventually(lambda: {"granian", "flask", "pynetdicom"} <= imported(log.read_text())), "web, its own, and dimse"
    assert "rich" not in imported(log.read_text())


@pytest.mark.parametrize("process", ["factory()", "dimse.main([])", "worker.main([])"])
def test_a_process_whose_parent_died_while_it_started_ends_too(tmp_path, process):
    """Nobody is left who could stop it, and a web process would share its port with the next server's."""
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    environment = {**os.environ, "ACCORD_PARENT_PID": str(gone.pid), "ACCORD_DATA_DIR": str(tmp_path / "data")}
    environment |= {"ACCORD_DIMSE_PORT": str(free_port()), "ACCORD_MIN_FREE_MB": "0"}
    code = f"import time; from server.cli.processes import *; {process}; time.sleep(60)"
    assert subprocess.run([sys.executable, "-c", code], cwd=TOP, env=environment, timeout=30, check=False).returncode == 1


def test_a_list_is_a_table_on_a_terminal(accord, tmp_path):
    accord("admin party add hospital --name 'Hospital [A]' --role provider")
    seen = on_a_terminal([*COMMAND, "admin", "party", "list"], ACCORD_DATA_DIR=str(tmp_path / "data"))
    assert re.search(r"party +role +approved +external +name", seen)
    assert re.search(r"hospital +provider +yes +no +Hospital \[A\]", seen)
    assert "\t" not in seen


WIDE = """
from server.cli.table import print_rows
print_rows(("study", "date", "title"), [("1.2." + "3" * 60, "2026-11-27", "of the liver, " * 9)])
"""


@pytest.mark.parametrize(("width", "table"), [(120, True), (60, False), (20, False)])
def test_what_is_copied_from_a_list_is_whole_on_any_terminal(width, table):
    seen = on_a_terminal([sys.executable, "-c", WIDE], COLUMNS=str(width))
    assert "1.2." + "3" * 60 in seen
    assert "2026-11-27" in seen
    assert seen.count("liver,") == 9
    assert (re.search(r"study +date +title", seen) is not None) is table


BAR = """
from server.cli.progress import transfer_bar
with transfer_bar("3 files", 2_000_000) as moved:
    for size in (1_500_000, -500_000, 1_000_000):
        moved(size)
"""


def test_how_far_a_transfer_is_is_seen_on_a_terminal_only():
    command = [sys.executable, "-c", BAR]
    seen = on_a_terminal(command)
    assert "3 files" in seen
    assert "2.0/2.0 MB" in seen
    done = subprocess.run(command, cwd=TOP, capture_output=True, check=True)
    assert (done.stdout, done.stderr) == (b"", b"")
