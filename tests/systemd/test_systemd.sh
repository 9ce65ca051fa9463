#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# The installed unit under a real systemd, booted in a container on an image of this machine that is thrown away.
# What runs inside is driver.sh; its results come back as TAP.
set -u
. "${top_srcdir:?}/tests/lib/tap.sh"
. "$top_srcdir/tests/lib/rabbit.sh"

[ -z "${SAN_FLAGS:-}" ] || tap_skip_all "the unit's hardening does not suit sanitizers"
[ "$(id -u)" = 0 ] || tap_skip_all "only root can boot a container"
command -v systemd-nspawn >/dev/null || tap_skip_all "no systemd-nspawn: install systemd-container"
rabbit_available || tap_skip_all "no rabbitmq-server"

work=$(mktemp -d "${TMPDIR:-/tmp}/ackd-systemd.XXXXXX")
chmod 755 "$work"
trap 'rabbit_stop; rm -rf "$work"' EXIT
mkdir -p "$work/root" "$work/out" "$work/conf"

# As a package would: the unit as it is installed, and only then what is different in here.
make -s -C "${top_builddir:?}" install DESTDIR="$work/root" >"$work/install.log" 2>&1 ||
    { cat "$work/install.log" >&2; exit 1; }
unit=$(find "$work/root" -name ackd.service)
bindir=$(dirname "$(find "$work/root" -name ackd -type f -perm -u+x | head -1)")
libdir=$(dirname "$(find "$work/root" -name 'libackd.so.0' | head -1)")
sed "s|^\(Exec[A-Za-z]*=\)[^ ]*/ackd |\1/t${bindir#"$work/root"}/ackd |; s|ackd check\$|& -c /conf/ackd.yaml|;
     s|ackd run\$|& -c /conf/ackd.yaml|" "$unit" >"$work/conf/ackd.service"
cat >"$work/conf/test.conf" <<U
[Service]
Environment=LD_LIBRARY_PATH=/t${libdir#"$work/root"}
LoadCredential=rabbit:/conf/password
U
rabbit_start || { echo "Bail out! no broker"; exit 1; }
printf 'guest\n' >"$work/conf/password"
cat >"$work/conf/ackd.yaml" <<Y
broker: {uri: "amqp://127.0.0.1:${rabbit_port:?}", user: guest, password: "\${file:/run/credentials/ackd.service/rabbit}"}
plugins: {path: [/plugins]}
shutdown: {timeout: 20s, soft: 50%}
consumers:
  orders: {queue: orders, handler: record, concurrency: 20, settings: {file: /tmp/record, delay: 3s}}
Y
cat >"$work/conf/driver.service" <<U
[Unit]
Description=driver of the test
[Service]
Type=oneshot
ExecStart=/bin/bash /driver.sh $rabbit_port
StandardOutput=file:/out/tap
StandardError=file:/out/errors
ExecStopPost=/bin/systemctl poweroff --force
U
"$top_builddir/tests/lib/amqptool" -p "$rabbit_port" declare orders

timeout -s KILL 120 systemd-nspawn -q -D / --volatile=yes --boot --register=no --keep-unit \
    --machine="ackd-test-$$" --bind-ro="$work/root:/t" --bind-ro="$work/conf:/conf" \
    --bind="$work/out:/out" --bind-ro="$top_builddir/tests/plugins/.libs:/plugins" \
    --bind-ro="$top_builddir/tests/lib/amqptool:/amqptool" \
    --bind-ro="$top_srcdir/tests/systemd/driver.sh:/driver.sh" \
    --bind-ro="$work/conf/ackd.service:/etc/systemd/system/ackd.service" \
    --bind-ro="$work/conf/test.conf:/etc/systemd/system/ackd.service.d/test.conf" \
    --bind-ro="$work/conf/driver.service:/etc/systemd/system/driver.service" \
    systemd.firstboot=no systemd.unit=basic.target systemd.wants=driver.service \
    systemd.mask=nftables.service </dev/null >"$work/console" 2>&1
if [ ! -s "$work/out/tap" ]; then
    # A machine that lets nobody boot a container is not a fault of ackd.
    tap_skip_all "the container did not boot: $(tail -1 "$work/console" | tr -d '\r')"
fi
cat "$work/out/tap"
[ ! -s "$work/out/errors" ] || sed 's/^/# /' "$work/out/errors"
