"""`docker/` held to the code, since no engine runs it here: the same commands, settings, ports, paths, packages and node."""

import ast
import configparser
import json
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from flask import Flask

from adapters.nodes.orthanc import OrthancNode
from mappings.eucaim import PATH
from server.cli.main import accord
from server.settings import Settings, described
from server.usecases.parse import parse_file
from server.web import operations
from tests import builders
from tests.servers import orthanc_server

TOP = Path(__file__).parent.parent
DOCKER = TOP / "docker"
COMPOSE_TEXT = (DOCKER / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
FEDERATION_TEXT = (DOCKER / "federation.compose.yaml").read_text()
FEDERATION = yaml.safe_load(FEDERATION_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: s for name, s in SERVICES.items() if s["image"].startswith("accord:")}
INSTRUCTIONS = [
    (line.partition(" ")[0], line.partition(" ")[2])
    for line in (DOCKER / "Dockerfile").read_text().replace("\\\n", " ").splitlines()
    if line and not line.startswith("#")
]
EXAMPLE = dict(
    line.split("=", 1) for line in (DOCKER / "settings.example.env").read_text().splitlines() if line and not line.startswith("#")
)
SETTINGS = set(described())


def image(instruction: str) -> list[str]:
    return [said for name, said in INSTRUCTIONS if name == instruction]


def parsed(arguments: list[str]) -> click.Context:
    """The command these arguments name, parsed by it. Raises click.UsageError where it does not take them."""
    context = accord.make_context("accord", list(arguments))
    while isinstance(context.command, click.Group):
        name, command, rest = context.command.resolve_command(context, [*context._protected_args, *context.args])
        assert command
        context = command.make_context(name, rest, parent=context)
    return context


# --- commands


def test_the_image_runs_the_console_script_by_a_command_it_has() -> None:
    assert [json.loads(said) for said in image("ENTRYPOINT")] == [["accord"]]
    assert parsed(json.loads(image("CMD")[-1]))


def test_each_service_of_ours_runs_a_command_the_parser_knows() -> None:
    assert {"web", "dimse", "worker", "migrate"} == {parsed(service["command"]).info_name for service in OURS.values()}


def keep_document() -> Iterator[list[str]]:
    for line in COMPOSE_TEXT.splitlines():
        if line.startswith("#") and " exec web accord " in line:
            yield shlex.split(line.partition(" exec web accord ")[2])


@pytest.mark.parametrize("arguments", list(keep_document()), ids=" ".join)
def test_each_documented_command_is_one_and_names_what_is_there(arguments: list[str]) -> None:
    given = parsed(arguments).params
    url, secret = given.get("url"), given.get("secret_file")
    if url:
        assert re.fullmatch(r"http://([a-z-]+):8042", url)[1] in SERVICES  # type: ignore[index]
        assert secret.removeprefix("/run/secrets/") in SERVICES["web"]["secrets"]


# --- settings


def test_each_variable_is_a_setting() -> None:
    named = [EXAMPLE, *(service["environment"] for service in OURS.values())]
    assert {name.removesuffix("_FILE") for names in named for name in names} <= SETTINGS
    assert {pair.partition("=")[0] for said in image("ENV") for pair in said.split() if pair.startswith("ACCORD_")} <= SETTINGS


def test_the_example_settings_are_each_explained_and_are_the_defaults_but_for_what_containers_need() -> None:
    blocks = (DOCKER / "settings.example.env").read_text().split("\n\n")[1:]
    assert all(block.startswith("# ") for block in blocks)
    defaults = {name: str(field.default) for name, field in described().items()}
    changed = {name for name, value in EXAMPLE.items() if value != defaults[name]}
    assert changed == {"ACCORD_PUBLIC_URL", "ACCORD_NODE_MIN_VERSION"}


def test_only_inside_containers_every_interface_is_listened_on() -> None:
    assert {service["environment"]["ACCORD_BIND"] for service in OURS.values()} == {"0.0.0.0"}
    assert "ACCORD_BIND" not in EXAMPLE
    assert not any("ACCORD_BIND" in said for said in image("ENV"))


# --- ports and health


def test_ports_are_the_settings_own_and_published_on_this_machine_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    web, dimse = Settings().port, Settings().dimse_port
    assert published == {"web": [f"127.0.0.1:{web}:{web}"], "dimse": [f"127.0.0.1:{dimse}:{dimse}"]}
    assert image("EXPOSE") == [f"{web} {dimse} {Settings().dimse_tls_port}"]


def test_uncommented_lines_are_tls_with_its_port_and_the_files_that_the_example_settings_name() -> None:
    whole = yaml.safe_load(re.sub(r"(?m)^( *)#(?=\S)", r"\1", COMPOSE_TEXT))
    port = Settings().dimse_tls_port
    files = re.findall(r"/run/secrets/(\w+)", (DOCKER / "settings.example.env").read_text())
    assert len(files) == 2
    assert whole["services"]["dimse"]["ports"] == [*SERVICES["dimse"]["ports"], f"127.0.0.1:{port}:{port}"]
    assert [whole["services"][name]["secrets"] for name in OURS] == [[*OURS[name]["secrets"], *files] for name in OURS]
    assert whole["secrets"] == COMPOSE["secrets"] | {name: {"file": f"secrets/{name}"} for name in files}


def test_the_image_is_healthy_where_the_running_application_answers() -> None:
    script = json.loads(image("HEALTHCHECK")[0].partition(" CMD ")[2])[-1]
    ast.parse(script)
    path = re.search(r"'(/health/[a-z]+)'", script)[1]  # type: ignore[index]
    app = Flask("health")
    app.register_blueprint(operations.door())
    assert path in {str(rule) for rule in app.url_map.iter_rules()}
    assert f"'ACCORD_PORT', '{Settings().port}'" in script


def test_who_serves_no_http_is_asked_otherwise_or_not_at_all() -> None:
    assert "healthcheck" not in SERVICES["web"]
    assert str(Settings().dimse_port) in SERVICES["dimse"]["healthcheck"]["test"][-1]
    assert SERVICES["worker"]["healthcheck"]["test"] == ["CMD", "accord", "worker", "--check"]
    assert SERVICES["migrate"]["healthcheck"] == {"disable": True}


def test_the_schema_is_brought_up_to_date_once_the_database_answers_and_before_anything_serves() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert "healthcheck" in SERVICES["database"]
    serving = {name for name, service in OURS.items() if "migrate" in service["depends_on"]}
    assert serving == {"web", "dimse", "worker"}


# --- what they may do


@pytest.mark.parametrize("name", SERVICES)
def test_each_container_has_its_limits(name: str) -> None:
    service = SERVICES[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"] is True
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"mem_limit", "pids_limit"} <= service.keys()
    assert "/tmp" in service["tmpfs"]  # noqa: S108 - of the container


def test_nothing_of_ours_runs_as_root_or_writes_outside_its_volume() -> None:
    assert image("USER") == ["10001:10001"]
    assert "RUN" not in [name for name, _ in INSTRUCTIONS[INSTRUCTIONS.index(("USER", "10001:10001")) :]]
    assert image("VOLUME") == ["/data"]
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["volumes"] == ["data:/data"]
        assert "user" not in service
        assert "privileged" not in service


def test_every_image_is_named_with_a_version() -> None:
    named = [*(service["image"] for service in SERVICES.values()), *(said.split()[0] for said in image("FROM"))]
    assert all(re.fullmatch(r"[a-z/]+:\d+[\w.-]*", name) for name in named), named
    package = configparser.ConfigParser()
    package.read(TOP / "setup.cfg")
    assert {service["image"] for service in OURS.values()} == {f"accord:{package['metadata']['version']}"}


def test_the_nodes_and_the_database_are_reached_by_accord_only() -> None:
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    assert {name for name, service in SERVICES.items() if service["networks"] != ["inside"]} == {"web", "dimse"}


def test_secrets_are_files_made_by_the_script_and_written_nowhere(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    subprocess.run(["/bin/sh", DOCKER / "secrets.sh", folder], check=True, timeout=20)
    made = {path.name: path.read_text() for path in folder.iterdir()}
    listed = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()} - {"orthanc.json"}
    assert made.keys() == listed
    assert folder.stat().st_mode & 0o777 == 0o700
    assert made["database_url"] == f"postgresql://accord:{made['database_password']}@database:5432/accord"
    for node in ("node_a", "node_b"):
        user, _, password = made[node].partition(":")
        assert json.loads(made[f"{node}.json"]) == {"RegisteredUsers": {user: password}}
    assert len({made["database_password"], made["node_a"], made["node_b"]}) == 3
    again = subprocess.run(["/bin/sh", DOCKER / "secrets.sh", folder], check=False, capture_output=True, timeout=20)
    assert again.returncode != 0
    assert made == {path.name: path.read_text() for path in folder.iterdir()}


def test_no_password_is_given_by_value() -> None:
    variables = {name: value for service in SERVICES.values() for name, value in service.get("environment", {}).items()}
    secret = {name: value for name, value in (variables | EXAMPLE).items() if re.search("PASS|SECRET|DATABASE_URL", name)}
    assert secret
    assert all(name.endswith("_FILE") and value.startswith("/run/secrets/") for name, value in secret.items())


def test_each_secret_a_service_names_is_given_to_it() -> None:
    for service in SERVICES.values():
        given = {s if isinstance(s, str) else s["source"] for s in service.get("secrets", ())}
        named = {Path(str(v)).name for k, v in service.get("environment", {}).items() if k.endswith("_FILE")}
        assert named <= given <= COMPOSE["secrets"].keys()


# --- the image's contents, and the node


def test_whatever_is_in_the_four_rooms_is_installed() -> None:
    rooms = ("consent", "mappings", "adapters", "server")
    folders = {path.parent for room in rooms for path in (TOP / room).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []  # setuptools finds packages by it
    copied = {said.split()[0] for said in image("COPY") if not said.startswith(("--", "pyproject"))}
    assert copied == set(rooms)


def test_the_orthanc_of_the_compose_file_is_a_node_that_nothing_is_said_against() -> None:
    said = json.loads((DOCKER / "orthanc.json").read_text())
    here = {"StorageDirectory", "IndexDirectory", "HttpPort", "RemoteAccessAllowed"}
    with orthanc_server(**{name: value for name, value in said.items() if name not in here}) as server:
        node = OrthancNode("node-a", server.url, server.user, server.password)
        assert node.check().ok
        assert node.probe() == []
        sample = builders.sample("ct/lung_lctsc_ct01.dcm")
        place = node.store(parse_file("ct01.dcm", sample, frozenset()).node_file, sample)
        with node.open(place, len(sample)) as stored:
            assert stored.read() == sample


# --- the federation


def test_focus_is_pointed_at_the_route_there_is_and_asks_as_we_answer() -> None:
    focus, proxy, web = (FEDERATION["services"][name] for name in ("focus", "beam-proxy", "web"))
    told = focus["environment"]
    assert told["ENDPOINT_URL"] == f"http://web:{Settings().port}{PATH}"
    assert (told["ENDPOINT_TYPE"], told["API_KEY"]) == ("omop", proxy["environment"]["APP_focus_KEY"])
    assert told["BEAM_APP_ID_LONG"] == f"focus.{proxy['environment']['PROXY_ID']}"
    assert told["BEAM_PROXY_URL"] == f"http://beam-proxy:{proxy['environment']['BIND_ADDR'].rpartition(':')[2]}"
    assert {name.removesuffix("_FILE") for name in web["environment"]} <= SETTINGS
    assert web.keys() == {"environment", "secrets", "networks"}


def test_only_beams_proxy_dials_out_and_nobody_is_called_from_outside() -> None:
    services = FEDERATION["services"]
    assert FEDERATION["networks"] == {"federation": {"internal": True}}
    assert {name: service["networks"] for name, service in services.items()} == {
        "web": ["federation"],
        "beam-proxy": ["federation", "outside"],
        "focus": ["federation"],
    }
    assert not any("ports" in service for service in services.values())


@pytest.mark.parametrize("name", ["beam-proxy", "focus"])
def test_each_container_of_the_federation_has_its_limits(name: str) -> None:
    service = FEDERATION["services"][name]
    hardened = ("cap_drop", "read_only", "security_opt", "tmpfs", "restart")
    assert {key: service[key] for key in hardened} == {key: SERVICES["node-a"][key] for key in hardened}
    assert {"mem_limit", "pids_limit"} <= service.keys()


def test_what_the_federation_needs_is_asked_for_explained_and_never_written_here() -> None:
    text = (DOCKER / "federation.example.env").read_text()
    example = dict(line.split("=", 1) for line in text.splitlines() if line and not line.startswith("#"))
    assert all(block.startswith("# ") for block in text.split("\n\n"))
    assert set(re.findall(r"\$\{(\w+):\?", FEDERATION_TEXT)) == example.keys()
    assert "${" not in re.sub(r"\$\{\w+:\?[^}]*\}", "", FEDERATION_TEXT), "a variable without which it begins"
    assert {name for name, value in example.items() if value} == {"BROKER_URL"}
    for service in FEDERATION["services"].values():
        named = {Path(str(value)).name for name, value in service["environment"].items() if name.endswith("_FILE")}
        assert named == set(service.get("secrets", ())) <= FEDERATION["secrets"].keys()
    assert {secret["file"] for secret in FEDERATION["secrets"].values()} == {f"secrets/{name}" for name in FEDERATION["secrets"]}
