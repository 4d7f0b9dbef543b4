"""Withdrawals over HTTP: of one's own only, whatever is stopped, and first as a question; and `accord withdraw` on top of it."""

import pytest
from sqlalchemy import select

from adapters.accord_client import AccordClient
from adapters.client_file import write_client
from adapters.sql import tables as t
from mappings.failures import Conflict, Forbidden, Invalid, NotFound
from server.cli import report, withdraw
from server.usecases import withdraw as usecase
from server.usecases.agreement import move_agreement
from tests import builders
from tests.builders import ACTOR, made
from tests.commands import run
from tests.deposits import deposit, in_care
from tests.wire import Wire

STUDY, OTHER = "1.2.3", "1.2.4"


@pytest.fixture
def wire(tmp_path):
    """LUNG of hospital-a with two studies of one pseudonym and one of another; CHEST of hospital-b with one of the same name."""
    made_ = Wire(tmp_path)
    builders.seed(made_.runtime, alias="CHEST", provider="hospital-b")
    for n, (study, patient) in enumerate(((STUDY, "P1"), (OTHER, "P1"), ("1.2.5", "P2"))):
        assert deposit(made_.runtime, made(f"{study}.1.{n}", study=study, PatientID=patient)) == ("pass", "declared")
    chest = builders.batch(made_.runtime, "CHEST", provider="hospital-b")
    assert deposit(made_.runtime, made("1.2.6.1.1", study="1.2.6", PatientID="P1"), chest) == ("pass", "declared")
    yield made_
    made_.close()


@pytest.fixture
def provider(wire) -> AccordClient:
    return wire.client("pacs-a", "hospital-a")


def held(wire) -> set[str]:
    with wire.runtime.store.read() as connection:
        return set(connection.execute(select(t.study.c.study_uid)).scalars())


def test_a_provider_is_told_first_and_then_takes_its_study_out_at_once(wire, provider):
    asked = {"study": STUDY, "reason": "consent withdrawn"}
    told = provider.withdraw({**asked, "dry_run": True})
    assert (told["dataset"], told["studies"], told["objects"], told["done"]) == ("LUNG", [STUDY], 1, False)
    assert STUDY in held(wire)
    assert provider.withdraw(asked) == told | {"done": True}
    assert held(wire) == {OTHER, "1.2.5", "1.2.6"}
    assert deposit(wire.runtime, made(f"{STUDY}.1.9", study=STUDY)) == ("reject", "blocked")
    with pytest.raises(NotFound):
        provider.withdraw(asked)


@pytest.mark.parametrize("reason", ["two\nlines", "x" * 501])
def test_a_reason_that_can_not_be_kept_is_refused_of_a_dry_run_too(provider, reason):
    with pytest.raises(Invalid, match="one line"):
        provider.withdraw({"study": STUDY, "dry_run": True, "reason": reason})


def test_a_pseudonym_of_too_many_studies_is_withdrawn_by_study(provider, monkeypatch):
    monkeypatch.setattr(usecase, "MOST_STUDIES", 1)
    with pytest.raises(Conflict, match="by study"):
        provider.withdraw({"dataset": "LUNG", "patient": "P1"})
    assert provider.withdraw({"dataset": "LUNG", "patient": "P2"})["done"]


def test_a_pseudonym_goes_from_one_dataset_and_no_other(wire, provider):
    told = provider.withdraw({"dataset": "LUNG", "patient": "P1", "replace": True})
    assert (told["studies"], told["objects"]) == ([STUDY, OTHER], 2)
    assert held(wire) == {"1.2.5", "1.2.6"}
    assert deposit(wire.runtime, made(f"{STUDY}.1.9", study=STUDY)) == ("pass", "declared")


def test_what_is_stopped_can_still_be_taken_out(wire, provider):
    move_agreement(wire.runtime, ACTOR, "DSA-LUNG", "terminate")
    assert provider.withdraw({"study": STUDY})["done"]


@pytest.mark.parametrize("what", [{"study": "1.2.6"}, {"study": "9.9"}, {"dataset": "CHEST", "patient": "P1"}])
def test_anothers_is_as_unknown_as_what_is_not_there(wire, provider, what):
    with pytest.raises(NotFound) as refused:
        provider.withdraw(what)
    assert refused.value.sentence.endswith("or none of yours.")
    assert "1.2.6" in held(wire)


def test_nobody_but_a_provider_and_the_operator_withdraws(wire):
    with pytest.raises(Forbidden):
        wire.client("lab", "university", scopes=["system/*.cruds"], purposes=["AIRESEARCH"]).withdraw({"study": STUDY})
    with pytest.raises(Forbidden):
        wire.client("reader", "hospital-a", scopes=["system/*.rs"]).withdraw({"study": STUDY})
    assert wire.client("office", "centre").withdraw({"study": STUDY})["done"]
    assert in_care(wire.runtime, f"{STUDY}.1.0") is None


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"dataset": "LUNG"},
        {"patient": "P1"},
        {"study": STUDY, "patient": "P1"},
        {"study": STUDY, "dataset": "LUNG", "patient": "P1"},
        {"study": 1},
        {"study": ""},
        {"dataset": "LUNG", "patient": ""},
        {"study": STUDY, "dry_run": "yes"},
        {"study": STUDY, "colour": "red"},
        {"study": STUDY, "reason": "two\nlines"},
        {"study": "1\u0000"},
        {"study": "x" * 1025},
    ],
)
def test_what_is_no_withdrawal_takes_nothing_out(wire, provider, body):
    with pytest.raises(Invalid):
        provider.withdraw(body)
    assert STUDY in held(wire)


# --- the command line


@pytest.fixture
def command(wire, tmp_path, monkeypatch, capsysbinary):
    """`accord …` of the provider: (status, what was said on standard output)."""
    write_client(tmp_path / "pacs.json", wire.file("pacs-b", "hospital-a"))
    for module in (report, withdraw):
        monkeypatch.setattr(module, "AccordClient", lambda client, _url, **_: AccordClient(client, transport=wire.transport))

    def said(line: str) -> tuple[int, str]:
        status = run(*line.split(), "--as", str(tmp_path / "pacs.json"))
        return status, capsysbinary.readouterr().out.decode()

    return said


def test_accord_withdraw_says_what_goes_and_takes_it_out(wire, command):
    told = "To be taken out of LUNG: 2 objects (1.2 kB) of 2 studies, 1.2.3, 1.2.4.\n"
    status, said = command("withdraw --dataset LUNG --patient P1 --dry-run")
    assert (status, said.startswith(told), held(wire) >= {STUDY, OTHER}) == (0, True, True), said
    assert command("withdraw --dataset LUNG --patient P1")[0] == 1, "nobody is there to be asked"
    status, said = command("withdraw --dataset LUNG --patient P1 --reason agreed --yes")
    assert (status, said.endswith("2 objects withdrawn\n"), held(wire)) == (0, True, {"1.2.5", "1.2.6"})
    assert command("withdraw --patient P1")[0] == 2


def test_accord_report_lists_ones_own_batches_and_tells_of_one(wire, command):
    status, said = command("report")
    head, *rows = said.splitlines()
    assert (status, head) == (0, "batch\tdataset\tdoor\topened\tstate\tfiles\twaiting")
    assert {row.split("\t")[1] for row in rows} == {"LUNG"}
    key = next(row.split("\t")[0] for row in rows if row.split("\t")[5] == "1")
    assert command(f"report {key}")[1].startswith(f"Batch {key} for LUNG: 1 file:")
    assert command(f"report {key} --format csv")[1].startswith("file,outcome,")
    assert command("report nothing")[0] == 2
