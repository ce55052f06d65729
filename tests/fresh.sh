#!/bin/sh
# A Debian that has nothing: what README.md names is installed, its two commands run without a network, and then .ci/run.
# Takes root, debootstrap, iproute2, a quarter of an hour, and 4 GB in target/fresh, which are gone at the end.
set -eu
cd "$(dirname "$0")/.."
root=$PWD/target/fresh

if [ "${1-}" != inside ]; then
  for tool in debootstrap ip git; do
    command -v $tool >/dev/null || { echo "make fresh: $tool is missing: apt-get install debootstrap iproute2 git"; exit 1; }
  done
  [ "$(id -u)" = 0 ] || { echo 'make fresh: only root can make a root'; exit 1; }
  # What it mounts and starts ends with its name spaces, so that nothing of this machine is removed.
  trap 'rm -rf --one-file-system "$root"' EXIT
  unshare --mount --pid --fork --kill-child --mount-proc sh "$0" inside
  exit
fi

began=$(date +%s)
step() { printf '\n== %s (%s s)\n' "$1" $(($(date +%s) - began)); }
in_root() { env -i PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root CI=true "$@"; }

step "debootstrap --variant=minbase ${SUITE:=trixie}"
rm -rf --one-file-system "$root"
mkdir -p "$root"
debootstrap --variant=minbase "$SUITE" "$root" >"$root.log" 2>&1 || { tail "$root.log"; exit 1; }
rm "$root.log"
# A chroot is no mount, and unshare(1) needs its root to be one.
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
# Whom this machine trusts: a registry may be reached through its own certificate.
cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
mkdir "$root/orderpay"
git archive HEAD | tar --extract --directory "$root/orderpay"

install=$(sed -n '/^ *apt-get install/{s/^ *//p;q}' README.md)
step "$install"
in_root chroot "$root" sh -euc "apt-get --quiet=2 update; $install --yes --quiet=2 >/var/log/install 2>&1"
in_root chroot "$root" rustc --version

step 'make run and make test, without a network'
in_root unshare --net sh -euc 'ip link set lo up; exec chroot "$0" bash -euc "$1"' "$root" '
  set -m
  cd /orderpay
  make run >run.log 2>&1 &
  until grep "^orderpay listening" run.log; do
    kill -0 $! || { cat run.log; exit 1; }
    sleep 1
  done
  exec 3<>/dev/tcp/localhost/8888
  printf "GET /healthz HTTP/1.0\r\n\r\n" >&3
  grep -x ok <&3
  kill -INT -- -$!
  make test'

step .ci/run
in_root chroot "$root" sh -euc 'cd /orderpay && exec .ci/run' </dev/null

step done
