"""Recording an answered request: every door's reads and searches, within 100 ms of the answer."""

from collections.abc import Iterable, Sequence

from adapters.sql.access import Access
from consent.access import Interaction, Seen
from consent.conditions import Action
from mappings.fhir.resources import RESOURCES
from mappings.fhir.serial import identities
from server.usecases.runtime import Caller, Runtime

TARGET_CHARACTERS = 1000


def note_access(
    runtime: Runtime,
    caller: Caller,
    action: Action,
    target: str,
    status: int,
    count: int,
    *,
    interaction: Interaction = Interaction.READ,
    seen: Sequence[Seen] = (),
    characters: int = TARGET_CHARACTERS,
) -> None:
    """Note that `caller` was answered `status` with `count` rows on `target` (a reference, or a search as it was asked).

    `seen` are the resources that it was shown, by whose data they are; so many `characters` of the target are kept.
    """
    asked = target[:characters].replace("\0", "")  # PostgreSQL takes no NUL, and one row must not spoil its group
    who, purpose = caller.subject.id, caller.purpose or ""
    row = Access(runtime.clock(), who, str(action), purpose, asked, status, count, caller.request, interaction, tuple(seen))
    runtime.accesses.note(row)


def shown(resources: Iterable[tuple[str, bytes, int | None]]) -> list[Seen]:
    """What an answer of these (type, resource, whose data it is) showed, but for what is told to anybody."""
    groups: dict[tuple[str, int | None], list[bytes]] = {}
    for kind, document, owner in resources:
        groups.setdefault((kind, owner), []).append(document)
    return [Seen(kind, identities(each), owner) for (kind, owner), each in groups.items() if not RESOURCES[kind].is_public]
