"""`accord doctor`: what is wrong now, said to the operator; nothing is changed."""

import click

from server import wiring
from server.cli.options import with_settings
from server.settings import Settings
from server.usecases import compare, describe, federate, health, job, vet_node


@click.command()
@with_settings
def doctor(settings: Settings) -> int:
    """Say what is wrong with this Accord, and what a dataset lacks for the catalogue."""
    runtime = wiring.runtime(settings, upgrade=False)
    if hindrance := health.find_hindrance(runtime):
        print(hindrance)
        return 1
    troubles = [*health.find_troubles(runtime), *job.find_troubles(runtime), *compare.find_damage(runtime)]
    notes = [*describe.find_gaps(runtime), *vet_node.review_nodes(runtime)]
    print("\n".join([*([*troubles, *notes] or ["All is well."]), *federate.budget(runtime)]))
    return 1 if troubles else 0
