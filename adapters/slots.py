"""Places that all processes of this machine share: a lock on a file each, which the kernel lets go of however its holder ends."""

import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path


class Slots:
    """Places in a folder, which is made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def take(self, holder: str, most: int) -> Callable[[], None] | None:
        """Take one of this holder's places; what gives it back, or None where all are taken. Raises OSError."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        name = sha256(holder.encode()).hexdigest()[:32]
        for number in range(most):
            descriptor = os.open(self._folder / f"{name}.{number}", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lambda: os.close(descriptor)
            os.close(descriptor)
        return None
