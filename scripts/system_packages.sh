#!/bin/sh
# Installs the Debian packages that some tests need. Prints them first; installs only what is missing.
set -eu
packages="mosquitto mosquitto-clients mbpoll libmodbus5 socat"
echo "Debian packages for the tests: $packages"
missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || { echo "all installed"; exit 0; }
command -v apt-get >/dev/null || { echo "apt-get not found: install$missing by your own means"; exit 1; }
run=""
[ "$(id -u)" = 0 ] || run="sudo"
# A test machine must not start a broker for the whole system: the tests start their own. Debian asks this file before it starts
# a service; it is taken away again.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' | $run tee "$policy" >/dev/null
  $run chmod 755 "$policy"
  trap '$run rm -f "$policy"' EXIT
fi
$run apt-get update -qq
# shellcheck disable=SC2086 # words are packages
DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq --no-install-recommends $missing
