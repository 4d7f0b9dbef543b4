"""What every act of people asks first: whether the actor's roles let it do this."""

from consent.agreement import Side
from consent.person import Act, Actor, may
from mappings.failures import Forbidden, NotFound

MAY_NOT = "Your roles do not let you do that."


def require_may(actor: Actor, act: Act, party: str | None = None) -> None:
    """Raises Forbidden where the actor may not do this to what is `party`'s (None: the repository's own)."""
    if not may(actor, act, party):
        raise Forbidden("role", MAY_NOT)


def require_known(actor: Actor, act: Act, party: str, unknown: NotFound) -> None:
    """The same of something that is not shown to others. Raises Forbidden for who may do so to nothing, `unknown` for others."""
    if not may(actor, act, party):
        if actor.party is not None and may(actor, act, actor.party):
            raise unknown
        raise Forbidden("role", MAY_NOT)


def side_of(actor: Actor) -> Side:
    """For which side an actor acts: its organisation's, or the repository's."""
    return Side.REPOSITORY if actor.party is None else Side.PROVIDER
