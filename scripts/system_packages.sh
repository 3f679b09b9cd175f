#!/bin/sh
# Installs the Debian packages that some tests need. Prints them first; installs only what is missing.
set -eu
packages="mosquitto mosquitto-clients mbpoll"
echo "Debian packages for the tests: $packages"
missing=""
for package in $packages; do
  dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q "install ok installed" || missing="$missing $package"
done
[ -n "$missing" ] || { echo "all installed"; exit 0; }
command -v apt-get >/dev/null || { echo "apt-get not found: install$missing by your own means"; exit 1; }
run=""
[ "$(id -u)" = 0 ] || run="sudo"
$run apt-get update -qq
# policy-rc.d: a test machine must not start a system-wide broker; the tests start their own.
DEBIAN_FRONTEND=noninteractive $run apt-get install -y -qq --no-install-recommends $missing
