"""`accord`: the command line."""

import argparse
import os
import sys

from mappings.failures import Failure
from server.cli import admin, demo, look, processes, push, tokens


def parser() -> argparse.ArgumentParser:
    """Every command with its help."""
    top = argparse.ArgumentParser(prog="accord", description="Found, queried and used exactly as the data providers agreed.")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    processes.add_parsers(commands)
    for module in (admin, demo, push, tokens):
        module.add_parser(commands)
    look.add_parsers(commands)
    return top


def main(arguments: list[str] | None = None) -> None:
    """Run one command; failures are sentences on standard error and status 2."""
    args = parser().parse_args(arguments)
    os.umask(0o077)  # a mounted data directory may be open to others; the database, its log and what is spooled never are
    try:
        status = args.run(args)
    except (Failure, ValueError, OSError) as failure:
        print(f"accord: {failure}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = 130
    sys.exit(status)


if __name__ == "__main__":
    main()
