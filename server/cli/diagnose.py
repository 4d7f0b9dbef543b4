"""`accord doctor`: what an Accord stands on, said to the operator; nothing is changed."""

import json
from collections.abc import Iterator
from dataclasses import asdict

import click

from mappings.failures import Failure, NotFound
from server import wiring
from server.cli.help import examples
from server.cli.options import with_settings
from server.settings import Settings
from server.usecases.examine import Checked, Mark, examine, examine_keys

LOCK_SECONDS = 2
SIGNS = {Mark.WELL: "✓", Mark.WRONG: "✗", Mark.NOTE: "·"}


@click.command(epilog=examples("accord doctor", "accord doctor --json"))
@click.option("--json", "as_json", is_flag=True, help="print an array of objects: check, mark, sentence, remedy")
@with_settings
def doctor(settings: Settings, *, as_json: bool) -> int:
    """Look at all that this Accord stands on, and say what is wrong.

    ✓ is well, ✗ is wrong and has a remedy, · is worth knowing. It ends with 1 on any ✗.
    """
    checked = []
    for each in _checked(settings):
        checked.append(each)
        if not as_json:
            print(_line(each), flush=True)  # as it is found: the next one may take its time
    if as_json:
        print(json.dumps([asdict(each) for each in checked], indent=1))
    return 1 if any(each.mark is Mark.WRONG for each in checked) else 0


def _checked(settings: Settings) -> Iterator[Checked]:
    wiring.require(settings)
    keys = examine_keys(settings)
    yield from keys
    if any(key.mark is Mark.WRONG for key in keys):
        return  # to go on would make what is missing
    try:
        runtime = wiring.runtime(settings, upgrade=False, lock_seconds=LOCK_SECONDS)
    except NotFound:
        raise
    except Failure as failure:
        yield Checked("database", Mark.WRONG, failure.sentence)
        return
    yield from examine(runtime)
    runtime.close()


def _line(checked: Checked) -> str:
    remedy = f" → {checked.remedy}" if checked.remedy and checked.mark is Mark.WRONG else ""
    return f"{SIGNS[checked.mark]} {checked.check}: {checked.sentence}{remedy}"
