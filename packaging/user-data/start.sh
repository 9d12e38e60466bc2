#!/bin/bash
# user-data for an instance with an instance profile and with stepzero in its image: starts one command, without systemd.
# docs/user-data.md says when a unit is better (nearly always).
set -eu
exec /usr/bin/stepzero exec --credentials instance-profile --timeout 5m \
    -p projectA -e production -k newrelic_key -k database_username -k database_password \
    -- /opt/app/start
