"""Deploys packaging/cloudformation/rotation-*.yaml on moto, and looks at what came of it: which events of Parameter Store start it
(by moto's own matching), what the state machine then does (its calls exist in botocore's models), and that the roles may do that
and nothing else. Writes the commands that Run Command gets into FILE. usage: rotation.py FILE"""

import ast
import json
import pathlib
import re
import subprocess
import sys
import tempfile

import boto3
import botocore.session
from moto import mock_aws
from moto.events.models import EventPattern
from story import REGION, deploy

# As the User Guide of Systems Manager shows one.
EVENT = {
    "version": "0",
    "id": "9547ef2d-3b7e-4057-b6cb-5fdf09ee7c8f",
    "detail-type": "Parameter Store Change",
    "source": "aws.ssm",
    "account": "123456789012",
    "time": "2026-11-27T16:43:48Z",
    "region": REGION,
    "resources": ["arn:aws:ssm:us-east-1:123456789012:parameter/x"],
    "detail": {"name": "x", "type": "SecureString", "operation": "Update", "description": "x"},
}


INSTANCES = {
    "Project": "projectA",
    "Environment": "production",
    "Unit": "stepzero@web",
    "Options": "--spec /etc/stepzero/web.toml",
    "Group": "web-Group-1",
}


def event(name, operation="Update"):
    return {**EVENT, "detail": {**EVENT["detail"], "name": name, "operation": operation}}


def stack(template, parameters):
    return deploy(boto3.client("cloudformation", region_name=REGION), "rotation", template, parameters)


def rule(made):
    client = boto3.client("events", region_name=REGION)
    described = client.describe_rule(Name=made["Changed"].split("|")[-1].split("/")[-1])
    assert described["State"] == "ENABLED", described
    pattern = EventPattern.load(described["EventPattern"])
    for name, operation, wanted in [
        ("projectA.production.database_password", "Update", True),
        ("projectA.shared.database_username", "Create", True),
        ("production.key", "LabelParameterVersion", True),
        ("shared.newrelic_key", "Update", True),
        ("/projectA/production/database_password", "Update", True),
        ("/shared/newrelic_key", "Update", True),
        ("projectA.production.database_password", "Delete", False),
        ("projectB.production.database_password", "Update", False),
        ("projectA.staging.database_password", "Update", False),
        ("projectAB.production.x", "Update", False),
        ("/projectB/production/x", "Update", False),
    ]:
        assert pattern.matches_event(event(name, operation)) == wanted, (name, operation, described["EventPattern"])
    assert not pattern.matches_event({**event("shared.x"), "detail-type": "Parameter Store Policy Action"})
    [target] = client.list_targets_by_rule(Rule=described["Name"])["Targets"]
    assert target["Arn"] == made[next(key for key in ("Restart", "Deploy") if key in made)], target
    assert target["RoleArn"].endswith(made["StartRole"]), target


def task(made):
    """The one call of the state machine, which botocore's model of the service accepts."""
    machine = made[next(key for key in ("Restart", "Deploy") if key in made)]
    client = boto3.client("stepfunctions", region_name=REGION)
    definition = json.loads(client.describe_state_machine(stateMachineArn=machine)["definition"])
    [state] = definition["States"].values()
    service, action = re.fullmatch(r"arn:aws:states:::aws-sdk:(\w+):(\w+)", state["Resource"]).groups()
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(action[0].upper() + action[1:]).input_shape
    # Step Functions writes every member with a capital; botocore has the service's own.
    members = {name.lower(): name for name in shape.members}
    arguments = {members[name.lower()]: value for name, value in state["Parameters"].items()}
    botocore.validate.validate_parameters(arguments, shape)
    return f"{service}:{action[0].upper()}{action[1:]}", state["Parameters"]


def statements(role):
    """Of its one policy."""
    client = boto3.client("iam", region_name=REGION)
    [policy] = client.list_role_policies(RoleName=role)["PolicyNames"]
    document = client.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
    # moto gives back what it was given by CloudFormation: a Python dictionary as text, or JSON.
    if isinstance(document, str):
        document = json.loads(document) if '"Statement"' in document else ast.literal_eval(document)
    return document["Statement"]


def allowed(role):
    return {(one["Action"], one["Resource"]) for one in statements(role)}


@mock_aws(config={"iam": {"load_aws_managed_policies": True}})
def instances():
    iam = boto3.client("iam", region_name=REGION)
    iam.create_role(RoleName="web-Role-1", AssumeRolePolicyDocument="{}")
    made = stack("rotation-instances.yaml", {**INSTANCES, "Role": "web-Role-1"})
    rule(made)
    action, arguments = task(made)
    assert action == "ssm:SendCommand" and (arguments["MaxConcurrency"], arguments["MaxErrors"]) == ("10%", "0")
    instances = "arn:aws:ec2:us-east-1:123456789012:instance/*"
    assert allowed(made["RestartRole"]) == {
        ("ssm:SendCommand", "arn:aws:ssm:us-east-1::document/AWS-RunShellScript"),
        ("ssm:SendCommand", instances),
    }
    [condition] = [one["Condition"] for one in statements(made["RestartRole"]) if one["Resource"] == instances]
    assert condition == {"StringEquals": {"ssm:resourceTag/aws:autoscaling:groupName": INSTANCES["Group"]}}, condition
    # What AWS's own policy allows the agent, without the right to read parameters.
    core = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
    version = iam.get_policy(PolicyArn=core)["Policy"]["DefaultVersionId"]
    document = iam.get_policy_version(PolicyArn=core, VersionId=version)["PolicyVersion"]["Document"]
    known = {action for one in document["Statement"] for action in one["Action"]}
    [agent] = statements("web-Role-1")
    assert "ssm:GetParameters" in known and set(agent["Action"]) < known, agent
    assert {one for one in agent["Action"] if one.startswith("ssm:")} == {"ssm:UpdateInstanceInformation"}, agent
    return arguments["Parameters"]["commands"]


@mock_aws
def instances_with_an_agent_of_their_own():
    """With the options of service.yaml."""
    options = "-p projectA -e production -k newrelic_key -k DB_PASSWORD=database_password"
    assert "AgentPolicy" not in stack("rotation-instances.yaml", {**INSTANCES, "Unit": "app", "Options": options})


@mock_aws
def ecs():
    made = stack("rotation-ecs.yaml", {"Project": "projectA", "Environment": "production", "Cluster": "c", "Service": "web"})
    rule(made)
    action, arguments = task(made)
    assert action == "ecs:UpdateService" and arguments["ForceNewDeployment"] is True, arguments
    assert allowed(made["DeployRole"]) == {("ecs:UpdateService", "arn:aws:ecs:us-east-1:123456789012:service/c/web")}


def run(commands, changed, active=0):
    """The commands as the SSM agent runs them: one script, by sh. Returns its code, and what it called."""
    with tempfile.TemporaryDirectory() as place:
        for name, body in [
            ("stepzero", f'echo "stepzero $*" >> {place}/called; exit {changed}'),
            ("systemctl", f'echo "systemctl $*" >> {place}/called; [ "$1" != is-active ] || exit {active}'),
            ("sleep", "exit 0"),
        ]:
            path = pathlib.Path(place) / name
            path.write_text(f"#!/bin/sh\n{body}\n")
            path.chmod(0o755)
        script = pathlib.Path(place) / "script"
        script.write_text("\n".join(commands))
        code = subprocess.run(["sh", script], env={"PATH": f"{place}:/usr/bin:/bin"}).returncode
        return code, (pathlib.Path(place) / "called").read_text().splitlines()


def main(file):
    commands = instances()
    instances_with_an_agent_of_their_own()
    ecs()
    asked = "stepzero changed --credentials instance-profile --spec /etc/stepzero/web.toml --unit stepzero@web.service"
    restarted = [asked, "systemctl try-restart stepzero@web.service", "systemctl is-active stepzero@web.service"]
    for changed, active, want in [
        (0, 0, (0, [asked])),
        (71, 0, (71, [asked] * 6)),
        (75, 0, (75, [asked])),
        (1, 0, (0, restarted)),
        (1, 3, (3, restarted)),
    ]:
        assert run(commands, changed, active) == want, (changed, active, run(commands, changed, active))
    pathlib.Path(file).write_text("\n".join(commands) + "\n")


main(sys.argv[1])
