"""moto's Systems Manager on a free port of loopback, for tests/moto.rs.

Reads one line of JSON, a list of parameters to put, prints the server's URL once they are there, and ends when standard
input is closed: so it cannot outlive the test.
"""

import json
import logging
import sys

import boto3
from moto.server import ThreadedMotoServer


def main():
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    ssm = boto3.client(
        "ssm", endpoint_url=url, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test"
    )
    for parameter in json.loads(sys.stdin.readline()):
        label = parameter.pop("Label", None)
        version = ssm.put_parameter(Overwrite=True, **parameter)["Version"]
        if label:
            ssm.label_parameter_version(Name=parameter["Name"], ParameterVersion=version, Labels=[label])
    print(url, flush=True)
    sys.stdin.read()


main()
