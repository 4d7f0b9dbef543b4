"""How the command line does what two persons decide on: it proposes, or one does it alone and says why."""

from collections.abc import Mapping

import click

from consent.person import Actor
from server.usecases import proposal
from server.usecases.runtime import Runtime

ALONE = click.option(
    "--alone", metavar="REASON", help="do it now, without a second person, such as 'a key was lost'; every operator is told"
)


def decided(runtime: Runtime, actor: Actor, act: str, arguments: Mapping[str, str], reason: str, alone: str | None) -> str:
    """What was done, by one alone or by the only operator there is; or until when it waits for a second person."""
    if alone is not None:
        return proposal.act_alone(runtime, actor, act, arguments, alone)
    made = proposal.propose(runtime, actor, act, arguments, reason)
    return made.done or f"{made.key}: proposed, until {made.expires:%Y-%m-%d}; digest {made.digest}"
