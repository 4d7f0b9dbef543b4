"""Builds EUCAIM's programs, unmodified, from clones of their repositories, which stay as they are; crates are the registry's."""

import os
import shutil
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from tests.peers.conftest import BUILD_SECONDS, ran

BEAM, LAPLACE = "https://github.com/samply/beam", "https://github.com/samply/laplace-rs.git"
"""What Focus and Spot ask of git, as their Cargo.toml spell it."""
PROGRAMS = {"beam": ("beam-broker", "beam-proxy"), "focus": ("focus",), "spot": ("rustyspot",)}
Sources = dict[str, Path]
"""focus, beam, spot, explorer, laplace → its clone."""


@dataclass(frozen=True)
class Built:
    """Where the programs are, and the explorer, ready to serve."""

    programs: Path
    explorer: Path


def build(sources: Sources, into: Path) -> Built:
    """All of them, in minutes; what was built of the same commits is there already."""
    commits = "".join(ran("git", "rev-parse", "HEAD", cwd=folder) for folder in sources.values())
    home = into / sha256(commits.encode()).hexdigest()[:12]
    home.mkdir(parents=True, exist_ok=True)
    for name, programs in PROGRAMS.items():
        print(f"building {', '.join(programs)}", flush=True)
        packages = [word for program in programs for word in ("-p", program)]
        folder, given = _clone(sources[name], home / name), _cargo(sources, into)
        ran("cargo", "build", "--quiet", *packages, cwd=folder, env=given, timeout=BUILD_SECONDS)
    explorer = _explorer(_clone(sources["explorer"], home / "explorer"))
    return Built(into / "target/debug", explorer)


def _clone(source: Path, target: Path) -> Path:
    """As it was committed: Cargo and npm write into it."""
    if not target.exists():
        ran("git", "clone", "--quiet", source.resolve(), target)
    return target


def _cargo(sources: Sources, into: Path) -> dict[str, str]:
    """Two git repositories are their clones here; nobody debugs what is built."""
    folders = {BEAM: sources["beam"], LAPLACE: sources["laplace"]}
    git = {"GIT_CONFIG_COUNT": str(len(folders))}
    for number, (address, folder) in enumerate(folders.items()):
        git |= {f"GIT_CONFIG_KEY_{number}": f"url.{folder.resolve().as_uri()}.insteadOf", f"GIT_CONFIG_VALUE_{number}": address}
    cargo = {"CARGO_NET_GIT_FETCH_WITH_CLI": "true", "CARGO_PROFILE_DEV_DEBUG": "0", "CARGO_TARGET_DIR": str(into / "target")}
    return os.environ | git | cargo


def _explorer(folder: Path) -> Path:
    """Its pages ask Spot at localhost:8055, as they do when they are built for no environment."""
    if not (folder / "build").exists():
        print("building the explorer", flush=True)
        ran("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
        ran("npm", "run", "build", cwd=folder)
    shutil.copy(Path(__file__).with_name("explorer.mjs"), folder)
    return folder
