"""The README's set-up as it is typed: from nothing to an image in, by both doors, and out again."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from tests.commands import ALL
from tests.running import TOP
from tests.servers import find, free_port

README, ANSWERS, FHIR = ((TOP / name).read_text() for name in ("README.md", "docs/how-do-i.md", "docs/fhir.md"))
BLOCKS = re.findall(r"^<!-- run set-up -->\n+```sh\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
SHELL = re.findall(r"^```sh\n(.*?)^```", README + ANSWERS + FHIR, re.MULTILINE | re.DOTALL)
TYPED = [line.strip() for block in SHELL for line in re.sub(r"\\\n", " ", block).splitlines() if "accord " in line]
SECONDS = 240


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder that looks like the top of a clone after `make install`."""
    programs = tmp_path / ".venv/bin"
    programs.mkdir(parents=True)
    (programs / "accord").write_text(f'#!/bin/sh\nPYTHONPATH="{TOP}" exec "{sys.executable}" -m server.cli.main "$@"\n')
    (programs / "accord").chmod(0o700)
    (programs / "storescu").symlink_to(find("storescu"))
    (tmp_path / "samples").symlink_to(TOP / "samples")
    return tmp_path


@pytest.mark.timeout(300)
def test_the_set_up_ends_with_an_image_in_and_out(clone):
    dimse_port = free_port()
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ACCORD_")}
    ports = {"ACCORD_PORT": str(free_port()), "ACCORD_DIMSE_PORT": str(dimse_port)}
    script = "trap 'kill %1; wait' EXIT\n" + "".join(BLOCKS).replace("11112", str(dimse_port))
    command = [find("bash"), "-euo", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=clone, env=environment | ports, capture_output=True, text=True, timeout=SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "0 taken, 1 known already, 0 wait for review, 0 refused." in done.stdout
    assert re.search(r"^[\d.]+\t2000-01-01\tMR\t–\t1\t1\t", done.stdout, re.MULTILINE)
    assert "1 downloaded (84.2 kB), 0 already there, 0 failed" in done.stdout
    assert "✓ server" in done.stdout
    assert "✗" not in done.stdout
    (image,) = (clone / "repository/images").rglob("*.dcm")
    assert image.read_bytes()[128:132] == b"DICM"
    assert (clone / "repository/picture.jpg").read_bytes().startswith(b"\xff\xd8\xff")


@pytest.mark.parametrize("line", TYPED)
def test_every_command_of_the_documents_is_one(line):
    words = _words(line)
    named = max((each for each in ALL if tuple(words[: len(each)]) == each), key=len)
    assert named, line
    command = ALL[named]
    if not isinstance(command, click.Group):
        command.make_context(named[-1], words[len(named) :])


def _words(line: str) -> list[str]:
    """The words of one `accord` command, without what the shell makes of the rest."""
    text = re.split(r"\s(?:\|\||>|&)\s?|&$|\)$|\s#", line[re.search(r"(?<![\w/-])(\.venv/bin/)?accord ", line).end() :])[0]
    return shlex.split(text.replace("/backup/accord", "."))
