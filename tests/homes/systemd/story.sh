# Sourced by systemd.sh: the article's story, from the templates to the running service. The stacks are deployed on
# moto's CloudFormation; the user-data of the launch template runs here, with the policy of the deployed role.
# shellcheck shell=bash

"$venv/bin/cfn-lint" packaging/cloudformation/*.yaml || fail "cfn-lint"
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
# It tells where it is as well. /usr/local/bin is where pip puts it on Debian; `inside` has that directory in no PATH.
cfn_signal() {
    install -D -m 0755 /dev/stdin "$1" <<< $'#!/bin/sh\necho "$0 $@" >> /opt/signals'
}
cfn_signal "$root/usr/local/bin/cfn-signal"
# The application: answers with its environment.
cat > "$work/application" <<'APP'
#!/usr/bin/python3
import http.server, os
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"".join(name + b"=" + value + b"\n" for name, value in sorted(os.environb.items())))
http.server.HTTPServer(("127.0.0.1", 8081), Handler).serve_forever()
APP
await 30 inside curl -fsS --cacert /opt/packages/cert https://packages.test:8443/

key_arn() { control key "{\"key\": \"alias/$1\"}" && grep -o 'arn:[^"]*' "$work/answer"; }
# As the role of a project's stack: its policy, with the keys that the fake has under the same aliases.
act_as() {
    local policy space
    policy=$(cat "$told/$1.json")
    for space in shared "$environment" "$1" "$1/$environment"; do policy=${policy//"@$space@"/$(key_arn "$space")}; done
    [[ $policy != *@* ]] || fail "a key that is not one of the four: $policy"
    control policy "{\"role\": \"$role\", \"policy\": $policy}"
}
boot() { # what cloud-init does with user-data
    cp "$told/$1.sh" "$root/opt/user-data"
    inside env CURL_CA_BUNDLE=/opt/packages/cert AWS_CA_BUNDLE=/etc/fake-ca.pem bash /opt/user-data > "$work/cloud-init" 2>&1
}
answers() { inside curl -fsS http://127.0.0.1:8081/ > "$work/answers"; }

opt=("$root"/opt/{packages,user-data})
for told in "$work"/story/*; do
    project='' other='' environment='' stack='' other_key='' command=''
    source "$told/cast"
    while read -r parameter; do control put "$parameter"; done < "$told/parameters.json"
    install -D -m 0755 "$work/application" "$root$command"
    opt+=("$root/$(cut -d/ -f2,3 <<< "$command")")
    by=/usr/local/bin/cfn-signal
    signal="--stack $stack --resource Group --region us-east-1"

    act_as "$project"
    boot "$project" || fail "the user-data: $(cat "$work/cloud-init")"
    same "$by --exit-code 0 $signal" "$(inside cat /opt/signals)" "cfn-signal"
    await 60 answers
    while IFS= read -r line; do
        grep -qxF -- "$line" "$work/answers" || fail "the service has no $line"
    done < "$told/expected"
    no_value "$work/cloud-init" "$told/expected"
    inside systemctl disable --now --quiet app.service
    proven "$project: the stacks, the parameters, the user-data: the service answers with its $(wc -l < "$told/expected") variables"

    # The same user-data under the role of the other project's stack.
    inside rm /opt/signals
    act_as "$other"
    ! boot "$project" || fail "$other's role starts $project's service"
    same "$by --exit-code 77 $signal" "$(inside cat /opt/signals)" "cfn-signal"
    grep -qF -e "parameter/$project.shared." -e "parameter/$project.$environment." "$work/cloud-init" \
        || fail "the denial names nothing: $(cat "$work/cloud-init")"
    ! inside systemctl is-active --quiet app.service || fail "the service runs"
    # And its own, which lacks two of the parameters.
    ! boot "$other" || fail "$other has all of $project's parameters"
    same "of the other project" "$(inside env AWS_CA_BUNDLE=/etc/fake-ca.pem stepzero exec --credentials instance-profile \
        -p "$other" -e "$environment" -k "OTHER=$other_key" -- printenv OTHER)" "$other's own"
    proven "$project: the role of $other's stack cannot read them, and its deployment fails with 77"
    inside rm /opt/signals
    cat "$told/expected" >> "$work/expected"
done

# The same on a machine without dpkg: Debian's rpm stands for Amazon Linux's, and cfn-signal is where Amazon Linux has it. rpm's
# database is empty: it does not know what is installed here, and installs all the same.
told=$work/story/article
source "$told/cast"
by=/opt/aws/bin/cfn-signal
signal="--stack $stack --resource Group --region us-east-1"
rm "$root/usr/local/bin/cfn-signal"
cfn_signal "$root$by"
cp "$rpm" "$root/opt/packages/stepzero.rpm"
checksum() { sha256sum "$1" | cut -d' ' -f1; }
sed -i "s/stepzero\.deb/stepzero.rpm/; s/$(checksum "$deb")/$(checksum "$rpm")/" "$told/$project.sh"
inside dpkg --remove stepzero > /dev/null 2>&1 || fail "dpkg --remove"
mv "$root/usr/bin/dpkg" "$root/usr/bin/dpkg.hidden"
inside rpm --initdb
same "" "$(inside rpm --query --all)" "the packages in rpm's database"
install -D -m 0755 "$work/application" "$root$command"
act_as "$project"
boot "$project" || fail "the user-data with rpm: $(cat "$work/cloud-init")"
same "$by --exit-code 0 $signal" "$(inside cat /opt/signals)" "cfn-signal of Amazon Linux"
inside rpm --verify stepzero || fail "rpm has not installed it, or not whole"
await 60 answers
while IFS= read -r line; do
    grep -qxF -- "$line" "$work/answers" || fail "with rpm, the service has no $line"
done < "$told/expected"
proven "the user-data on a machine without dpkg: rpm installs the package, and the service answers"
inside systemctl disable --now --quiet app.service
# The package is there already, as in an image that was made from this instance.
inside rm /opt/signals
act_as "$other"
! boot "$project" || fail "with rpm, $other's role starts $project's service"
same "$by --exit-code 77 $signal" "$(inside cat /opt/signals)" "cfn-signal of Amazon Linux"
proven "the user-data on a machine without dpkg: a denied parameter fails the deployment with 77"
act_as "$project"
inside rpm --erase stepzero > /dev/null 2>&1 || fail "rpm --erase"
mv "$root/usr/bin/dpkg.hidden" "$root/usr/bin/dpkg"
inside dpkg --install /opt/packages/stepzero.deb > /dev/null 2>&1 || fail "dpkg --install"
rm -r "$root/opt/aws" "$root/opt/signals"

inside systemctl stop packages.service
# The scripts for an instance with stepzero in its image; the article's story again.
told=$work/story/article
source "$told/cast"
act_as "$project"
sed 's/^set -eu$/set -eu; export AWS_CA_BUNDLE=\/etc\/fake-ca.pem/' packaging/user-data/start.sh > "$root/opt/user-data"
printf '#!/bin/sh\nexec printenv DATABASE_PASSWORD\n' > "$root/opt/app/start"
same "$password" "$(inside bash /opt/user-data)" "user-data/start.sh"
proven "the plain user-data script starts its command"
rm -r "${opt[@]}" "$root/etc/systemd/system/app.service"
source tests/homes/systemd/cloud-init.sh
allow
inside systemctl daemon-reload
