"""Deploys the article's stacks on moto's CloudFormation, for two projects, and writes what came of it into a directory:
user-data of the launch template, policies of the roles, parameters with their keys. usage: story.py DIRECTORY PACKAGE_URL SHA256"""

import ast
import base64
import json
import pathlib
import sys

import boto3
from moto import mock_aws

REGION = "us-east-1"
HERE = pathlib.Path(__file__).resolve().parents[2] / "packaging/cloudformation"
# scope, key, value: the article's three, and what the other project has.
PARAMETERS = [
    ("shared", "newrelic_key", "2039402939302293029230923093"),
    ("projectA.shared", "database_username", "db_user"),
    ("projectA.production", "database_password", "d)Dmfj@)(dJF!hp"),
    ("projectB.production", "database_password", "of the other project"),
]
KEYS = {"shared": "shared", "production": "production"}


def namespace(scope):
    """projectA.shared is under the key projectA; projectA.production has its own."""
    project, _, environment = scope.partition(".")
    return project if environment in ("", "shared") else f"{project}/{environment}"


def deploy(client, name, template, parameters):
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    client.create_stack(
        StackName=name, TemplateBody=(HERE / template).read_text(), Parameters=given, Capabilities=["CAPABILITY_NAMED_IAM"]
    )
    stack = client.describe_stacks(StackName=name)["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    resources = client.describe_stack_resources(StackName=name)["StackResources"]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in resources}


def service(clients, project, package):
    """One service stack: its user-data, and the policy of its role."""
    subnet = clients["ec2"].describe_subnets()["Subnets"][0]["SubnetId"]
    image = clients["ec2"].describe_images()["Images"][0]["ImageId"]
    made = deploy(
        clients["cloudformation"],
        f"{project}-production",
        "service.yaml",
        {"Project": project, "Environment": "production", "Subnets": subnet, "Image": image, **package},
    )
    versions = clients["ec2"].describe_launch_template_versions(LaunchTemplateId=made["LaunchTemplate"])
    data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    metadata = data["MetadataOptions"]
    assert (metadata["HttpTokens"], metadata["HttpPutResponseHopLimit"]) == ("required", 1), metadata
    names = clients["iam"].list_role_policies(RoleName=made["Role"])["PolicyNames"]
    assert len(names) == 1, names
    policy = clients["iam"].get_role_policy(RoleName=made["Role"], PolicyName=names[0])["PolicyDocument"]
    group = clients["autoscaling"].describe_auto_scaling_groups()["AutoScalingGroups"]
    assert any(project in item["AutoScalingGroupName"] for item in group), group
    return base64.b64decode(data["UserData"]), policy


@mock_aws
def main(directory, url, sha256):
    names = ("cloudformation", "ec2", "iam", "ssm", "kms", "autoscaling")
    clients = {name: boto3.client(name, region_name=REGION) for name in names}
    keys = {}
    for space in ("shared", "production", "projectA", "projectA/production", "projectB", "projectB/production"):
        export = space.replace("/", "-")
        made = deploy(clients["cloudformation"], f"kms-{export}", "key.yaml", {"Namespace": space, "ExportName": export})
        exports = clients["cloudformation"].list_exports()["Exports"]
        keys[space] = next(item["Value"] for item in exports if item["Name"] == f"kms:key:{export}:arn")
        aliases = clients["kms"].list_aliases()["Aliases"]
        target = next(item["TargetKeyId"] for item in aliases if item["AliasName"] == f"alias/{space}")
        assert target == made["Key"] and keys[space].endswith(f"key/{target}"), (made, keys[space], target)
    puts = []
    for scope, key, value in PARAMETERS:
        name, alias = f"{scope}.{key}", f"alias/{namespace(scope)}"
        clients["ssm"].put_parameter(Name=name, Value=value, Type="SecureString", KeyId=alias)
        puts.append({"name": name, "value": value, "type": "SecureString", "key": alias})
    package = {"PackageUrl": url, "PackageSha256": sha256}
    for project in ("projectA", "projectB"):
        user_data, policy = service(clients, project, package)
        # The fake has keys of its own under the same aliases; the policy names them by the placeholder @alias@.
        # moto gives back what it was given by CloudFormation: a Python dictionary as text.
        text = json.dumps(ast.literal_eval(policy) if isinstance(policy, str) else policy)
        for space, arn in keys.items():
            text = text.replace(arn, f"@{space}@")
        assert "arn:aws:kms" not in text and "*.*" not in text, text
        (directory / f"{project}.sh").write_bytes(user_data)
        (directory / f"{project}.json").write_text(text)
    (directory / "parameters.json").write_text("\n".join(json.dumps(put) for put in puts) + "\n")


main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
