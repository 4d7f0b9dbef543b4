"""One Accord is an archive for another, which brings in what its client there may have and holds it to its data sets."""

import sqlite3
from pathlib import Path

import pytest

COMMON = "--provider hospital --node other --terms 1.0.0 --actions query,process,export --class conditional --visibility full"


def digests(data: Path, *states: str) -> dict[str, str]:
    """SOP Instance UID → SHA-256 of the data set, of what is there in these states."""
    with sqlite3.connect(data / "accord.db") as connection:
        rows = connection.execute("SELECT sop_uid, state, hex(digest) FROM custody").fetchall()
    connection.close()
    return {uid: digest for uid, state, digest in rows if state in states}


@pytest.mark.slow
def test_an_accord_is_filled_from_another(embedded, accord, tmp_path):
    url, secret = f"{embedded.accord.base}/dicom-web", embedded.accord.clients["provider"]
    (tmp_path / "terms.txt").write_text("Never for diagnosis.\n")
    for line in (
        f"terms add {tmp_path}/terms.txt --version 1.0.0",
        f"node add other --kind dicomweb --hosting federated --url {url} --secret-file {secret}",
        "party add hospital --name Hospital --role provider",
        f"agreement add DSA-ALL {COMMON}",
        "agreement propose DSA-ALL",
        "agreement activate DSA-ALL",
    ):
        assert accord(f"admin {line}")[0] == 0, line
    said = accord("admin dataset add ALL --agreement DSA-ALL --title All")[1]
    assert "next: accord admin node sync other --dataset ALL" in said
    theirs = digests(embedded.accord.data, "held")
    status, said = accord("admin node sync other --dataset ALL")
    assert status == 0, said
    ours = digests(tmp_path / "data", "held", "review")
    assert ours.keys() <= theirs.keys()
    assert len(ours) >= 4
    assert ours == {uid: theirs[uid] for uid in ours}
    assert accord("admin node compare other --digests") == (0, "Custody and the node agree.\n")
    assert "only read" in accord("admin sender add ALL --aet PACS --from 127.0.0.1/32")[1]
