"""Sees that what the peers need beside Accord's own tests is here, else says the command that brings it, and fails."""

import shutil
import subprocess
import sys

PACKAGES = {
    "javac": "openjdk-17-jdk-headless",
    "mvn": "maven",
    "node": "nodejs",
    "npm": "npm",
    "chromium": "chromium",
    "cargo": "cargo",
    "gdcmscu": "libgdcm-tools",
}
"""Program → the Debian package that brings it."""
NODE = (20, 10)
"""Older ones have no WebSocket, which Medplum's client wants."""


def main() -> str | None:
    """None when all is here; else the sentence that says what to do."""
    missing = sorted(package for program, package in PACKAGES.items() if shutil.which(program) is None)
    if missing:
        return (
            f"The peers need, and this machine lacks: {', '.join(missing)}. Please install: apt-get install {' '.join(missing)}"
        )
    said = subprocess.run([str(shutil.which("node")), "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if tuple(map(int, said.removeprefix("v").split(".")[:2])) < NODE:
        return f"The peers need Node {NODE[0]}.{NODE[1]} or newer; this machine has {said}."
    return None


if __name__ == "__main__":
    sys.exit(main())
