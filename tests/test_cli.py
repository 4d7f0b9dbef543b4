"""The command line: every command explains itself, and every verb of `accord admin` does what its line says, once."""

import argparse
import json
import shlex
from pathlib import Path

import pytest

from adapters.identity import new_client_key, read_client
from consent.agreement import MOVES
from consent.node import MOVES as NODE_MOVES
from server.cli import main
from server.cli.admin import VERBS
from tests import builders

COMMANDS = {"serve", "web", "dimse", "worker", "migrate", "demo", "doctor", "token", "push", "explain", "ledger", "admin"}
"""What the design's table of contracts names and this release has."""


def parsers(parser: argparse.ArgumentParser, named: tuple[str, ...] = ()):
    """Every parser under this one, by its words."""
    yield named, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, inner in action.choices.items():
                yield from parsers(inner, (*named, name))


PARSERS = dict(parsers(main.parser()))


def run(*arguments: str) -> int:
    """`accord …` in this process; its exit status."""
    with pytest.raises(SystemExit) as ended:
        main.main(list(arguments))
    return ended.value.code or 0


@pytest.fixture
def accord(tmp_path: Path, monkeypatch, capsys):
    """`accord('admin party list')` on a data directory of its own: (status, what was said)."""
    for name in ("DATA_DIR", "DATABASE_URL", "PORT", "DIMSE_PORT", "BIND"):
        monkeypatch.delenv(f"ACCORD_{name}", raising=False)
    monkeypatch.setenv("ACCORD_DATA_DIR", str(tmp_path / "data"))

    def command(line: str) -> tuple[int, str]:
        status = run(*shlex.split(line))
        said = capsys.readouterr()
        return status, said.out + said.err

    return command


@pytest.mark.parametrize("words", PARSERS, ids=" ".join)
def test_every_command_explains_itself(words, capsys):
    assert run(*words, "--help") == 0
    said = capsys.readouterr().out
    assert said.startswith(" ".join(("usage: accord", *words)))


def test_the_commands_are_those_of_the_design():
    assert {words[0] for words in PARSERS if words} == COMMANDS


def test_each_command_has_a_line_in_the_help_of_all(capsys):
    run("--help")
    said = capsys.readouterr().out.splitlines()
    for name in COMMANDS:
        assert any(line.split()[:1] == [name] and len(line.split()) > 2 for line in said), name


def test_every_legal_move_has_its_verb():
    assert {("agreement", verb) for verb in MOVES} | {("node", verb) for verb in NODE_MOVES} <= set(VERBS)


LINES = (
    ("terms add {folder}/terms.txt --version 1.0.0", "1.0.0 sha256:"),
    ("terms list", "1.0.0\t"),
    ("node add central --networks 127.0.0.0/8", ""),
    ("node list", "central\tfolder\tcentral\tlinked"),
    ("node compare central", ""),
    ("node suspend central", ""),
    ("node unlink central", ""),
    ("node link central", ""),
    ("party add hospital --name 'Hospital A' --role provider", ""),
    ("party add university --name University --role user", ""),
    ("party list", "hospital\tprovider\tTrue\tHospital A"),
    ("agreement add DSA --provider hospital --node central --terms 1.0.0 --class conditional --actions query,process", ""),
    ("agreement propose DSA", "DSA: proposed"),
    ("agreement activate DSA", "DSA: active"),
    ("agreement suspend DSA", "DSA: suspended"),
    ("agreement suspend DSA --for provider", "DSA: suspended"),
    ("agreement show DSA@1", "DSA of hospital: suspended, stopped by the provider and the repository"),
    ("agreement resume DSA", "DSA: suspended"),
    ("agreement resume DSA --for provider", "DSA: active"),
    ("agreement list", "DSA\t1\tactive\tconditional\tnone"),
    ("dataset add LUNG --agreement DSA --title 'Lung CT'", ""),
    ("dataset set LUNG version=1.0.0 keyword=lung", ""),
    ("dataset list", "LUNG\tLung CT\t"),
    ("sender add LUNG --aet PACS1 --from 10.1.2.3/32", ""),
    ("sender attest LUNG --aet PACS1 --person 'Dr. A' --on 2026-11-01", ""),
    ("sender list", "PACS1\t10.1.2.3/32\tDr. A"),
    ("sender remove LUNG --aet PACS1", ""),
    ("client add pacs --party hospital --terms 1.0.0 --write {folder}/pacs.json", "client file: {folder}/pacs.json"),
    ("client add own --party university --jwks {folder}/jwks.json --purposes AITRAIN", ""),
    ("client set own --terms 1.0.0", ""),
    ("client disable own", ""),
    ("client list", "own\tFalse\tAITRAIN"),
    ("client enable own", ""),
    ("permit add LUNG --party university --ends 2030-01-01", ""),
    ("permit list", ""),
    ("permit revoke LUNG --party university", ""),
    ("batch list", ""),
    ("custody show", "0 objects, 0 bytes held"),
    ("agreement terminate DSA", "DSA: terminated"),
)
REFUSED = (
    ("agreement activate DSA", "There is no agreement called DSA"),
    ("agreement show DSA@2", "There is no agreement called DSA"),
    ("party add hospital --name H --role king", "invalid choice: 'king'"),
    ("terms add {folder}/terms.txt --version one", "MAJOR.MINOR.PATCH"),
    ("terms add {folder}/absent.txt --version 1.0.0", "No such file"),
    ("dataset add lung --agreement DSA --title x", "A dataset is called by"),
    ("sender add LUNG --aet X --from everywhere", "LUNG"),
    ("client add x --party nobody", "nobody"),
    ("permit revoke LUNG --party university", "LUNG"),
    ("study withdraw 1.2.3", "No object of this study is in care"),
    ("block lift 1.2.3", "No block in force"),
    ("batch show abc", "There is no batch with this key"),
    ("batch release abc", "There is no batch with this key"),
    ("batch refuse abc", "There is no batch with this key"),
    ("agreement add D --provider a --node b --terms 1.0.0 --starts tomorrow", "a date is YYYY-MM-DD"),
)
"""Lines that can't be done, and a piece of the sentence that says why."""


def test_every_verb_does_what_its_line_says(accord, tmp_path):
    (tmp_path / "terms.txt").write_text("Never for diagnosis.\n")
    (tmp_path / "jwks.json").write_text(json.dumps(new_client_key()[1]))
    for line, says in LINES:
        status, said = accord(f"admin {line}".format(folder=tmp_path))
        assert status == 0, (line, said)
        assert says.format(folder=tmp_path) in said, line
    assert read_client(tmp_path / "pacs.json").client_id == "pacs"
    assert accord("ledger verify")[1].startswith(f"{sum(1 for line, _ in LINES if recorded(line))} entries")
    assert accord("doctor") == (0, "All is well.\n")


def recorded(line: str) -> bool:
    """Whether a line changes something, and so leaves an entry."""
    return line.split()[1] not in ("list", "show", "compare")


def test_the_lines_use_every_verb():
    used = {tuple(line.split()[:2]) for line, _ in LINES + REFUSED}
    assert used == set(VERBS)


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
    hall = builders.hall(tmp_path)
    builders.seed(hall)
    hall.store.close()
    assert accord("explain 1.2.3 --as nobody")[1] == "accord: There is no client called nobody.\n"
