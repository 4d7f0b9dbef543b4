"""The log has one form in every process, and none of them loads what only another needs."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from server.log import JsonLines, start_log
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
    assert (done.returncode, done.stdout.splitlines()) == (0, ["[]"]), done.stderr


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
