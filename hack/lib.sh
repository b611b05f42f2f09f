# Sourced by the scripts of this folder: how Netladder gets into a lab.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lab=$root/bin/lab

# step MESSAGE COMMAND...: runs the command quietly, says how long it took, and
# shows its output only when it fails.
step() {
  local message=$1 start=$SECONDS log
  shift
  log=$(mktemp)
  printf '%-52s' "$message …"
  if ! "$@" >"$log" 2>&1; then
    printf ' FAILED after %d s\n' $((SECONDS - start))
    tail -n 60 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
  printf ' %d s\n' $((SECONDS - start))
}

# build_image sets image_tar and image_ref. The tag is the content, so that
# loading the same image twice changes nothing and a new one is rolled out.
# (Steps run where errexit is off: each command says itself when it fails.)
build_image() {
  make -C "$root" build "$root/bin/image" || return
  local digest
  digest=$(sha256sum "$root/bin/netladder" | cut -c1-12) || return
  image_ref=ghcr.io/netladder/netladder:dev-$digest
  image_tar=$root/dist/netladder-$digest.tar
  [[ -f $image_tar ]] && return
  mkdir -p "$root/dist" && rm -f "$root"/dist/netladder-*.tar || return
  "$root/bin/image" build --binary "$root/bin/netladder" --tag "$image_ref" --output "$image_tar"
}

# install OVERLAY: applies a kustomization of config/ with the image just built.
install() {
  local manifests=$root/dist/manifests.yaml
  "$root/bin/kustomize" build "$root/config/$1" >"$manifests.in" || return
  sed "s|ghcr.io/netladder/netladder:dev|$image_ref|" "$manifests.in" >"$manifests" || return
  rm -f "$manifests.in"
  # CRDs first: what uses them is refused until the API server serves them.
  k apply --server-side --force-conflicts -k "$root/config/crd" || return
  k wait --for=condition=Established --timeout=60s crd/connectivitychecks.netladder.io crd/probeassignments.netladder.io || return
  k apply --server-side --force-conflicts -f "$manifests"
}

k() { "$lab" --name "$lab_name" kubectl "$@"; }

# What count_ready reads of each check. A check without a status has empty
# fields, which is why they have a separator of their own.
# shellcheck disable=SC2034
readiness='{range .items[*]}{.status.conditions[?(@.type=="Ready")].status}|{.metadata.namespace}/{.metadata.name}|{.status.summary.passing}{"\n"}{end}'

# count_ready says how many of the checks on its input are Ready, and what the
# others are; nothing without checks.
count_ready() {
  awk -F'|' '
    NF == 0 {next}
    {n++; if ($1 == "True") r++; else w = w " " $2 " (" ($1 ? $1 : "Unknown") ($3 ? ", " $3 : "") ")"}
    END {if (n) printf "%d of %d checks Ready%s", r, n, w ? ", waiting for" w : ""}'
}
