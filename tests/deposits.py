"""What tests of deposits do again and again: give a file, and look what became of it."""

from io import BytesIO

from pydicom import dcmread

from adapters.sql import batches, custody, part_digests
from server.usecases.batch import close_batch
from server.usecases.read_back import read_frame
from server.usecases.take import take
from tests import builders


def deposit(runtime, file, batch=None):
    """What became of one file, under a batch of its own unless one is given: (outcome, rule)."""
    opened = batch or builders.batch(runtime)
    taken = take(runtime, opened, "a.dcm", file)
    if batch is None:
        close_batch(runtime, opened.id)
    return str(taken.outcome), taken.rule


def counts(runtime, batch):
    with runtime.store.read() as connection:
        return batches.counts(connection, batch.id)


def in_care(runtime, uid="1.2.3.1.1"):
    with runtime.store.read() as connection:
        return custody.in_care(connection, uid)


def with_other_meta(file):
    """The same data set in another file: as another door would write its meta."""
    read = dcmread(BytesIO(file))
    read.file_meta.SourceApplicationEntityTitle = "OTHER"
    written = BytesIO()
    read.save_as(written, enforce_file_format=True)
    return memoryview(written.getvalue())


def frame_of(runtime, copy, number):
    """A frame's bytes as they are read back, from 1; None where it is not known where they lie."""
    with runtime.store.read() as connection:
        frame = part_digests.of_frame(connection, copy.custody, number)
    return frame and read_frame(runtime, copy, frame, number)
