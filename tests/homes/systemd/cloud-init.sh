# Sourced by story.sh, with the role of projectA's stack: packaging/user-data/cloud-config.yaml, by cloud-init itself.
# shellcheck shell=bash

seed=/var/lib/cloud/seed/nocloud
mkdir -p "$root$seed"
cp packaging/user-data/cloud-config.yaml "$root$seed/user-data"
echo 'instance-id: homes' > "$root$seed/meta-data"
# Only what the file asks for, and not what else cloud-init does to a machine.
cat > "$root/etc/cloud/cloud.cfg.d/99-homes.cfg" <<'CONFIG'
datasource_list: [NoCloud]
network: {config: disabled}
cloud_init_modules: [write_files]
cloud_config_modules: [runcmd]
cloud_final_modules: [scripts_user]
CONFIG
inside cloud-init schema --config-file "$seed/user-data" > "$work/schema" 2>&1 || fail "cloud-config.yaml: $(cat "$work/schema")"
! grep -qi deprecat "$work/schema" || fail "cloud-config.yaml: $(cat "$work/schema")"
for stage in 'init --local' init 'modules --mode=config' 'modules --mode=final'; do
    # shellcheck disable=SC2086 # a list
    inside cloud-init $stage > "$work/cloud-init" 2>&1 || fail "cloud-init $stage: $(cat "$work/cloud-init")"
done
same "644 root" "$(inside stat -c '%a %U' /etc/stepzero/web.toml)" "the spec that cloud-init wrote"
await 60 variable stepzero@web.service DATABASE_PASSWORD
while IFS= read -r line; do
    same "${line#*=}" "$(variable stepzero@web.service "${line%%=*}")" "${line%%=*}"
done < "$told/expected"
same enabled "$(inside systemctl is-enabled stepzero@web.service)" "stepzero@web after the next boot"
proven "cloud-init takes cloud-config.yaml: the spec is written, the unit runs with its three variables"
inside systemctl disable --now --quiet stepzero@web.service
rm -r "$root/etc/stepzero/web.toml" "$root/etc/cloud/cloud.cfg.d/99-homes.cfg" "$root$seed"
