"""Every kustomization renders, is what was reviewed, and is right by the Kubernetes API's own types.

After a deliberate change: SUBSET_UPDATE_GOLDEN=1 writes the renders; review them with git diff.
"""

from __future__ import annotations

import copy
import json
import os
import pathlib
import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml
from conftest import ROOT

HERE = pathlib.Path(__file__).resolve().parent
KUSTOMIZE = ROOT / "deploy/kustomize"
RENDERED = {"base": "base", "single": "overlays/single", "monitoring": "overlays/monitoring"}
Manifest = dict[str, Any]


@pytest.fixture(scope="session")
def kustomize(tools: pathlib.Path) -> str:
    """kustomize, built by Debian's Go from the version and checksums in tools/."""
    program = tools / "kustomize"
    go = "/usr/bin/go"
    subprocess.run(
        [go, "build", "-mod=readonly", "-trimpath", "-o", program, "sigs.k8s.io/kustomize/kustomize/v5"],
        cwd=HERE / "tools",
        env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOROOT": ""},
        check=True,
    )
    return str(program)


@pytest.fixture(scope="session")
def renders(kustomize: str) -> dict[str, str]:
    return {
        name: subprocess.run(
            [kustomize, "build", KUSTOMIZE / folder], capture_output=True, text=True, check=True
        ).stdout
        for name, folder in RENDERED.items()
    }


@pytest.fixture(scope="session")
def manifests(renders: dict[str, str]) -> dict[str, list[Manifest]]:
    return {name: list(yaml.safe_load_all(text)) for name, text in renders.items()}


def only(kind: str, of: list[Manifest]) -> Manifest:
    found = [m for m in of if m["kind"] == kind]
    assert len(found) == 1, kind
    return found[0]


def test_every_kustomization_is_rendered() -> None:
    folders = {str(f.parent.relative_to(KUSTOMIZE)) for f in KUSTOMIZE.rglob("kustomization.yaml")}
    assert {f for f in folders if not f.startswith("components/")} == set(RENDERED.values())


@pytest.mark.parametrize("name", RENDERED)
def test_renders_equal_the_golden_files(renders: dict[str, str], name: str) -> None:
    golden = HERE / "golden" / f"{name}.yaml"
    if os.environ.get("SUBSET_UPDATE_GOLDEN"):
        golden.write_text(renders[name])
    assert renders[name] == golden.read_text()


# Types ---------------------------------------------------------------------------------------------


def as_generated(value: Any) -> Any:
    """The value with `from`, a reserved word in some languages, as the generated types spell it."""
    if isinstance(value, dict):
        return {"_from" if k == "from" else k: as_generated(v) for k, v in value.items()}
    return [as_generated(v) for v in value] if isinstance(value, list) else value


def typescript(manifests: list[Manifest]) -> str:
    """Every manifest as a typed object literal: the compiler refuses unknown, missing and mistyped
    fields."""
    operator = "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1"
    lines = ["import type * as k from '@kubernetes/client-node';", f"import type * as o from '{operator}';"]
    for number, manifest in enumerate(manifests):
        group, _, version = manifest["apiVersion"].rpartition("/")
        kind = manifest["kind"]
        name = f"o.I{kind}" if group == "monitoring.coreos.com" else f"k.{version.capitalize()}{kind}"
        lines.append(f"export const m{number}: {name} = {json.dumps(as_generated(manifest))};")
    return "\n".join(lines)


@pytest.fixture(scope="session")
def compiler(tools: pathlib.Path) -> pathlib.Path:
    """A folder with the TypeScript compiler and the API's types, as package-lock.json has them."""
    folder = tools / "types"
    folder.mkdir(exist_ok=True)
    lock = (HERE / "package-lock.json").read_text()
    stamp = folder / "installed"
    if not stamp.exists() or stamp.read_text() != lock:
        shutil.copy(HERE / "package.json", folder)
        shutil.copy(HERE / "package-lock.json", folder)
        subprocess.run(["npm", "ci", "--ignore-scripts", "--loglevel=error"], cwd=folder, check=True)
        stamp.write_text(lock)
    return folder


def compile_errors(compiler: pathlib.Path, manifests: list[Manifest], name: str) -> str:
    source = compiler / f"{name}.ts"
    source.write_text(typescript(manifests))
    options = "--noEmit --strict --skipLibCheck --module nodenext --target es2022".split()
    done = subprocess.run(
        ["node_modules/.bin/tsc", *options, source.name], cwd=compiler, capture_output=True, text=True
    )
    assert done.stderr == ""
    return done.stdout


def test_manifests_have_the_types_of_the_current_api(
    compiler: pathlib.Path, manifests: dict[str, list[Manifest]]
) -> None:
    everything = [m for name in RENDERED for m in manifests[name]]
    assert compile_errors(compiler, everything, "right") == ""


def test_the_type_check_refuses_wrong_manifests(
    compiler: pathlib.Path, manifests: dict[str, list[Manifest]]
) -> None:
    right = manifests["monitoring"]
    wrong = copy.deepcopy(right)
    number = {kind: i for i, m in enumerate(wrong) if (kind := m["kind"])}
    pod = only("StatefulSet", wrong)["spec"]["template"]["spec"]
    pod["terminationGracePeriodSecond"] = pod.pop("terminationGracePeriodSeconds")  # unknown
    only("NetworkPolicy", wrong)["spec"]["policyTypes"] = "Ingress"  # mistyped
    del only("ServiceMonitor", wrong)["spec"]["selector"]  # missing
    errors = compile_errors(compiler, wrong, "wrong")
    lines = {int(line) - 3 for line in re.findall(r"^wrong\.ts\((\d+),", errors, re.MULTILINE)}
    assert lines == {number[kind] for kind in ("StatefulSet", "NetworkPolicy", "ServiceMonitor")}


# What the checklist asks for --------------------------------------------------------------------------


@pytest.fixture(params=RENDERED)
def rendered(request: pytest.FixtureRequest, manifests: dict[str, list[Manifest]]) -> list[Manifest]:
    return manifests[request.param]


def restricted_faults(pod: Manifest) -> list[str]:
    """What the Pod Security Standard `restricted` (v1.36) would refuse in a pod spec."""
    faults = [f for f in ("hostNetwork", "hostPID", "hostIPC") if pod.get(f)]
    pod_context = pod.get("securityContext", {})
    allowed = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image",
               "persistentVolumeClaim", "projected", "secret"}
    for volume in pod.get("volumes", []):
        faults += [f"volume {kind}" for kind in set(volume) - {"name"} - allowed]
    faults += ["sysctls"] if pod_context.get("sysctls") else []
    for container in pod.get("initContainers", []) + pod["containers"]:
        own = container.get("securityContext", {})
        both = {**pod_context, **own}
        capabilities = own.get("capabilities", {})
        checks = {
            "privileged": not own.get("privileged", False),
            "allowPrivilegeEscalation": own.get("allowPrivilegeEscalation") is False,
            "runAsNonRoot": both.get("runAsNonRoot") is True,
            "runAsUser": both.get("runAsUser", 1) != 0,
            "seccompProfile": both.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
            "capabilities.drop": "ALL" in capabilities.get("drop", []),
            "capabilities.add": set(capabilities.get("add", [])) <= {"NET_BIND_SERVICE"},
            "hostPort": not any(p.get("hostPort") for p in container.get("ports", [])),
            "procMount": own.get("procMount", "Default") == "Default",
        }
        faults += [name for name, right in checks.items() if not right]
    return faults


def test_pods_pass_the_restricted_standard(rendered: list[Manifest]) -> None:
    pod = only("StatefulSet", rendered)["spec"]["template"]["spec"]
    assert restricted_faults(pod) == []
    context, container = pod["securityContext"], pod["containers"][0]
    assert (context["runAsUser"], context["runAsGroup"], context["fsGroup"]) == (65532, 65532, 65532)
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["automountServiceAccountToken"] is False
    assert only("ServiceAccount", rendered)["automountServiceAccountToken"] is False


@pytest.mark.parametrize(
    "fault, planted",
    [
        ("hostNetwork", lambda pod: pod.update(hostNetwork=True)),
        ("volume hostPath", lambda pod: pod["volumes"].append({"name": "x", "hostPath": {"path": "/"}})),
        ("runAsUser", lambda pod: pod["securityContext"].update(runAsUser=0)),
        ("seccompProfile", lambda pod: pod["securityContext"].pop("seccompProfile")),
        ("capabilities.drop", lambda pod: pod["containers"][0]["securityContext"].pop("capabilities")),
        ("allowPrivilegeEscalation",
         lambda pod: pod["containers"][0]["securityContext"].pop("allowPrivilegeEscalation")),
        ("privileged", lambda pod: pod["containers"][0]["securityContext"].update(privileged=True)),
    ],
)
def test_the_restricted_check_refuses(manifests: dict[str, list[Manifest]], fault: str, planted: Any) -> None:
    pod = copy.deepcopy(only("StatefulSet", manifests["base"])["spec"]["template"]["spec"])
    planted(pod)
    assert restricted_faults(pod) == [fault]


def test_probes_use_numeric_grpc_ports_and_the_two_health_services(rendered: list[Manifest]) -> None:
    container = only("StatefulSet", rendered)["spec"]["template"]["spec"]["containers"][0]
    expected = {"startupProbe": ("liveness", 10, 30), "readinessProbe": ("readiness", 5, 3),
                "livenessProbe": ("liveness", 10, 6)}
    for name, (service, period, failures) in expected.items():
        probe = container[name]
        assert probe["grpc"] == {"port": 50051, "service": service}, name
        assert (probe["periodSeconds"], probe["failureThreshold"]) == (period, failures), name
        assert probe["timeoutSeconds"] == 2, name


def test_services_are_governing_client_facing_and_metrics(rendered: list[Manifest]) -> None:
    services = {m["metadata"]["name"]: m["spec"] for m in rendered if m["kind"] == "Service"}
    assert set(services) == {"subset", "subset-pods", "subset-metrics"}
    assert only("StatefulSet", rendered)["spec"]["serviceName"] == "subset-pods"
    for name, not_ready in (("subset", False), ("subset-pods", True)):
        assert services[name]["clusterIP"] == "None"
        assert services[name]["publishNotReadyAddresses"] is not_ready
    # Only one Service has the port that the ServiceMonitor names: nothing is scraped twice.
    assert [n for n, s in services.items() if any(p["name"] == "metrics" for p in s["ports"])] == [
        "subset-metrics"]


def test_selectors_are_name_and_instance_only_and_agree(rendered: list[Manifest]) -> None:
    both = {"app.kubernetes.io/name": "subset", "app.kubernetes.io/instance": "subset"}
    stateful_set = only("StatefulSet", rendered)["spec"]
    assert stateful_set["selector"] == {"matchLabels": both}
    policy = only("NetworkPolicy", rendered)["spec"]
    assert policy["podSelector"] == {"matchLabels": both}
    assert all(m["spec"]["selector"] == both for m in rendered if m["kind"] == "Service")
    # Immutable after creation, so no version in it.
    assert stateful_set["volumeClaimTemplates"][0]["metadata"]["labels"] == both
    labels = stateful_set["template"]["metadata"]["labels"]
    wanted = {"name", "instance", "version", "component", "part-of", "managed-by"}
    assert set(labels) == {f"app.kubernetes.io/{word}" for word in wanted}


def test_the_network_policy_lets_in_clients_and_monitoring_only(rendered: list[Manifest]) -> None:
    spec = only("NetworkPolicy", rendered)["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    clients, monitoring = spec["ingress"]
    label = {"key": "subset-client", "operator": "In", "values": ["true"]}
    assert clients["from"] == [{"podSelector": {"matchExpressions": [label]}}]
    assert [p["port"] for p in clients["ports"]] == [50051]
    assert [p["port"] for p in monitoring["ports"]] == [9090]
    assert {p["port"] for rule in spec["egress"] for p in rule["ports"]} == {53}


def test_one_replica_keeps_its_volume_and_blocks_no_drain(rendered: list[Manifest]) -> None:
    spec = only("StatefulSet", rendered)["spec"]
    assert spec["replicas"] == 1
    assert not [m for m in rendered if m["kind"] == "PodDisruptionBudget"]
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    assert spec["volumeClaimTemplates"][0]["spec"]["accessModes"] == ["ReadWriteOncePod"]
    assert spec["template"]["spec"]["terminationGracePeriodSeconds"] == 60
    resources = spec["template"]["spec"]["containers"][0]["resources"]
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    assert "cpu" not in resources["limits"]


def test_a_changed_setting_changes_the_config_maps_name(kustomize: str, tmp_path: pathlib.Path) -> None:
    copied = tmp_path / "kustomize"
    shutil.copytree(KUSTOMIZE, copied)

    def name() -> str:
        done = subprocess.run([kustomize, "build", copied / "base"], capture_output=True, text=True, check=True)
        of = list(yaml.safe_load_all(done.stdout))
        pod = only("StatefulSet", of)["spec"]["template"]["spec"]
        used: str = pod["containers"][0]["envFrom"][0]["configMapRef"]["name"]
        assert used == only("ConfigMap", of)["metadata"]["name"]
        return used

    before = name()
    settings = copied / "base/subset.env"
    settings.write_text(settings.read_text().replace("DRAIN_DELAY=5s", "DRAIN_DELAY=6s"))
    assert name() != before


def test_the_version_is_the_projects(rendered: list[Manifest]) -> None:
    project = re.search(r"project\(subset VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())
    assert project is not None
    stateful_set = only("StatefulSet", rendered)
    assert stateful_set["metadata"]["labels"]["app.kubernetes.io/version"] == project[1]
    image = stateful_set["spec"]["template"]["spec"]["containers"][0]["image"]
    assert image in ("subset", f"registry.example.com/subset:{project[1]}")
