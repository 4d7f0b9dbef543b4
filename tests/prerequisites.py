"""Sees that what the tests need beside Python is here: as root or in CI installs it, else says the command and fails."""

import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.servers import INSTALL, missing

_POLICY = Path("/usr/sbin/policy-rc.d")
"""While this says 101, Debian's packages start no services of their own."""


def _install(packages: list[str]) -> None:
    become_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    quiet = [*become_root, "env", "DEBIAN_FRONTEND=noninteractive", "RUNLEVEL=1"]
    ours = not _POLICY.exists()
    if ours:
        subprocess.run(
            [*become_root, "sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' > {_POLICY} && chmod 755 {_POLICY}"], check=True
        )
    try:
        subprocess.run([*quiet, "apt-get", "update"], check=True)
        subprocess.run([*quiet, *INSTALL.split(), "--yes", *packages], check=True)
    finally:
        if ours:
            subprocess.run([*become_root, "rm", "-f", str(_POLICY)], check=True)


def main() -> str | None:
    """None when all is here; else the sentence that says what to do."""
    packages = sorted(missing())
    if packages:
        print(f"The tests need, and this machine lacks: {', '.join(packages)}", flush=True)
        if os.geteuid() and not os.environ.get("CI"):
            return f"Please install: sudo apt-get update && sudo {INSTALL} {' '.join(packages)}"
        try:
            _install(packages)
        except (OSError, subprocess.CalledProcessError) as error:
            return f"The installation failed ({error}). By hand: {INSTALL} {' '.join(packages)}"
    still = sorted(missing())
    return f"Still missing: {', '.join(still)}" if still else None


if __name__ == "__main__":
    sys.exit(main())
