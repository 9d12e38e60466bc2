"""Deploys the article's stacks on moto's CloudFormation, for each story below and in it for two projects, and writes what
came of it into DIRECTORY/STORY: user-data of the launch templates, policies of the roles, parameters with their keys, and
who is who (cast) and what the service gets (expected). usage: story.py DIRECTORY PACKAGE_URL SHA256"""

import ast
import base64
import json
import pathlib
import re
import shlex
import sys

import boto3
import yaml
from moto import mock_aws

REGION = "us-east-1"
HERE = pathlib.Path(__file__).resolve().parents[2] / "packaging/cloudformation"
# The article's names, with the templates' own defaults; and names that are harder, with what can be said differently.
# parameters: scope, key, variable, value.
STORIES = {
    "article": {
        "project": "projectA",
        "other": "projectB",
        "environment": "production",
        "stack": {},
        "parameters": [
            ("shared", "newrelic_key", "NEWRELIC_KEY", "2039402939302293029230923093"),
            ("projectA.shared", "database_username", "DATABASE_USERNAME", "db_user"),
            ("projectA.production", "database_password", "DATABASE_PASSWORD", "d)Dmfj@)(dJF!hp"),
        ],
    },
    "renamed": {
        "project": "Acme-2nd_shop",
        # The beginning of the first one's name.
        "other": "Acme",
        "environment": "staging",
        "stack": {
            "Keys": "-k SENTRY=sentry_dsn -k smtp-user -k db.password -k cache_url",
            "Command": "/opt/Acme-2nd_shop/bin/serve",
            "Size": "2",
        },
        "parameters": [
            ("shared", "sentry_dsn", "SENTRY", "https://1f0e@sentry.example/42?a=b&c=%41"),
            ("Acme-2nd_shop.shared", "smtp-user", "SMTP_USER", "mailer of $HOME"),
            ("Acme-2nd_shop.staging", "db.password", "DB_PASSWORD", "two words, 'and \"quotes\" \\ ü"),
            ("staging", "cache_url", "CACHE_URL", "redis://cache.internal:6379/0"),
        ],
    },
}


class Template(yaml.SafeLoader):
    """Reads a template without its functions."""


Template.add_multi_constructor("!", lambda loader, tag, node: None)


def namespace(scope):
    """projectA.shared is under the key projectA; projectA.production has its own."""
    project, _, environment = scope.partition(".")
    return project if environment in ("", "shared") else f"{project}/{environment}"


def deploy(client, name, template, parameters):
    text = (HERE / template).read_text()
    for parameter, declared in yaml.load(text, Template)["Parameters"].items():
        # CloudFormation refuses what moto takes.
        value = str(parameters.get(parameter, declared.get("Default")))
        assert re.fullmatch(declared.get("AllowedPattern", ".+"), value), (parameter, value)
    given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
    client.create_stack(StackName=name, TemplateBody=text, Parameters=given, Capabilities=["CAPABILITY_NAMED_IAM"])
    stack = client.describe_stacks(StackName=name)["Stacks"][0]
    assert stack["StackStatus"] == "CREATE_COMPLETE", stack
    resources = client.describe_stack_resources(StackName=name)["StackResources"]
    # moto lists one whose condition does not hold as well, without a name.
    made = [resource for resource in resources if "LogicalResourceId" in resource]
    return {resource["LogicalResourceId"]: resource["PhysicalResourceId"] for resource in made}


def key(clients, space):
    """The key stack of one namespace: the ARN that it exports, and that the alias leads to it."""
    made = deploy(clients["cloudformation"], "kms-" + re.sub("[/_]", "--", space), "key.yaml", {"Namespace": space})
    exports = clients["cloudformation"].list_exports()["Exports"]
    export = f"kms:key:{re.sub('[/_]', '-', space)}:arn"
    assert all(re.fullmatch("[A-Za-z0-9:-]+", item["Name"]) for item in exports), exports
    arn = next(item["Value"] for item in exports if item["Name"] == export)
    aliases = clients["kms"].list_aliases()["Aliases"]
    target = next(item["TargetKeyId"] for item in aliases if item["AliasName"] == f"alias/{space}")
    assert target == made["Key"] and arn.endswith(f"key/{target}"), (made, arn, target)
    return arn


def service(clients, stack, parameters):
    """One service stack: its user-data, and the policy of its role."""
    subnet = clients["ec2"].describe_subnets()["Subnets"][0]["SubnetId"]
    image = clients["ec2"].describe_images()["Images"][0]["ImageId"]
    made = deploy(clients["cloudformation"], stack, "service.yaml", {"Subnets": subnet, "Image": image, **parameters})
    versions = clients["ec2"].describe_launch_template_versions(LaunchTemplateId=made["LaunchTemplate"])
    data = versions["LaunchTemplateVersions"][0]["LaunchTemplateData"]
    metadata = data["MetadataOptions"]
    assert (metadata["HttpTokens"], metadata["HttpPutResponseHopLimit"]) == ("required", 1), metadata
    names = clients["iam"].list_role_policies(RoleName=made["Role"])["PolicyNames"]
    assert len(names) == 1, names
    policy = clients["iam"].get_role_policy(RoleName=made["Role"], PolicyName=names[0])["PolicyDocument"]
    groups = clients["autoscaling"].describe_auto_scaling_groups(AutoScalingGroupNames=[made["Group"]])["AutoScalingGroups"]
    assert [str(group["DesiredCapacity"]) for group in groups] == [parameters.get("Size", "1")], groups
    return base64.b64decode(data["UserData"]), policy


def tell(directory, story, package):
    names = ("cloudformation", "ec2", "iam", "ssm", "kms", "autoscaling")
    clients = {name: boto3.client(name, region_name=REGION) for name in names}
    project, other, environment = story["project"], story["other"], story["environment"]
    spaces = ("shared", environment, project, f"{project}/{environment}", other, f"{other}/{environment}")
    keys = {space: key(clients, space) for space in spaces}
    own = (f"{other}.{environment}", story["parameters"][2][1], "OTHER", "of the other project")
    puts = []
    for scope, name, _, value in [*story["parameters"], own]:
        put = {"name": f"{scope}.{name}", "value": value, "type": "SecureString", "key": f"alias/{namespace(scope)}"}
        clients["ssm"].put_parameter(Name=put["name"], Value=value, Type=put["type"], KeyId=put["key"])
        puts.append(json.dumps(put))
    stacks = {}
    for name in (project, other):
        stacks[name] = f"{name}-{environment}".replace("_", "-")
        given = {"Project": name, "Environment": environment, **package, **story["stack"]}
        user_data, policy = service(clients, stacks[name], given)
        # The fake has keys of its own under the same aliases; the policy names them by the placeholder @alias@.
        # moto gives back what it was given by CloudFormation: a Python dictionary as text.
        text = json.dumps(ast.literal_eval(policy) if isinstance(policy, str) else policy)
        for space, arn in keys.items():
            text = text.replace(arn, f"@{space}@")
        assert "arn:aws:kms" not in text and "*.*" not in text, text
        (directory / f"{name}.sh").write_bytes(user_data)
        (directory / f"{name}.json").write_text(text)
    cast = {
        "project": project,
        "other": other,
        "environment": environment,
        "stack": stacks[project],
        "other_key": own[1],
        "command": story["stack"].get("Command", "/opt/app/start"),
    }
    (directory / "cast").write_text("".join(f"{name}={shlex.quote(value)}\n" for name, value in cast.items()))
    expected = sorted(f"{variable}={value}\n" for _, _, variable, value in story["parameters"])
    (directory / "expected").write_text("".join(expected))
    (directory / "parameters.json").write_text("\n".join(puts) + "\n")


def main(directory, url, sha256):
    for name, story in STORIES.items():
        (directory / name).mkdir()
        with mock_aws():
            tell(directory / name, story, {"PackageUrl": url, "PackageSha256": sha256})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), *sys.argv[2:])
