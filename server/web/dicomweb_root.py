"""Where DICOMweb lies, for all datasets and for each alone, and how its views read what is asked of them."""

from werkzeug.routing import BaseConverter

from server.usecases.deliver import Wanted
from server.web.context import dataset, request, runtime

ROOT = "/dicom-web"
DATASET_ROOT = f"/datasets/<alias>{ROOT}"
STUDY = "/studies/<uid:study>"
SERIES = f"{STUDY}/series/<series>"
INSTANCE = f"{SERIES}/instances/<instance>"


class Uid(BaseConverter):
    """How a path names a study, as `<uid:study>`: not as `count`, which is beside the studies and takes none."""

    regex, part_isolating = "(?!count$)[^/]+", True


def root() -> str:
    """The public URL of the archive that is asked."""
    alias = dataset()
    return f"{runtime().settings.base_url}{ROOT if alias is None else DATASET_ROOT.replace('<alias>', alias)}"


def wanted(study: str, series: str | None = None, instance: str | None = None) -> Wanted:
    """What this path names, in the archive that is asked."""
    return Wanted(study, series, instance, dataset())


def accepted() -> str:
    """What the caller accepts: `?accept=` where it is given (PS3.18 8.3.3.1), else the header."""
    return request.args.get("accept") or request.headers.get("Accept", "")
