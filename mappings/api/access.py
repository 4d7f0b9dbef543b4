"""What a workspace asks of a person's access, in the words of EUCAIM's dataset-service."""

from typing import Annotated

from msgspec import Meta, field

from mappings.api.shapes import Asked, Line

MOST_DATASETS = 1000


Called = Annotated[str, Meta(min_length=1, max_length=200, pattern=r"^[!-~]+$")]


class AccessAsked(Asked):
    """A person, by the `preferred_username` of the repository's provider, and datasets by alias or EUCAIM's id."""

    user: Line = field(name="userName")
    datasets: Annotated[list[Called], Meta(min_length=1, max_length=MOST_DATASETS)]
