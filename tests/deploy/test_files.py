"""Compose, kustomize and units fit the program: its parties, its verbs, its configuration."""

import re
from pathlib import Path

import click
import pytest
import yaml

from fermata.cli.main import cli
from fermata.demo import layout
from fermata.demo.charter import demo_figures
from fermata.demo.figures import labs
from fermata.node.config import ConfigText
from fermata.protocol.charter.toml_source import TomlSource
from harness.commands import commands_of

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
ROLES = ("coordinator", "auditor", "lab")
COMPOSE = yaml.safe_load((DEPLOY / "compose" / "compose.yaml").read_text())
NODES = {n: s for n, s in COMPOSE["services"].items() if n not in ("setup", "prometheus")}


def documents(role):
    return {
        doc["kind"]: doc
        for path in (DEPLOY / "kustomize" / role).glob("*.yaml")
        for doc in yaml.safe_load_all(path.read_text())
    }


def check_verb(words):
    """The command is one of the program's."""
    command = cli
    for word in words:
        if not isinstance(command, click.Group):
            break
        command = commands_of(command)[word]
    options = {o for p in command.params for o in p.opts}
    assert {w for w in words if w.startswith("--")} <= options


def test_compose_has_a_service_for_every_party_of_the_demo():
    assert set(NODES) == {layout.COORDINATOR, *layout.AUDITORS, *labs(demo_figures())}


@pytest.mark.parametrize("party", sorted(NODES))
def test_a_service_runs_its_own_role_on_its_own_folder_only(party):
    service = NODES[party]
    check_verb(service["command"])
    role = {layout.COORDINATOR: "coordinator"}.get(party)
    role = role or ("auditor" if party in layout.AUDITORS else "lab")
    assert service["command"][0] == role
    (volume,) = service["volumes"]
    assert volume["volume"]["subpath"] == f"demo/nodes/{party}"
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["user"] == "65532:65532"


def test_nodes_of_the_demo_have_no_way_out():
    assert all(COMPOSE["networks"][n]["internal"] for s in NODES.values() for n in s["networks"])


def test_prometheus_scrapes_every_node():
    scrape = yaml.safe_load((DEPLOY / "compose" / "prometheus.yml").read_text())
    targets = scrape["scrape_configs"][0]["static_configs"][0]["targets"]
    assert set(targets) == {f"{party}:{layout.TELEMETRY_PORT}" for party in NODES}


@pytest.mark.parametrize("role", ROLES)
def test_a_pod_is_of_the_restricted_kind(role):
    spec = documents(role)["StatefulSet"]["spec"]["template"]["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not spec["automountServiceAccountToken"]
    for container in (*spec["initContainers"], *spec["containers"]):
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
    assert documents(role)["StatefulSet"]["spec"]["replicas"] == 1


@pytest.mark.parametrize("role", ROLES)
def test_a_pod_is_probed_where_the_node_tells_of_itself(role):
    (node,) = documents(role)["StatefulSet"]["spec"]["template"]["spec"]["containers"]
    ports = {p["name"]: p["containerPort"] for p in node["ports"]}
    text = (DEPLOY / "kustomize" / role / "fermata.toml").read_text()
    config = TomlSource(text.encode(), "fermata.toml", "CONFIG", 10**6).decode(ConfigText)
    assert config.telemetry.address == f"0.0.0.0:{ports['telemetry']}"
    assert node["readinessProbe"]["httpGet"] == {"path": "/-/ready", "port": "telemetry"}
    assert node["livenessProbe"]["httpGet"] == {"path": "/-/healthy", "port": "telemetry"}
    check_verb(node["args"])
    assert node["args"][0] == role
    if config.listen is not None:
        assert config.listen.address == f"0.0.0.0:{ports['log']}"
        enrolment = f"0.0.0.0:{ports['enrolment']}" if role == "coordinator" else ""
        assert config.listen.enrolment == enrolment


@pytest.mark.parametrize("role", ROLES)
def test_a_pod_gets_its_first_certificate_as_the_program_makes_it(role):
    (files,) = documents(role)["StatefulSet"]["spec"]["template"]["spec"]["initContainers"]
    (script,) = files["args"]
    command = re.search(r"\|\| fermata (.*)", script.replace("\\\n", " "))[1].split()
    verb = "pki issue" if role == "coordinator" else "enroll"
    assert " ".join(command).startswith(verb)
    check_verb(command)
    mounts = {m["mountPath"] for m in files["volumeMounts"]}
    assert {"/keys", "/data"} <= mounts


@pytest.mark.parametrize("role", ROLES)
def test_traffic_is_denied_unless_a_policy_names_it(role):
    spec = documents(role)["NetworkPolicy"]["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    labels = documents(role)["StatefulSet"]["spec"]["template"]["metadata"]["labels"]
    assert spec["podSelector"]["matchLabels"] == labels
    ports = {port["port"] for rule in spec["ingress"] for port in rule["ports"]}
    served = {"coordinator": {7440, 7441}, "auditor": {7440}}
    assert ports == {9440, *served.get(role, set())}


@pytest.mark.parametrize(
    "unit", sorted((DEPLOY / "systemd").glob("*.service")), ids=lambda p: p.name
)
def test_a_unit_runs_a_command_of_the_program(unit):
    command = re.search(r"/opt/fermata/bin/fermata ([^\n]*)", unit.read_text())
    check_verb(command[1].replace('"', " ").split())


def test_a_unit_does_not_start_again_after_what_starting_does_not_mend():
    for unit in (DEPLOY / "systemd").glob("*.service"):
        text = unit.read_text()
        assert "Restart=" not in text or "RestartPreventExitStatus=2 3 4 5\n" in text


def test_the_image_starts_as_nobody_and_writes_to_its_volume_only():
    text = (DEPLOY / "Containerfile").read_text()
    assert "\nUSER 65532:65532\n" in text
    assert 'VOLUME ["/var/lib/fermata"]' in text
    assert re.search(r"^ARG BASE=\S+:\S+$", text, re.MULTILINE)


def test_what_draws_charts_has_a_folder_to_write_to():
    image = (DEPLOY / "Containerfile").read_text()
    unit = (DEPLOY / "systemd" / "fermata-coordinator.service").read_text()
    assert "MPLCONFIGDIR=/tmp/" in image
    assert all("/tmp:" in str(node["tmpfs"]) for node in NODES.values())
    pod = documents("coordinator")["StatefulSet"]["spec"]["template"]["spec"]
    mounts = {m["mountPath"]: m for m in pod["containers"][0]["volumeMounts"]}
    assert "readOnly" not in mounts["/tmp"]
    assert "Environment=MPLCONFIGDIR=/tmp/" in unit
    assert "PrivateTmp=yes" in unit
