"""`accord proxy`: a server's DICOMweb and FHIR on loopback, for viewers and tools that can't renew a token."""

from dataclasses import replace
from pathlib import Path

import click

from adapters.accord import Accord
from adapters.accord_client import AccordClient
from adapters.client_file import read_client
from adapters.loopback_proxy import HOST, LoopbackProxy, serve
from mappings.failures import Conflict
from server.cli.help import examples
from server.cli.reading import asker_flags
from server.cli.sentences import warn


@click.command(
    epilog=examples(
        "accord proxy --as lab-b.client.json",
        "accord proxy --port 8765 --origin http://localhost:3000 --purpose AIRESEARCH --as lab-b.client.json",
    )
)
@click.option("--port", type=click.IntRange(1, 65535), default=8765, show_default=True, help="the loopback port to listen on")
@click.option("--origin", "origins", multiple=True, metavar="URL", help="where a viewer in a browser comes from; several")
@asker_flags
def proxy(port: int, origins: tuple[str, ...], client: Path, url: str | None, purpose: str | None) -> None:
    """Serve a repository's DICOMweb and FHIR on this machine's loopback, until stopped.

    OHIF, 3D Slicer, MONAI Label, an Orthanc or a notebook is given the printed address and asks as the client: each request goes
    on with a token that is good for it. The address holds a secret, so keep it to yourself.
    """
    known = read_client(client)
    with Accord(AccordClient(replace(known, purpose=purpose or known.purpose), url, waits=warn)) as accord:
        accord.header()  # who is refused a token learns it here
        passing = LoopbackProxy(accord, port, origins)
        try:
            server = serve(passing, port)
        except OSError:
            raise Conflict("port-taken", f"Something listens on {HOST}:{port} already. Name another with --port.") from None
        print(f"DICOMweb  {passing.url}/dicom-web\nFHIR R4   {passing.url}/fhir/R4\nStop with Ctrl-C.", flush=True)
        try:
            server.serve_forever()
        finally:
            passing.close()
