#!/usr/bin/env bash
# Installs the Debian packages that building, testing and the lab need: only those that are missing, and says nothing when
# nothing is to be done. Also checks that the kernel can do what the lab asks of it.
set -euo pipefail

# One line each: the package and what it is for.
packages=(
  bash                       # hack/*.sh
  ca-certificates            # the Go module proxy
  conntrack                  # lab faults flush connections; netns tests look at them
  containernetworking-plugins # ptp, host-local, portmap and loopback for the lab's pods
  curl                       # e2e
  git                        # make verify
  iproute2                   # ip, ss: tests in network namespaces
  iptables                   # portmap plugin, kubelet, NetworkPolicy enforcement in e2e
  jq                         # e2e
  make
  nftables                   # kube-proxy in nftables mode, lab faults
  procps                     # sysctl
  runc                       # the lab's container runtime
  util-linux                 # nsenter, unshare, mount
)

fail() {
  echo "deps.sh: $*" >&2
  exit 1
}

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${db:Status-Abbrev}\n' "$package" 2>/dev/null | grep -q '^ii' || echo "$package"
  done
}

install_packages() {
  command -v dpkg-query >/dev/null || fail "this is no Debian: install by hand what gives you: ${packages[*]}"
  local missing
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || fail "missing ${missing[*]}: run as root, or: sudo apt-get install ${missing[*]}"
  echo "deps.sh: installing ${missing[*]}"
  local log
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get -q update && apt-get -qy install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install ${missing[*]} (above): are the package archives reachable?"
  fi
  rm -f "$log"
}

# The lab's probes of the kernel leave nothing behind: everything is made in namespaces that end with the subshell.
check_kernel() {
  ((EUID == 0)) || {
    echo "deps.sh: not root: kernel features not checked (the lab needs root)" >&2
    return 0
  }
  local problems=()
  unshare --net --mount --pid --uts --fork true 2>/dev/null || fail "this user cannot make namespaces: the lab needs real root"
  unshare --net ip link add flannel.1 type vxlan id 1 dstport 8472 2>/dev/null || problems+=("vxlan (CONFIG_VXLAN)")
  unshare --net ip link add veth0 type veth peer name veth1 2>/dev/null || problems+=("veth (CONFIG_VETH)")
  unshare --net ip link add br0 type bridge 2>/dev/null || problems+=("bridge (CONFIG_BRIDGE)")
  unshare --net nft 'add table ip t; add chain ip t c { type nat hook postrouting priority 100; }; add rule ip t c masquerade' \
    2>/dev/null || problems+=("nftables NAT (CONFIG_NFT_MASQ)")
  unshare --net nft 'add table ip t; add chain ip t c; add rule ip t c numgen random mod 2 vmap { 0 : drop, 1 : accept }' \
    2>/dev/null || problems+=("nftables numgen (CONFIG_NFT_NUMGEN), for kube-proxy")
  grep -qw overlay /proc/filesystems || problems+=("overlay file system (CONFIG_OVERLAY_FS)")
  [[ -d /sys/fs/cgroup/pids && -d /sys/fs/cgroup/cpu ]] || problems+=("cgroup v1 hierarchies below /sys/fs/cgroup (the lab cannot use v2 yet)")
  ((${#problems[@]})) || return 0
  printf 'deps.sh: the lab cannot run here, this kernel lacks: %s\n' "${problems[@]}" >&2
  exit 1
}

install_packages
check_kernel
