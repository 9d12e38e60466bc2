"""Whether packaging/container's examples are what ECS (its API's model, and moto) and Kubernetes (its schemas) take, and start
their command as the image's ENTRYPOINT does."""

import json
import pathlib
import re

import boto3
import kubernetes_validate
import yaml
from moto import mock_aws

HERE = pathlib.Path(__file__).resolve().parents[2] / "packaging/container"


@mock_aws
def ecs(task):
    # botocore refuses what its model does not know, before a request is made.
    client = boto3.client("ecs", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    registered = client.register_task_definition(**task)["taskDefinition"]
    assert registered["status"] == "ACTIVE", registered


def main():
    task = json.loads((HERE / "ecs-task-definition.json").read_text())
    ecs(task)
    pod = yaml.safe_load((HERE / "kubernetes-pod.yaml").read_text())
    for version in ("1.30", kubernetes_validate.latest_version()):
        kubernetes_validate.validate(pod, version, strict=True)
    # With the liveness probe that the documentation has.
    page = (HERE.parents[1] / "docs/containers.md").read_text()
    probe = yaml.safe_load(re.search(r"```yaml\n(livenessProbe:.*?)```", page, re.S)[1])
    pod["spec"]["containers"][0].update(probe)
    kubernetes_validate.validate(pod, "1.30", strict=True)
    healthcheck = re.search(r"^HEALTHCHECK .*?CMD (\[.*?\])$", page, re.M | re.S)[1]
    assert probe["livenessProbe"]["exec"]["command"] == json.loads(healthcheck), probe
    entrypoint = json.loads(re.search(r"^ENTRYPOINT (.*)$", (HERE / "Dockerfile").read_text(), re.M)[1])
    [container] = task["containerDefinitions"]
    [in_pod] = pod["spec"]["containers"]
    assert container["entryPoint"] == in_pod["command"] == entrypoint, (container, in_pod)
    assert container["command"] == in_pod["args"], (container, in_pod)
    references = {item["name"]: item["value"] for item in container["environment"]}
    assert references == {item["name"]: item["value"] for item in in_pod["env"] if item["name"] != "AWS_REGION"}, references


main()
