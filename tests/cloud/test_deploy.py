"""What an operator deploys: checked against Kubernetes' own schemas and by the linter of Dockerfiles, offline."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from sensorium_cloud._app import http, settings

DEPLOY = Path(__file__).parents[2] / "cloud" / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
SCHEMAS = Path(__file__).with_name("schemas")
VERSION = "1.33"

Object = dict[str, Any]


def documents(path: Path) -> list[Object]:
    return list(yaml.safe_load_all(path.read_text()))


def rendered(folder: Path) -> list[Object]:
    """What ``kubectl apply --kustomize`` would send, of the few features the overlays use."""
    told = documents(folder / "kustomization.yaml")[0]
    found: list[Object] = []
    for resource in told["resources"]:
        path = (folder / resource).resolve()
        found += rendered(path) if path.is_dir() else documents(path)
    for patch in told.get("patches", ()):
        text = (folder / patch["path"]).read_text() if "path" in patch else patch["patch"]
        found = list(patched(found, yaml.safe_load(text)))
    return found


def patched(objects: list[Object], patch: Object) -> Iterator[Object]:
    hit = [o for o in objects if (o["kind"], o["metadata"]["name"]) == (patch["kind"], patch["metadata"]["name"])]
    assert len(hit) == 1, f"the patch of {patch['kind']} {patch['metadata']['name']} hits {len(hit)} objects"
    for one in objects:
        if one is not hit[0]:
            yield one
        elif patch.get("$patch") != "delete":
            yield merged(one, patch)


def merged(one: Any, other: Any) -> Any:
    """A strategic merge: tables by key, lists of named things by name, all else replaced."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one | {key: merged(one.get(key), value) for key, value in other.items()}
    if isinstance(one, list) and isinstance(other, list) and all("name" in x for x in [*one, *other]):
        names = {x["name"]: x for x in one}
        return list((names | {x["name"]: merged(names.get(x["name"]), x) for x in other}).values())
    return other


def the(kind: str, objects: list[Object]) -> Object:
    return next(o for o in objects if o["kind"] == kind)


FOLDERS = sorted(path.parent.name for path in KUBERNETES.glob("*/kustomization.yaml"))


@pytest.mark.parametrize("name", FOLDERS)
def test_every_object_fits_its_schema(name: str) -> None:
    for one in rendered(KUBERNETES / name):
        if "." in one["apiVersion"].removesuffix(".k8s.io/v1").partition("/")[0]:
            custom(one["kind"]).validate(one)
        else:
            kubernetes_validate.validate(one, VERSION, strict=True)


def custom(kind: str) -> jsonschema.Draft202012Validator:
    """Of what is not Kubernetes' own: a schema of ours, with the fields that are used here and no others."""
    return jsonschema.Draft202012Validator(json.loads((SCHEMAS / f"{kind.lower()}.json").read_text()))


@pytest.mark.parametrize(
    ("folder", "kind", "path", "misspelt"),
    [
        ("keda", "ScaledObject", "spec", "maxReplicas"),
        ("keda", "ScaledObject", "spec.triggers.0.metadata", "treshold"),
        ("monitoring", "ServiceMonitor", "spec.endpoints.0", "targetport"),
        ("ray", "RayService", "spec.rayClusterConfig", "enableInTreeAutoScaling"),
        ("ray", "RayService", "spec.rayClusterConfig.workerGroupSpecs.0", "maxReplicaCount"),
    ],
)
def test_a_misspelt_field_of_a_custom_resource_is_refused(folder: str, kind: str, path: str, misspelt: str) -> None:
    one = json.loads(json.dumps(the(kind, rendered(KUBERNETES / folder))))
    place = one
    for step in path.split("."):
        place = place[int(step) if step.isdecimal() else step]
    place[misspelt] = "1"

    with pytest.raises(jsonschema.ValidationError):
        custom(kind).validate(one)


def test_what_has_to_be_a_text_and_is_a_number_is_refused() -> None:
    scaled = the("ScaledObject", rendered(KUBERNETES / "keda"))
    scaled["spec"]["triggers"][0]["metadata"]["threshold"] = 0.05
    service = the("RayService", rendered(KUBERNETES / "ray"))
    service["spec"]["rayClusterConfig"]["headGroupSpec"]["rayStartParams"]["num-cpus"] = 0

    assert not custom("ScaledObject").is_valid(scaled)
    assert not custom("RayService").is_valid(service)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="the tests' own rendering is compared where kubectl is")
@pytest.mark.parametrize("name", FOLDERS)
def test_kubectl_renders_the_same_objects(name: str) -> None:
    told = subprocess.run(["kubectl", "kustomize", str(KUBERNETES / name)], capture_output=True, text=True, check=True)
    theirs, ours = by_name(yaml.safe_load_all(told.stdout)), by_name(rendered(KUBERNETES / name))
    theirs.pop(("Secret", "redis"), None)  # made by a generator

    assert theirs == ours


def by_name(objects: Iterable[Object]) -> dict[tuple[str, str], Any]:
    """Their specs, without what only kustomize does: image tags and the order of lists of named things."""
    specs = {(o["kind"], o["metadata"]["name"]): o.get("spec") for o in objects}
    for spec in specs.values():
        pod = ((spec or {}).get("template") or {}).get("spec") or {}
        for container in [*pod.get("containers", ()), *pod.get("initContainers", ())]:
            container["image"] = container["image"].partition(":")[0]
            for key in ("env", "volumeMounts"):
                container.get(key, []).sort(key=lambda named: named["name"])
        pod.get("volumes", []).sort(key=lambda named: named["name"])
    return specs


def test_the_service_takes_the_settings_it_is_given(tmp_path: Path) -> None:
    told = the("ConfigMap", documents(KUBERNETES / "base" / "settings.yaml"))["data"]["cloud.toml"]
    (secret := tmp_path / "tokens.toml").write_text(f'[[tokens]]\nsha256 = "{"0" * 64}"\n')
    (file := tmp_path / "cloud.toml").write_text(told.replace("/etc/sensorium-gateway/tokens.toml", str(secret)))
    found = settings.load(file, {"REDIS_URL": "redis://redis:6379/0"})
    pod = the("Deployment", rendered(KUBERNETES / "base"))["spec"]["template"]["spec"]
    ports = {port["containerPort"] for container in pod["containers"] for port in container["ports"]}

    assert {found.listen.port, found.gateway.port, found.metrics.port} == ports
    assert found.redis.url
    assert len(found.gateway.tokens) == 1
    assert "/etc/sensorium-gateway" in {m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}
    before_s = float(pod["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][1])
    assert before_s + found.listen.stop_grace_s + http._GRACE_S < pod["terminationGracePeriodSeconds"]
    assert found.state.folder in {m["mountPath"] for m in pod["containers"][0]["volumeMounts"]}


@pytest.mark.parametrize("name", FOLDERS)
def test_nothing_runs_as_root_or_can_write_its_own_files(name: str) -> None:
    for one in rendered(KUBERNETES / name):
        if one["kind"] != "Deployment":
            continue
        pod = one["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"]
        assert pod["automountServiceAccountToken"] is False
        for container in [*pod["containers"], *pod.get("initContainers", ())]:
            locked = container["securityContext"]
            assert locked["readOnlyRootFilesystem"]
            assert locked["capabilities"] == {"drop": ["ALL"]}
            assert not locked["allowPrivilegeEscalation"]
            assert container["resources"]["limits"]["memory"]


def test_probes_and_prometheus_ask_where_the_gateway_listens() -> None:
    template = the("Deployment", rendered(KUBERNETES / "base"))["spec"]["template"]
    container = template["spec"]["containers"][0]
    named = {port["name"]: port["containerPort"] for port in container["ports"]}
    asked = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    ways = [port for o in rendered(KUBERNETES / "base") if o["kind"] == "Service" for port in o["spec"]["ports"]]
    policy = the("NetworkPolicy", rendered(KUBERNETES / "base"))["spec"]["ingress"][0]["ports"]

    assert asked == {"/healthz", "/readyz"}
    assert template["metadata"]["annotations"]["prometheus.io/port"] == str(named["metrics"])
    assert {port["targetPort"] for port in ways} == named.keys() == {port["port"] for port in policy} | {"metrics"}
    assert 80 in {port["port"] for port in ways}


def test_nobody_but_prometheus_reaches_the_metrics() -> None:
    objects = rendered(KUBERNETES / "base")
    (rule,) = (
        rule
        for rule in the("NetworkPolicy", objects)["spec"]["ingress"]
        if "metrics" in {port["port"] for port in rule["ports"]}
    )
    ways = [o for o in objects if o["kind"] == "Service" and "metrics" in {p["name"] for p in o["spec"]["ports"]}]

    assert [way["spec"].get("clusterIP") for way in ways] == ["None"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]


def test_the_operators_prometheus_finds_the_port_of_the_metrics() -> None:
    objects = rendered(KUBERNETES / "monitoring")
    monitor = the("ServiceMonitor", objects)["spec"]
    wanted = monitor["selector"]["matchLabels"].items()
    (found,) = (o for o in objects if o["kind"] == "Service" and wanted <= o["metadata"].get("labels", {}).items())

    assert {e["port"] for e in monitor["endpoints"]} <= {port["name"] for port in found["spec"]["ports"]}


def test_spans_may_leave_where_they_are_sent() -> None:
    objects = rendered(KUBERNETES / "tracing")
    container = the("Deployment", objects)["spec"]["template"]["spec"]["containers"][0]
    environment = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    endpoint = settings.load(None, environment).trace.endpoint
    policy = next(o for o in objects if o["metadata"]["name"] == "tracing")["spec"]

    assert endpoint.rpartition(":")[2] == str(policy["egress"][0]["ports"][0]["port"])
    assert "REDIS_URL" in {one["name"] for one in container["env"]}


def reached(policy: Object) -> set[tuple[str, str]]:
    """Whom a policy lets something out to: what is looked for, and the port."""
    return {
        (value, str(port["port"]))
        for rule in policy["egress"]
        for peer in rule.get("to", ())
        for value in peer.get("podSelector", peer.get("namespaceSelector", {})).get("matchLabels", {}).values()
        for port in rule.get("ports", ())
    }


def test_out_goes_what_the_settings_ask_for_and_nothing_else() -> None:
    url = the("Kustomization", documents(KUBERNETES / "redis" / "kustomization.yaml"))
    (told,) = url["secretGenerator"][0]["literals"]
    host, _, port = told.removeprefix("url=redis://").partition("/")[0].partition(":")
    policy = the("NetworkPolicy", rendered(KUBERNETES / "base"))["spec"]

    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert reached(policy) == {("kube-dns", "53"), (host, port)}


def test_nobody_but_the_service_reaches_redis() -> None:
    objects = rendered(KUBERNETES / "redis")
    pod = the("Deployment", objects)["spec"]["template"]
    policy = the("NetworkPolicy", objects)["spec"]
    (rule,) = policy["ingress"]
    (peer,) = rule["from"]
    service = the("Deployment", rendered(KUBERNETES / "base"))["spec"]["template"]["metadata"]["labels"]

    assert policy["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()
    assert peer["podSelector"]["matchLabels"].items() <= service.items()
    assert [port["port"] for port in rule["ports"]] == [port["name"] for port in pod["spec"]["containers"][0]["ports"]]
    assert "egress" not in policy
    assert policy["policyTypes"] == ["Ingress", "Egress"]


def test_only_the_head_of_the_cluster_reaches_kubernetes() -> None:
    objects = rendered(KUBERNETES / "ray")
    cluster = the("RayService", objects)["spec"]["rayClusterConfig"]
    front = the("Deployment", objects)["spec"]["template"]["metadata"]["labels"]
    (policy,) = (o["spec"] for o in objects if o["metadata"]["name"] == "ray-head")
    wanted = policy["podSelector"]["matchLabels"].items()

    assert wanted <= cluster["headGroupSpec"]["template"]["metadata"]["labels"].items()
    assert not wanted <= cluster["workerGroupSpecs"][0]["template"]["metadata"]["labels"].items()
    assert not wanted <= front.items()
    assert all("to" in rule for o in objects if o["metadata"]["name"] == "ray" for rule in o["spec"]["egress"])


def test_one_pod_can_always_be_taken_away() -> None:
    objects = rendered(KUBERNETES / "base")
    budget, scaler = (the(kind, objects)["spec"] for kind in ("PodDisruptionBudget", "HorizontalPodAutoscaler"))

    assert 0 < budget["minAvailable"] < scaler["minReplicas"]


def bring_models(image: Path, volume: Path, *programs: Path) -> int:
    """The exit code of the container that does it, with other folders, and ``programs`` before the system's."""
    pod = the("Deployment", rendered(KUBERNETES / "base"))["spec"]["template"]["spec"]
    (container,) = pod["initContainers"]
    script = container["args"][0].replace("/opt/models", str(image)).replace("/models/", f"{volume}/")
    path = os.pathsep.join([*map(str, programs), os.environ["PATH"]])
    done = subprocess.run([*container["command"], script], check=False, env={"HOSTNAME": "pod-1", "PATH": path})
    return done.returncode


def test_models_of_the_image_come_whole_or_not_at_all(tmp_path: Path) -> None:
    """What is there stays, also a file that another pod is writing."""
    image, volume = tmp_path / "image", tmp_path / "volume"
    (image / "sub").mkdir(parents=True)
    volume.mkdir()
    (image / "a.onnx").write_text("new")
    (image / "sub" / "b.onnx").write_text("b")
    (volume / "a.onnx").write_text("old")
    (volume / "a.onnx.other-pod").write_text("ha")

    assert bring_models(image, volume) == 0
    found = {str(path.relative_to(volume)): path.read_text() for path in volume.rglob("*") if path.is_file()}
    assert found == {"a.onnx": "old", "a.onnx.other-pod": "ha", "sub/b.onnx": "b"}


def test_a_pod_does_not_start_without_a_model_that_had_no_room(tmp_path: Path) -> None:
    image, volume, programs = (tmp_path / name for name in ("image", "volume", "programs"))
    for folder in (image, volume, programs):
        folder.mkdir()
    for name in ("a.onnx", "b.onnx"):
        (image / name).write_text(name)
    (programs / "cp").write_text('#!/bin/sh\nprintf a > "$2"\nexit 1\n')
    (programs / "cp").chmod(0o755)

    assert bring_models(image, volume, programs) == 1
    assert list(volume.iterdir()) == []


def test_selectors_find_their_pods() -> None:
    objects = rendered(KUBERNETES / "base")
    labels = the("Deployment", objects)["spec"]["template"]["metadata"]["labels"]
    for one in objects:
        spec = one.get("spec", {})
        wanted = spec.get("selector") if one["kind"] == "Service" else spec.get("podSelector", spec.get("selector"))
        wanted = (wanted or {}).get("matchLabels", wanted)
        assert not wanted or wanted.items() <= labels.items(), one["kind"]


def test_both_autoscalers_agree_on_how_far_they_go() -> None:
    scaler = the("HorizontalPodAutoscaler", rendered(KUBERNETES / "base"))["spec"]
    keda = the("ScaledObject", rendered(KUBERNETES / "keda"))["spec"]

    assert (
        (scaler["minReplicas"], scaler["maxReplicas"]) == (keda["minReplicaCount"], keda["maxReplicaCount"]) == (3, 20)
    )
    assert keda["scaleTargetRef"]["name"] == scaler["scaleTargetRef"]["name"]
    assert not [o for o in rendered(KUBERNETES / "keda") if o["kind"] == "HorizontalPodAutoscaler"]


def test_the_graphics_processor_is_asked_for_and_nothing_else_changes() -> None:
    plain, with_gpu = (the("Deployment", rendered(KUBERNETES / name))["spec"] for name in ("base", "gpu"))
    container = with_gpu["template"]["spec"]["containers"][0]

    assert container["resources"]["limits"] == {"cpu": "2", "memory": "4Gi", "nvidia.com/gpu": "1"}
    assert container["volumeMounts"] == plain["template"]["spec"]["containers"][0]["volumeMounts"]


def test_the_cluster_runs_what_the_front_joins_in_pods_that_are_locked_too() -> None:
    objects = rendered(KUBERNETES / "ray")
    service = the("RayService", objects)
    cluster = service["spec"]["rayClusterConfig"]
    (deployed,) = yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]
    module, _, builder = deployed["import_path"].partition(":")
    front = the("Deployment", objects)["spec"]["template"]
    policy = next(o for o in objects if o["kind"] == "NetworkPolicy" and o["metadata"]["name"] == "ray")["spec"]

    assert module == "sensorium_cloud.cluster.application"
    assert f"def {builder}(" in (DEPLOY.parent / f"{module.replace('.', '/')}.py").read_text()
    assert f'NAME: Final = "{deployed["name"]}"' in (DEPLOY.parent / f"{module.replace('.', '/')}.py").read_text()
    (command,) = front["spec"]["containers"][0]["args"]
    head = f"{service['metadata']['name']}-head-svc:6379"
    assert command.count(head) == 2
    assert "--num-cpus=0" in command
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for template in [front, *(group["template"] for group in groups)]:
        assert policy["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    for group in groups:
        pod = group["template"]
        kubernetes_validate.validate({"apiVersion": "v1", "kind": "Pod", **pod}, VERSION, strict=True)
        assert pod["spec"]["securityContext"]["runAsNonRoot"]
        for container in pod["spec"]["containers"]:
            assert container["securityContext"]["readOnlyRootFilesystem"]
            assert deployed["args"]["settings"].rpartition("/")[0] in {
                m["mountPath"] for m in container["volumeMounts"]
            }


ASKED = re.compile(r"--build-arg (\w+)=")


def dockerfile() -> list[str]:
    return (DEPLOY / "Dockerfile").read_text().splitlines()


def test_the_linter_of_dockerfiles_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run([hadolint, DEPLOY / "Dockerfile"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def test_what_overlays_ask_of_the_image_can_be_asked() -> None:
    asked = {name for path in DEPLOY.rglob("*") if path.is_file() for name in ASKED.findall(path.read_text())}
    offered = {line.split()[1].partition("=")[0] for line in dockerfile() if line.startswith("ARG")}

    assert asked == {"EXTRAS", "RUNTIME"}
    assert asked <= offered


def test_the_image_holds_only_what_is_in_the_repository() -> None:
    root = DEPLOY.parents[1]
    copied = [line.split()[1:-1] for line in dockerfile() if line.startswith("COPY")]
    for source in (s for sources in copied for s in sources if not s.startswith("--from") and not s.startswith("/")):
        assert (root / source).exists(), source
