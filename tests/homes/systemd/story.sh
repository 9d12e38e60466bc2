# Sourced by systemd.sh: the article's story, from the templates to the running service. The stacks are deployed on
# moto's CloudFormation; the user-data of the launch template runs here, with the policy of the deployed role.
# shellcheck shell=bash

venv=${STEPZERO_VENV:-target/venv}
python_ready() { "$venv/bin/python" -c 'import boto3, cfnlint, moto' 2> /dev/null; }
python_ready || { python3 -m venv "$venv" && "$venv/bin/pip" install --quiet --requirement tests/moto/requirements.txt \
    --requirement tests/requirements.txt; } > /dev/null 2>&1
python_ready || skip "moto and cfn-lint cannot be installed"
"$venv/bin/cfn-lint" packaging/cloudformation/*.yaml || fail "cfn-lint"
"$venv/bin/python" -c 'import yaml; yaml.safe_load(open("packaging/container/kubernetes-pod.yaml"))' || fail "the pod is not YAML"
bash -n packaging/user-data/start.sh
proven "the templates pass cfn-lint"

mkdir "$work/story" "$work/packages"
cp "$deb" "$work/packages/stepzero.deb"
AWS_ACCESS_KEY_ID=x AWS_SECRET_ACCESS_KEY=x "$venv/bin/python" tests/homes/story.py "$work/story" \
    https://packages.test:8443/stepzero.deb "$(sha256sum "$deb" | cut -d' ' -f1)" || fail "the stacks on moto"

# The package's server, cfn-signal and the application, as the image would have them.
cp -r "$work/packages" "$root/opt/packages"
inside openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=packages.test -addext subjectAltName=DNS:packages.test \
    -keyout /opt/packages/key -out /opt/packages/cert 2> /dev/null
echo '127.0.0.1 packages.test' >> "$root/etc/hosts"
inside systemd-run --quiet --unit=packages --working-directory=/opt/packages python3 -c '
import http.server, ssl
server = http.server.HTTPServer(("127.0.0.1", 8443), http.server.SimpleHTTPRequestHandler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert", "key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()'
printf '#!/bin/sh\necho "$@" >> /opt/signals\n' > "$root/usr/bin/cfn-signal"
mkdir -p "$root/opt/app"
cat > "$root/opt/app/start" <<'APP'
#!/usr/bin/python3
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        names = ("NEWRELIC_KEY", "DATABASE_USERNAME", "DATABASE_PASSWORD")
        self.send_response(200)
        self.end_headers()
        self.wfile.write("\n".join(os.environ.get(name, "") for name in names).encode())
http.server.HTTPServer(("127.0.0.1", 8081), Handler).serve_forever()
APP
chmod +x "$root/usr/bin/cfn-signal" "$root/opt/app/start"
await 30 inside curl -fsS --cacert /opt/packages/cert https://packages.test:8443/

while read -r parameter; do control put "$parameter"; done < "$work/story/parameters.json"
key_arn() { control key "{\"key\": \"alias/$1\"}" && grep -o 'arn:[^"]*' "$work/answer"; }
# As the role of a project's stack: its policy, with the keys that the fake has under the same aliases.
act_as() {
    local policy space
    policy=$(cat "$work/story/$1.json")
    for space in shared production "$1" "$1/production"; do policy=${policy//"@$space@"/$(key_arn "$space")}; done
    [[ $policy != *@* ]] || fail "a key that is not one of the four: $policy"
    control policy "{\"role\": \"$role\", \"policy\": $policy}"
}
boot() { # what cloud-init does with user-data
    cp "$work/story/$1.sh" "$root/opt/user-data"
    inside env CURL_CA_BUNDLE=/opt/packages/cert AWS_CA_BUNDLE=/etc/fake-ca.pem bash /opt/user-data > "$work/cloud-init" 2>&1
}

act_as projectA
boot projectA || fail "the user-data: $(cat "$work/cloud-init")"
same "--exit-code 0 --stack projectA-production --resource Group --region us-east-1" "$(inside cat /opt/signals)" "cfn-signal"
await 60 inside curl -fsS http://127.0.0.1:8081/
same "$newrelic"$'\n'db_user$'\n'"$password" "$(inside curl -fsS http://127.0.0.1:8081/)" "the service's three variables"
! grep -qF -e "$password" -e "$newrelic" "$work/cloud-init" || fail "a value is in the output of the user-data"
inside systemctl disable --now --quiet app.service
proven "the stacks, the parameters, the user-data: the service answers with its three variables"

# The same user-data under the role of the other project's stack.
inside rm /opt/signals
act_as projectB
! boot projectA || fail "projectB's role starts projectA's service"
same "--exit-code 77 --stack projectA-production --resource Group --region us-east-1" "$(inside cat /opt/signals)" "cfn-signal"
grep -q 'parameter/projectA\.\(shared\|production\)\.' "$work/cloud-init" || fail "the denial names nothing: $(cat "$work/cloud-init")"
! inside systemctl is-active --quiet app.service || fail "the service runs"
# And its own, which lacks two of the three.
boot projectB && fail "projectB has all of projectA's parameters"
same "of the other project" "$(inside env AWS_CA_BUNDLE=/etc/fake-ca.pem stepzero exec --credentials instance-profile -p projectB \
    -e production -k database_password -- printenv DATABASE_PASSWORD)" "projectB's own"
proven "the role of another project's stack cannot read them, and its deployment fails with 77"

act_as projectA
inside systemctl stop packages.service
# The script for an instance without systemd.
sed 's/^set -eu$/set -eu; export AWS_CA_BUNDLE=\/etc\/fake-ca.pem/' packaging/user-data/start.sh > "$root/opt/user-data"
printf '#!/bin/sh\nexec printenv DATABASE_PASSWORD\n' > "$root/opt/app/start"
same "$password" "$(inside bash /opt/user-data)" "user-data/start.sh"
allow
proven "the plain user-data script starts its command"
rm -r "$root"/opt/{packages,app,user-data,signals} "$root/etc/systemd/system/app.service" "$root/usr/bin/cfn-signal"
inside systemctl daemon-reload
