"""One object through two doors at once, each with a file meta of its own: what is acknowledged rests where custody says."""

from dataclasses import replace
from pathlib import Path

import pytest

from adapters.sql import batches, custody
from mappings.dicom.part10 import file_meta, read_part10
from mappings.failures import Busy
from server.usecases import reconcile
from server.usecases.read_back import read_back
from server.usecases.runtime import Runtime
from server.usecases.take import take
from tests import builders
from tests.builders import Clock

NAME = "mr/emri_small.dcm"


class Killed(BaseException):
    """The process ends here."""


def dying_at(runtime: Runtime, point: str) -> Runtime:
    def reached(now: str) -> None:
        if now == point:
            raise Killed

    return replace(runtime, reached=reached, holder="another process")


def over_dimse(file: memoryview) -> memoryview:
    """The same data set behind the file meta that the network door writes."""
    part10 = read_part10(file)
    meta = file_meta(part10.media_sop_class, part10.media_sop_instance, part10.transfer_syntax)
    return memoryview(meta + part10.dataset)


@pytest.mark.parametrize("point", ["claimed", "stored"])
def test_who_comes_with_another_file_meta_waits_until_the_dead_door_s_claim_is_resolved(tmp_path: Path, point: str) -> None:
    clock = Clock()
    runtime = builders.runtime(tmp_path, clock=clock)
    builders.seed(runtime)
    batch, first = builders.batch(runtime), builders.sample(NAME)
    second = over_dimse(first)
    assert second != first
    with pytest.raises(Killed):
        take(dying_at(runtime, point), batch, "first", first)
    with pytest.raises(Busy):
        take(runtime, batch, "second", second)
    clock.on(runtime.settings.lease_seconds + 10)
    assert reconcile.recover(runtime) == 1
    assert take(runtime, batch, "second", second).rule == {"claimed": "declared", "stored": "known"}[point]
    with runtime.store.read() as connection:
        kept = custody.in_care(connection, read_part10(first).media_sop_instance)
    assert kept is not None
    assert read_back(runtime, kept.copy) == {"claimed": second, "stored": first}[point]
    runtime.close()


def test_a_recovered_file_is_told_of_under_the_name_it_was_presented_by_and_once(tmp_path: Path) -> None:
    clock = Clock()
    runtime = builders.runtime(tmp_path, clock=clock)
    builders.seed(runtime)
    batch = builders.batch(runtime)
    with pytest.raises(Killed):
        take(dying_at(runtime, "stored"), batch, "a/first.dcm", builders.sample(NAME))
    clock.on(runtime.settings.lease_seconds + 10)
    assert reconcile.recover(runtime) == 1
    with runtime.store.read() as connection:
        assert [(r.name, r.outcome) for r in batches.receipts(connection, batch.id)] == [("a/first.dcm", "pass")]
        assert batches.presented(connection, batch.id, ["a/first.dcm"]) == {"a/first.dcm"}
    runtime.close()


def test_who_comes_with_the_very_same_file_takes_over_at_once(tmp_path: Path) -> None:
    runtime = builders.runtime(tmp_path)
    builders.seed(runtime)
    batch, file = builders.batch(runtime), builders.sample(NAME)
    with pytest.raises(Killed):
        take(dying_at(runtime, "claimed"), batch, "first", file)
    assert take(runtime, batch, "second", file).rule == "declared"
    runtime.close()
