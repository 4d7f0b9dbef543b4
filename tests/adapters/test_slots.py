"""Places of a machine: so many and no more, and free again however their holder ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from adapters.slots import Slots
from tests.running import TOP

HOLD = (
    "import sys, time; from pathlib import Path; from adapters.slots import Slots; {}; print('held', flush=True); time.sleep(60)"
)
TAKE = "held = Slots(Path(sys.argv[1])).take('A', 1)"


def test_a_holder_has_so_many_places_and_another_its_own(tmp_path: Path) -> None:
    slots = Slots(tmp_path / "slots")
    first, second = slots.take("A", 2), slots.take("A", 2)
    assert (first is not None, second is not None, slots.take("A", 2)) == (True, True, None)
    other = slots.take("B", 1)
    assert first is not None
    first()
    again = slots.take("A", 2)
    for give in (second, other, again):
        assert give is not None
        give()


def test_the_place_of_a_process_that_is_killed_is_free(tmp_path: Path) -> None:
    command = [sys.executable, "-c", HOLD.format(TAKE), str(tmp_path)]
    with subprocess.Popen(command, cwd=TOP, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert Slots(tmp_path).take("A", 1) is None
        os.kill(holder.pid, signal.SIGKILL)
    give = Slots(tmp_path).take("A", 1)
    assert give is not None
    give()
