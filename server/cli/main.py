"""`accord`: the command line, whose commands are loaded when they are run."""

import os
import signal
import sys
from importlib import import_module
from types import ModuleType

import click

from consent.policy import NEVER_FOR_DIAGNOSIS
from mappings.failures import Failure
from server.cli.help import examples

COMMANDS = {
    "serve": ("server.cli.processes", "All in one."),
    "web": ("server.cli.processes", "Serve HTTP by several processes."),
    "dimse": ("server.cli.processes", "Serve the DICOM network."),
    "worker": ("server.cli.processes", "Do the chores."),
    "migrate": ("server.cli.processes", "Make an Accord where there is none, and bring the database to the newest schema."),
    "admin": ("server.cli.admin.nouns", "What the operator does."),
    "demo": ("server.cli.demo", "Start a demo with sample data on this machine."),
    "push": ("server.cli.push", "Send DICOM files into a dataset and print what became of each."),
    "check": ("server.cli.check", "Say what would become of DICOM files if they were sent. Nothing is sent."),
    "report": (
        "server.cli.report",
        "Say what became of each file of a batch; without one, which batches there are, at most a hundred.",
    ),
    "withdraw": ("server.cli.withdraw", "Take a study, or all of one pseudonym, out of your own dataset at once."),
    "search": ("server.cli.find", "List the studies that a client may know of, newest first."),
    "count": ("server.cli.find", "Count studies, series, instances and subjects, and the bytes of what may be retrieved."),
    "download": ("server.cli.download", "Bring studies into a folder, each object checked by its digest."),
    "cite": ("server.cli.cite", "Print how datasets are cited, with the line that acknowledges them."),
    "view": ("server.cli.view", "Open a picture of an image; of a study or series, of the one in its middle."),
    "proxy": ("server.cli.proxy", "Serve a repository's DICOMweb and FHIR on this machine's loopback, until stopped."),
    "login": ("server.cli.login", "Act as a person who signs in with a browser."),
    "api": ("server.cli.api", "Send one request below /api, and print the answer as JSON."),
    "token": ("server.cli.tokens", "Print an access token, good for five minutes."),
    "ask": ("server.cli.ask", "Ask other repositories how much they have; ends with 1 where none told a count."),
    "doctor": ("server.cli.diagnose", "Look at all that this Accord stands on, and say what is wrong."),
    "backup": ("server.cli.backup", "Copy this Accord into a folder while it runs: database, keys, quarantine, folder nodes."),
    "restore": ("server.cli.backup", "Put a backup back, into an empty data directory and an empty database."),
    "explain": ("server.cli.explain", "Say what a client may do with a study, by which rule, agreement and terms."),
    "ledger": ("server.cli.ledger", "The record."),
    "catalogue": ("server.cli.catalogue", "The catalogue that harvesters read."),
}
"""Command → the module that has it, and its line in the help of all, which loads none of them."""


class Commands(click.Group):
    """The commands of the table. Loading one loads what it stands on, so neither `--help` nor `token` waits for a database."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every command, in the table's order."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """The command called so, loaded now."""
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(COMMANDS[cmd_name][0]), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the table's lines."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(
    cls=Commands,
    help=f"Found, queried and used exactly as the data providers agreed.\n\n{NEVER_FOR_DIAGNOSIS}",
    epilog=examples("accord demo", "accord check export/", "accord admin agreement list"),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120},
)
def accord() -> None:
    """The program."""
    os.umask(0o077)  # a mounted data directory may be open to others; the database, its log and what is spooled never are


def main(arguments: list[str] | None = None) -> None:
    """Run one command; failures are sentences on standard error and status 2."""
    sys.modules.setdefault("httpx._main", ModuleType("httpx._main"))  # httpx would load a command line of its own, and rich
    try:
        status = accord.main(arguments, prog_name="accord", standalone_mode=False)
        sys.stdout.flush()
    except click.ClickException as refusal:
        refusal.show()
        status = refusal.exit_code
    except BrokenPipeError:  # who read it has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 128 + signal.SIGPIPE
    except OSError as error:
        print(f"accord: {f'{error.filename}: ' if error.filename else ''}{error.strerror or error}.", file=sys.stderr)
        status = 2
    except (Failure, ValueError) as failure:
        print(f"accord: {failure}", file=sys.stderr)
        status = 2
    except click.Abort:  # Ctrl-C
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
