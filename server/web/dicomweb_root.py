"""Where DICOMweb lies, and how its views read what their caller accepts."""

from server.web.context import request, runtime

ROOT = "/dicom-web"
STUDY = "/studies/<study>"
SERIES = f"{STUDY}/series/<series>"
INSTANCE = f"{SERIES}/instances/<instance>"


def root() -> str:
    """The public URL of the archive that is asked."""
    return f"{runtime().settings.base_url}{ROOT}"


def accepted() -> str:
    """What the caller accepts: `?accept=` where it is given (PS3.18 8.3.3.1), else the header."""
    return request.args.get("accept") or request.headers.get("Accept", "")
