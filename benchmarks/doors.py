"""Three doors, one verdict: a folder's files by C-STORE, STOW-RS and `accord push`, each into a fresh server, then all into one.

    python -m benchmarks.doors DIR

Outcome and rule of every file must agree between the doors, except where DICOM's network or dcmtk changes the object or can't
send it: each is listed with its cause. Then the three doors in turn into one server: everything is known, nothing conflicts.
The exit status is 1 where something is unexplained, or a server complained or lost a process.
"""

import argparse
import csv
import io
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import httpx
from tqdm import tqdm

from adapters.sql import batches
from benchmarks.accord import DATASET, SENDER, Accord
from mappings.dicom.content import content_digest
from mappings.dicom.elements import plain_syntax
from tests.servers import find
