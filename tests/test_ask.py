"""`accord ask` as it is typed: a table that lives on a terminal, lines in a pipe, one object with --json, and a status."""

import json
import shlex

from tests.commands import on_a_terminal
from tests.running import COMMAND
from tests.usecases.test_ask import OK, behaving, is_silent, says

TWO = says(OK, b'{"collections":[{"id":"D\\u001b[2J","name":"Set","studies_count":2,"subjects_count":1}]}')
NO = says(b"HTTP/1.1 401 No\r\n")


def test_each_peer_is_a_line_and_what_all_come_to_is_said(accord):
    with behaving(TWO) as good, behaving(NO) as other:
        for name, url in (("good", good), ("other", other)):
            assert accord(f"admin peer add {name} --kind eucaim --url {url}")[0] == 0
        status, said = accord("ask --modality mr --sex M")
        (_, first, second, *_), least = [line.split("\t") for line in said.splitlines()], said.splitlines()[-1]
        assert (status, first[:5], second[:3]) == (0, ["good", "answered", "2", "1", "1"], ["other", "refused", "–"])
        assert least.startswith("At least 2 studies of 1 subject")
        assert least.endswith("1 peer told no count and may have more.")
        told = json.loads(accord("ask --age 40- --json --peer good")[1].rpartition("}")[0] + "}")
        assert (told["question"], told["at_least"]) == ({"age": [40, 150]}, {"studies": 2, "subjects": 1, "datasets": 1})
        assert [dataset["peers"] for dataset in told["datasets"]] == [["good"]]
        assert accord("ask --peer other")[0] == 1, "none told a count"
    assert accord("ask --peer nobody")[0] == 2
    status, said = accord("ask --sex X")
    assert (status, "one of: M, F, O" in said) == (2, True)


def test_on_a_terminal_the_table_lives_and_shows_nothing_that_a_peer_made_up(accord, tmp_path):
    with behaving(TWO) as good, behaving(is_silent) as silent:
        for name, url in (("good", good), ("silent", silent)):
            accord(f"admin peer add {name} --kind eucaim --url {url}")
        line = [*COMMAND, *shlex.split("ask --sex M")]
        shown = on_a_terminal(line, ACCORD_PEER_SECONDS="1", ACCORD_DATA_DIR=str(tmp_path / "data"))
    before, after = shown.find("waiting"), shown.rfind("no answer")
    assert 0 < before < shown.find("answered") < after
    assert "It did not answer within 1 s." in shown
    assert "D\x1b" not in shown
