"""A catalogue of 10 000 datasets, walked by a harvester, a FAIR Data Point's and a browser: the memory it takes.

    python -m benchmarks.bench_catalogue [--postgresql]

Target: under 200 MB. One dataset is described by its job, the others are told as it is.
"""

import re

from sqlalchemy import select

from adapters.sql import governance
from adapters.sql import tables as t
from benchmarks import studies, world
from benchmarks.harvesters import describe
from server.settings import Settings
from server.usecases.runtime import Runtime

DATASETS, STUDIES = 10_000, 1_000


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    print(f"# A large catalogue\n\n{world.machine()}\n")
    with world.folder() as home, world.database(postgresql=args.postgresql) as url:
        chosen = world.settings(home, url)
        runtime = world.governed(chosen, ("LUNG",))
        studies.fill(runtime, STUDIES)
        describe(runtime)
        multiply(runtime, DATASETS)
        runtime.close()
        with world.accord(chosen, "web") as pid:
            measure(chosen, pid)
    world.say(f"{DATASETS:,} datasets on {world.database_name(args)}, default settings.")


def multiply(runtime: Runtime, many: int) -> None:
    """So many datasets that are described as the one is."""
    with runtime.store.write() as connection:
        (dataset,) = connection.execute(select(t.dataset)).mappings()
        (kept,) = connection.execute(select(t.description)).mappings()
        pieces = connection.execute(select(t.description_piece)).mappings().all()
        keys = range(dataset["id"] + 1, dataset["id"] + many)
        connection.execute(t.dataset.insert(), [dict(dataset) | {"id": key, "alias": f"D{key:06}"} for key in keys])
        connection.execute(t.description.insert(), [dict(kept) | {"dataset": key} for key in keys])
        for piece in pieces:
            connection.execute(t.description_piece.insert(), [dict(piece) | {"dataset": key} for key in keys])
        governance.touch(connection)


def measure(chosen: Settings, pid: int) -> None:
    """Every page by `hydra:next`, every name, and a page for people; printed with the most memory held."""
    pages = []

    def walk() -> None:
        path: str | None = "/catalogue"
        while path is not None:
            body = world.get(f"{chosen.base_url}{path}", {}).decode()
            pages.append(len(body))
            following = re.search(r"hydra:next <[^>]*(/catalogue[^>]*)>", body)
            path = following and following[1]

    def ask(path: str, accept: str) -> None:
        pages.append(len(world.get(f"{chosen.base_url}{path}", {"Accept": accept})))

    rows = []
    for name, work in {
        "every page, Turtle": walk,
        "/fdp/catalogue, RDF/XML": lambda: ask("/fdp/catalogue", "application/rdf+xml"),
        "a page for people": lambda: ask("/catalogue", "text/html"),
    }.items():
        pages.clear()
        took = world.taken(pid, work)
        rows.append(
            (
                name,
                len(pages),
                f"{sum(pages) / 1e6:.1f}",
                f"{took.seconds:.2f}",
                f"{took.before:.0f}",
                f"{took.before + took.peak:.0f}",
            )
        )
    world.table(("harvest", "answers", "MB", "seconds", "MB held before", "MB at most (target: 200)"), rows)


if __name__ == "__main__":
    main()
