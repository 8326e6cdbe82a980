#!/bin/sh
# Collects what the image holds: a built idp-proxy without its debug sections, the shared libraries that it is linked with and
# their loader, and certificate authorities.
#
#   rootfs.sh BINARY DIRECTORY [CA-BUNDLE]
set -eu

binary="$1"
root="$2"
authorities="${3:-/etc/ssl/certs/ca-certificates.crt}"
fail() { echo "rootfs: $*" >&2; exit 1; }

[ -s "$authorities" ] || fail "$authorities is missing (Debian: apt-get install ca-certificates)"
# Older ones resolve names by plugins that ldd does not show.
glibc="$(getconf GNU_LIBC_VERSION | cut -d ' ' -f 2)"
[ "$(printf '%s\n' 2.34 "$glibc" | sort -V | head -n 1)" = 2.34 ] || fail "glibc is $glibc; 2.34 or newer is needed"

mkdir -p "$root/usr/bin" "$root/etc/ssl/certs"
strip --strip-debug -o "$root/usr/bin/idp-proxy" "$binary"
install -m 0644 "$authorities" "$root/etc/ssl/certs/ca-certificates.crt"
# /etc/hosts counts, and first: the kubelet and Docker write it.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

libraries="$(ldd "$binary")"
case "$libraries" in *"not found"*) fail "a library is missing: $libraries" ;; esac
echo "$libraries" | grep -o '/[^ ]*' | while read -r library; do
  install -D -m 0755 "$library" "$root$library"
done
chmod -R u=rwX,go=rX "$root"
