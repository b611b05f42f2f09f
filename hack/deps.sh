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
  prometheus                 # promtool; e2e runs the server itself. As a daemon neither of the two is wanted
  prometheus-alertmanager    # amtool, the same
  runc                       # the lab's container runtime
  util-linux                 # nsenter, unshare, mount
)
# What Debian would start, now and at each boot, if it were let.
daemons=(prometheus prometheus-alertmanager)

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
  trap allow_daemons EXIT
  forbid_daemons
  if ! { apt-get -q update && apt-get -qy install --no-install-recommends "${missing[@]}"; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    fail "apt-get could not install ${missing[*]} (above): are the package archives reachable?"
  fi
  rm -f "$log"
  allow_daemons
  trap - EXIT
  local daemon
  for daemon in "${daemons[@]}"; do
    [[ " ${missing[*]} " == *" $daemon "* ]] && disable "$daemon"
  done
  return 0
}

# The mark says that the file is ours: one of the machine's own stays, and is obeyed.
policy=/usr/sbin/policy-rc.d
policy_mark="# Made by Netladder's hack/deps.sh for the time of one apt-get."

# forbid_daemons lets nothing start that apt-get installs (Debian's policy-rc.d; 101 is "forbidden").
forbid_daemons() {
  [[ -e $policy ]] && ! grep -qF "$policy_mark" "$policy" && return
  printf '#!/bin/sh\n%s\nexit 101\n' "$policy_mark" >"$policy"
  chmod 755 "$policy"
}

allow_daemons() {
  ! grep -qsF "$policy_mark" "$policy" || rm -f "$policy"
}

# disable keeps a daemon that was just installed from starting at the next boot, and ends it where the machine's own
# policy-rc.d let it start.
disable() {
  local now=()
  [[ ! -d /run/systemd/system ]] || now=(--now)
  command -v systemctl >/dev/null && systemctl disable "${now[@]}" --quiet "$1" >/dev/null 2>&1 && return
  update-rc.d "$1" disable >/dev/null 2>&1 || echo "deps.sh: $1 may start at the next boot: see systemctl disable $1" >&2
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
