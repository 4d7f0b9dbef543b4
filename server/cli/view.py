"""`accord view`: a picture of an image, as far as its client may see it."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from adapters.repository import Found, Listed, Repository, listed, retrieved
from mappings.failures import Forbidden, NotFound
from server.cli.help import examples
from server.cli.progress import in_words
from server.cli.reading import asker_flags, opened
from server.cli.sentences import warn

LARGEST_SIDE = 4096
"""Pixels; no server draws more."""
_ROWS = "00280010"


@click.command(
    epilog=examples(
        "accord view 1.2.826.0.1.3680043.8.498.1 --as lab-b.client.json",
        "accord view 1.2.826.0.1.3680043.8.498.1 --frame 12 --output slice.jpg --purpose AIRESEARCH --as lab-b.client.json",
    )
)
@click.argument("study")
@click.argument("series", required=False)
@click.argument("instance", required=False)
@click.option("--frame", type=click.IntRange(1), help="which frame, from 1; default: the first")
@click.option("--output", type=Path, metavar="FILE", help="write it there (JPEG), and open nothing")
@asker_flags
def view(
    study: str,
    series: str | None,
    instance: str | None,
    frame: int | None,
    output: Path | None,
    client: Path,
    url: str | None,
    purpose: str | None,
) -> None:
    """Open a picture of an image; of a study or series, of the one in its middle.

    It is as large as the image where the client may view it, else a preview of at most 512 pixels. Not for diagnosis.
    """
    with opened(client, url, purpose) as repository:
        path = retrieved(study, series, instance) if instance else _middle(repository.instances(study, series)).path
        picture = _seen(repository, path, frame)
    if output is not None:
        output.write_bytes(picture)
        print(f"{output}: {in_words(len(picture))}")
        return
    file = _kept(picture)
    warn(f"The picture is in {file}; delete it when you have seen it.")
    click.launch(str(file))


def _middle(found: Sequence[Found]) -> Listed:
    images = [each for each in found if each.get(_ROWS, {}).get("Value")]
    if not images:
        raise NotFound("no-image", "There is no image to be seen there, or none for you.")
    return listed(images[len(images) // 2])


def _seen(repository: Repository, path: str, frame: int | None) -> bytes:
    try:
        return repository.picture(path, frame, LARGEST_SIDE)
    except Forbidden as refusal:
        preview = repository.picture(path, frame, None)
        warn(f"This is a preview. {refusal.sentence}")
        return preview


def _kept(picture: bytes) -> Path:
    """A file for its owner only, which stays: whoever shows it reads it after this command has ended."""
    descriptor, name = tempfile.mkstemp(prefix="accord-", suffix=".jpg")
    with os.fdopen(descriptor, "wb") as file:
        file.write(picture)
    return Path(name)
