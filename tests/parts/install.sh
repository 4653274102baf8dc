#!/bin/sh
# Installs the real parts that the tests run against, where that is possible: Java, Maven, PostgreSQL, MariaDB, Mosquitto.
# Where it is not, it says so and succeeds: the tests that need a part then say by name what to install.
set -u

wanted=""
command -v java >/dev/null 2>&1 || wanted="$wanted default-jre-headless"
command -v mvn >/dev/null 2>&1 || wanted="$wanted maven"
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || wanted="$wanted postgresql"
command -v mosquitto >/dev/null 2>&1 || [ -x /usr/sbin/mosquitto ] || wanted="$wanted mosquitto"
command -v mariadbd >/dev/null 2>&1 || [ -x /usr/sbin/mariadbd ] || wanted="$wanted mariadb-server"
[ -n "$wanted" ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "Not installed, and only root on Debian can do it from here:$wanted"
    exit 0
fi
echo "Installing for the tests:$wanted"
export DEBIAN_FRONTEND=noninteractive
# Debian's PostgreSQL package would start a cluster of its own; the tests make theirs.
mkdir -p /etc/postgresql-common
[ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf
# shellcheck disable=SC2086 # several words are meant
{ apt-get update -qq && apt-get install -y -qq --no-install-recommends $wanted; } >/dev/null 2>&1 ||
    echo "apt-get could not install:$wanted"
