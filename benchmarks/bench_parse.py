"""Reading an arriving object: header, metadata and de-identification from one walk, beside three walks and beside pydicom.

The three walks are the same readers, each with a walk of its own. pydicom reads the file and writes its DICOM JSON: nothing else.
"""

import argparse
import io
import time
import warnings
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from statistics import median

from pydicom import dcmread
from tqdm import tqdm

from benchmarks import world
from mappings.dicom.deidentification import observations_of
from mappings.dicom.elements import walk
from mappings.dicom.fragment import MAX_INLINE, fragment_of
from mappings.dicom.header import header_of
from mappings.dicom.instance import Instance, read_instance
from mappings.dicom.part10 import plain, read_part10
from tests.builders import DICOM

OBJECTS = {
    "CT, 512 × 512": "ct/liver/01.dcm",
    "CT with private groups": "ct/CT_small.dcm",
    "SR (TID 1500)": "sr/qin_headneck_tid1500_sr.dcm",
}
PLACEHOLDERS = frozenset({"anonymous", "removed"})
TURN = 1 / 20
"""Of a turn in the other benchmarks (--seconds): nothing is started here, and a turn of 0.1 s is some hundred objects."""


def main() -> None:
    """Measure and print."""
    args = world.options(__doc__ or "")
    warnings.simplefilter("ignore")
    print(f"# Reading an object\n\n{world.machine()}\n")
    found = _rounds(args)
    rows = []
    for (name, side), times in found.items():
        over = "" if side == "one walk" else world.ratios(times, found[name, "one walk"])
        figures = (f"{1000 * figure(times):.3f}" for figure in (median, min, max))
        rows.append([name, _elements(DICOM / OBJECTS[name]), side, *figures, over])
    world.table(("object", "elements", "read by", "CPU ms, median", "least", "greatest", "over one walk"), rows)
    turn, release = args.seconds * TURN, version("pydicom")
    world.say(
        f"{args.rounds} rounds, the sides in turn, {turn:.2f} s of CPU each; one thread, files in memory, no digests.",
        f"pydicom {release}: dcmread and to_json, values over {MAX_INLINE} bytes left out as Accord leaves them out; it makes no",
        "header and looks for nobody. Bound by Python: some microseconds an element.",
    )


def one_walk(file: memoryview) -> Instance:
    """As an arriving file is read."""
    part10 = read_part10(file)
    dataset = plain(part10.dataset, part10.transfer_syntax)
    zero = part10.preamble_zero
    return read_instance(dataset, part10.transfer_syntax, placeholders=PLACEHOLDERS, preamble_zero=zero)


def three_walks(file: memoryview) -> Instance:
    """The same readers, each with a walk of its own."""
    part10 = read_part10(file)
    syntax, zero = part10.transfer_syntax, part10.preamble_zero
    dataset = plain(part10.dataset, syntax)
    return Instance(
        header_of(dataset, syntax, walk(dataset, syntax)),
        fragment_of(dataset, syntax, walk(dataset, syntax)),
        observations_of(dataset, walk(dataset, syntax), placeholders=PLACEHOLDERS, preamble_zero=zero),
    )


def by_pydicom(file: memoryview) -> str:
    """Every value converted, and DICOM JSON."""
    options = {"bulk_data_threshold": MAX_INLINE, "bulk_data_element_handler": lambda _: "bulk", "suppress_invalid_tags": True}
    return dcmread(io.BytesIO(file)).to_json(**options)


SIDES: dict[str, Callable[[memoryview], object]] = {"one walk": one_walk, "three walks": three_walks, "pydicom": by_pydicom}


def _rounds(args: argparse.Namespace) -> dict[tuple[str, str], list[float]]:
    """Seconds of CPU for one object, round by round."""
    found: dict[tuple[str, str], list[float]] = {}
    files = {name: memoryview((DICOM / path).read_bytes()) for name, path in OBJECTS.items()}
    for file in files.values():
        assert one_walk(file) == three_walks(file)
    for _ in tqdm(range(args.rounds), desc="parse", unit="round", leave=False):
        for name, file in files.items():
            for side, read in SIDES.items():
                found.setdefault((name, side), []).append(_timed(partial(read, file), args.seconds * TURN))
    return found


def _timed(read: Callable[[], object], seconds: float) -> float:
    """The mean of as many readings as begin in this time. Of CPU: other processes of a shared machine are not in it."""
    began, count = time.process_time(), 0
    while (took := time.process_time() - began) < seconds or not count:
        read()
        count += 1
    return took / count


def _elements(path: Path) -> int:
    """How many elements a walk meets, at every depth."""
    part10 = read_part10(memoryview(path.read_bytes()))
    return sum(1 for event in walk(plain(part10.dataset, part10.transfer_syntax), part10.transfer_syntax) if event[1])


if __name__ == "__main__":
    main()
