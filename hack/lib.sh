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

# The programs of the image; it runs the first unless told otherwise.
programs=(--binary "$root/bin/netladder" --binary "$root/bin/netladder-prober")

# build_image sets image_tar and image_ref. The tag is the content, so that
# loading the same image twice changes nothing and a new one is rolled out.
# (Steps run where errexit is off: each command says itself when it fails.)
build_image() {
  make -C "$root" build "$root/bin/image" || return
  local digest
  digest=$(cat "$root/bin/netladder" "$root/bin/netladder-prober" | sha256sum | cut -c1-12) || return
  image_ref=ghcr.io/netladder/netladder:dev-$digest
  image_tar=$root/dist/netladder-$digest.tar
  [[ -f $image_tar ]] && return
  mkdir -p "$root/dist" && rm -f "$root"/dist/netladder-*.tar || return
  "$root/bin/image" build "${programs[@]}" --tag "$image_ref" --output "$image_tar"
}

# install OVERLAY: applies a kustomization of config/ with the image just built.
install() {
  local manifests=$root/dist/manifests.yaml
  "$root/bin/kustomize" build "$root/config/$1" >"$manifests.in" || return
  sed "s|ghcr.io/netladder/netladder:dev|$image_ref|" "$manifests.in" >"$manifests" || return
  rm -f "$manifests.in"
  # CRDs first: what uses them is refused until the API server serves them.
  k apply --server-side --force-conflicts -k "$root/config/crd" || return
  k wait --for=condition=Established --timeout=60s crd/connectivitychecks.netladder.io crd/networkpolicyaudits.netladder.io crd/probeassignments.netladder.io || return
  k apply --server-side --force-conflicts -f "$manifests"
}

# uninstall removes what install installed, and waits until it is gone.
uninstall() {
  k delete connectivitychecks --all -A || return
  k delete --ignore-not-found --timeout=120s -f "$root/dist/manifests.yaml"
}

k() { "$lab" --name "$lab_name" kubectl "$@"; }

# facts prints what progress judges, a line each with a first field that says
# what it is about. A field is empty where the object does not have it.
facts() {
  local lines='{range .items[*]}' end='{"\n"}{end}'
  k -n netladder-system get ds -o jsonpath="${lines}daemonset|{.metadata.name}|{.metadata.generation}|{.status.observedGeneration}|{.status.desiredNumberScheduled}|{.status.updatedNumberScheduled}|{.status.numberAvailable}|{.spec.template.spec.containers[0].image}|{.spec.template.spec.hostPID}$end"
  k -n netladder-system get pods -l app.kubernetes.io/component=prober -o jsonpath="${lines}prober|{.spec.nodeName}|{.metadata.uid}|{.metadata.deletionTimestamp}$end"
  k get probeassignments -o jsonpath="${lines}report|{.metadata.name}|{.status.podUID}|{.status.heartbeat}$end"
  k get ccheck -A -o jsonpath="${lines}check|{.metadata.namespace}/{.metadata.name}|{.metadata.generation}|{.status.conditions[?(@.type==\"Ready\")].observedGeneration}|{.status.conditions[?(@.type==\"Ready\")].status}|{.status.summary.passing}|{.status.summary.broken}$end"
}

# progress IMAGE LEVEL SINCE says from such lines how far an installation is.
# First the DaemonSets are of this image and level and rolled out, then every
# prober that runs now has told something since SINCE (as in 2026-01-31T12:00:00Z,
# so that what was there before does not count), then checks are counted by
# statuses that are about their present spec. The path "inventory" of
# commerce/order-validator is to be broken, or to pass.
progress() {
  awk -F'|' -v image="$1" -v level="$2" -v since="$3" '
    $1 == "daemonset" {
      daemonsets++
      current = $8 == image && ($2 != "netladder-prober" || ($9 == "true") == (level == "Full"))
      if (!current || $3 != $4 || $5 < 1 || $6 != $5 || $7 != $5) rolling = rolling " " $2
    }
    $1 == "prober" && $4 == "" {uid[$2] = $3; probers++}
    $1 == "report" {by[$2] = $3; at[$2] = $4}
    $1 == "check" {
      n++
      forgotten = $2 == "commerce/order-validator" && $5 == "False" && $6 == "2/3" && $7 == "inventory"
      if ($3 == $4 && ($5 == "True" || forgotten)) {ready++; asMeant += forgotten}
      else w = w " " $2 " (" ($3 == $4 && $5 ? $5 : "Unknown") ($6 ? ", " $6 : "") ")"
    }
    END {
      if (daemonsets < 2) {printf "waiting for the DaemonSets"; exit}
      if (rolling) {printf "waiting for%s", rolling; exit}
      for (node in uid) if (by[node] == uid[node] && at[node] > since) reported++
      if (reported < probers || !probers) {printf "%d of %d probers have reported", reported, probers; exit}
      if (!n) {printf "waiting for checks"; exit}
      printf "%d of %d checks %s", ready, n, asMeant ? "as they are meant to be" : "Ready"
      if (w) printf ", waiting for%s", w
    }'
}

# finished LINE: whether a line of progress says that nothing is waited for.
finished() { [[ $1 =~ ^([0-9]+)\ of\ ([0-9]+)\ checks\ [A-Za-z\ ]+$ && ${BASH_REMATCH[1]} == "${BASH_REMATCH[2]}" ]]; }
