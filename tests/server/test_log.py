"""The log has one form in every process, and none of them loads what only another needs."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from server.log import MOST_KINDS, JsonLines, Repeats, start_log
from tests import builders
from tests.servers import free_port

TOP = Path(__file__).parent.parent.parent
LIFE = """
import sys, threading
from server.cli import main, processes
stopped = threading.Event()
stopped.set()
processes.until_stopped = lambda: stopped  # everything is put together, served, and taken down at once
try:
    main.main(sys.argv[1:])
finally:
    print(sorted({"flask", "werkzeug", "authlib", "granian", "rdflib"} & sys.modules.keys()))
"""


@pytest.mark.parametrize("process", ["dimse", "worker", "migrate"])
def test_a_process_that_serves_no_web_loads_none_of_it(tmp_path: Path, process: str) -> None:
    builders.runtime(tmp_path).close()
    port = ["--dimse-port", str(free_port())]
    command = [sys.executable, "-c", LIFE, process, "--data", str(tmp_path / "data"), *port]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["[]"]), done.stderr


def test_a_line_says_the_event_and_what_happened_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger("accord")
    before = root.handlers[:], root.level, root.propagate
    try:
        start_log("INFO")
        logging.getLogger("accord.dimse").info("C-STORE", extra={"batch": None, "path": Path("x"), "calling": 'A"\n'})
        logging.getLogger("accord.dimse").debug("not this")
    finally:
        root.handlers[:], root.level, root.propagate = before
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert said.pop("at").endswith("+00:00")
    assert said == {"level": "INFO", "logger": "accord.dimse", "message": "C-STORE", "path": "x", "calling": 'A"\n'}


def test_a_failure_brings_its_trace_on_the_same_line() -> None:
    try:
        {}["x"]
    except KeyError:
        record = logging.LogRecord("accord", logging.ERROR, "", 0, "unexpected", (), sys.exc_info())
    (line,) = JsonLines().format(record).splitlines()
    assert "KeyError" in json.loads(line)["trace"]


def test_a_trouble_that_comes_again_and_again_is_said_once_a_minute_and_how_often_it_came():
    now = [0.0]
    repeats = Repeats(lambda: now[0])

    def said(level: int = logging.ERROR, message: str = "chore failed", **extra: object) -> object:
        record = logging.LogRecord("accord.worker", level, "", 0, message, (), None)
        record.__dict__ |= extra
        return repeats.filter(record) and (record.__dict__.get("repeated") or True)

    assert [said(code="database-unavailable", chore=name) for name in ("beat", "purge", "purge")] == [True, False, False]
    assert said(code="node-unavailable") is True
    assert said(message="database", cause="OperationalError") is True
    assert [said(logging.INFO, code="x"), said(logging.INFO, code="x")] == [True, True]
    assert [said(message="request failed"), said(message="request failed")] == [True, True], "each is its own"
    now[0] = 61
    assert said(code="database-unavailable", chore="beat") == 2


def test_the_trouble_of_one_node_does_not_keep_anothers_from_being_said():
    now = [0.0]
    repeats = Repeats(lambda: now[0])
    told = []
    for now[0] in range(0, 120, 10):
        for node in "ab":
            record = logging.LogRecord("accord.worker", logging.ERROR, "", 0, "chore failed", (), None)
            record.code, record.said = "node-unavailable", f"Node {node} does not answer."
            if repeats.filter(record):
                told.append((now[0], node))
    assert told == [(0, "a"), (0, "b"), (60, "a"), (60, "b")]


def test_strangers_make_no_list_of_troubles_without_end():
    repeats = Repeats(lambda: 0.0)
    for n in range(3 * MOST_KINDS):
        record = logging.LogRecord("accord", logging.ERROR, "", 0, "m", (), None)
        record.code = str(n)
        assert repeats.filter(record)
    assert len(repeats._said) <= MOST_KINDS + 1
