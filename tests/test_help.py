"""What commands say of themselves: a sentence, examples and flags for each, lists under headers, and nothing of a broken pipe."""

import json
import os
import re
import shlex
import subprocess

import click
import pytest

from tests.commands import ALL
from tests.running import COMMAND, TOP


def examples_of(command: click.Command) -> list[str]:
    """The lines that a command's help ends with."""
    return [line.strip() for line in (command.epilog or "").splitlines() if line.startswith("  accord ")]


def options_of(command: click.Command) -> list[click.Option]:
    return [each for each in command.params if isinstance(each, click.Option)]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_command_has_a_sentence_and_examples_that_it_reads(words):
    command = ALL[words]
    assert re.fullmatch(r"[A-Z].*[.?]", command.help.splitlines()[0]), command.help
    assert examples_of(command)
    for line in examples_of(command):
        accord, *given = shlex.split(line, comments=True)
        assert accord == "accord"
        named = max((each for each in ALL if tuple(given[: len(each)]) == each), key=len)
        assert named[: len(words)] == words, line
        if not isinstance(ALL[named], click.Group):
            ALL[named].make_context(line, given[len(named) :])


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_flag_has_a_sentence_and_an_example(words):
    """In the command's examples, in its own words, or by the words that it takes."""
    command = ALL[words]
    typed = {word for line in examples_of(command) for word in shlex.split(line)}
    for option in options_of(command):
        assert option.help, option.name
        shown = typed & set(option.opts) or "such as" in option.help or isinstance(option.type, click.Choice)
        assert option.is_flag or shown, (words, option.name)


def test_a_list_has_headers_in_a_pipe_and_names_in_json(accord):
    accord("admin party add hospital --name 'Hospital A' --role provider --unapproved")
    assert accord("admin party list") == (0, "party\trole\tapproved\texternal\tname\nhospital\tprovider\tno\tno\tHospital A\n")
    (told,) = json.loads(accord("admin party list --json")[1])
    assert told == {"party": "hospital", "role": "provider", "approved": False, "external": False, "name": "Hospital A"}


@pytest.mark.parametrize("words", [words for words in ALL if words[-1:] == ("list",)], ids=" ".join)
def test_every_list_is_there_as_json_too(accord, words):
    assert json.loads(accord(f"{' '.join(words)} --json")[1]) == []


def test_who_stops_reading_is_no_error(accord, tmp_path):
    line = f"{shlex.join(COMMAND)} --help | head -c 10"
    done = subprocess.run(["/bin/bash", "-c", f"set -o pipefail; {line}"], cwd=TOP, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", "Usage: acc")
    for n in range(60):
        accord(f"admin party add p{n} --name {'x' * 2000} --role user")
    environment = {**os.environ, "ACCORD_DATA_DIR": str(tmp_path / "data")}
    line = f"{shlex.join(COMMAND)} admin party list | head -1"
    done = subprocess.run(["/bin/bash", "-c", line], cwd=TOP, env=environment, capture_output=True, text=True, check=False)
    assert (done.stderr, done.stdout) == ("", "party\trole\tapproved\texternal\tname\n")
