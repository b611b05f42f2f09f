#!/usr/bin/env bash
# Prometheus and Alertmanager in a lab, with the scrape configuration, the rules
# and the inhibitions of config/prometheus, for the stories and for the demo.
#   hack/monitoring.sh load   builds what is missing, and their images on every node
#   hack/monitoring.sh up     that, and both run in namespace monitoring
#   hack/monitoring.sh down   they are gone
# Prometheus is built from its Go module, as Debian's finds no pods. Alertmanager
# is Debian's. RULES=FILE and ROUTES=FILE are used instead of
# config/prometheus/rules.yaml and hack/monitoring/alertmanager.yaml.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
lab_name=${NETLADDER_LAB_NAME:-nl}
here=$root/hack/monitoring

# image NAME BINARY FILE...: an image of a program of this machine with what it
# needs, made anew when that has changed.
image() {
  local name=$1 binary=$2 with=() archive file
  shift 2
  for file; do with+=(--with "$file"); done
  archive=$root/dist/monitoring-$name-$(sha256sum "$binary" "$@" | sha256sum | cut -c1-12).tar
  if [[ ! -f $archive ]]; then
    mkdir -p "$root/dist" && rm -f "$root/dist/monitoring-$name"-*.tar || return
    "$root/bin/image" build --binary "$binary" "${with[@]}" --entrypoint "/$name" --tag "netladder.lab/$name:v1" --output "$archive" || return
  fi
  # A fixed name: a lab keeps what it was given, to give it to new nodes.
  cp "$archive" "$root/dist/lab-$name.tar" || return
  "$lab" --name "$lab_name" load "$root/dist/lab-$name.tar"
}

load() {
  make -s -C "$root" "$root/bin/image" "$lab" >/dev/null
  local binaries alertmanager files
  binaries=$("$lab" assets --only monitoring)
  alertmanager=$(command -v prometheus-alertmanager) || {
    echo "monitoring.sh: no prometheus-alertmanager: hack/deps.sh installs it" >&2
    return 1
  }
  mapfile -t files < <(ldd "$alertmanager" | grep -oE '/[^ ]+\.so[^ ]*' && ls /usr/share/prometheus/alertmanager/*.tmpl)
  step "load Prometheus" image prometheus "$binaries/prometheus"
  step "load Alertmanager" image alertmanager "$alertmanager" "${files[@]}"
}

# apply makes the objects. Both read their configuration when they start.
apply() {
  local made=$root/dist/monitoring shipped=$root/config/prometheus
  rm -rf "$made" && mkdir -p "$made" || return
  cp "$here/prometheus.yaml" "$shipped/scrape.yaml" "$made" || return
  cp "${RULES:-$shipped/rules.yaml}" "$made/rules.yaml" || return
  cat "${ROUTES:-$here/alertmanager.yaml}" "$shipped/inhibition.yaml" >"$made/alertmanager.yaml" || return
  k apply --server-side --force-conflicts -f "$here/monitoring.yaml" -f "$shipped/rbac.yaml" || return
  k -n monitoring create configmap configuration --from-file="$made" --dry-run=client -o yaml >"$made.yaml" || return
  k apply --server-side --force-conflicts -f "$made.yaml" || return
  k -n monitoring rollout restart deployment/monitoring
}

case ${1:-} in
  load) load ;;
  up)
    load
    step "install Prometheus and Alertmanager" apply
    step "they are up" k -n monitoring rollout status deployment/monitoring --timeout=180s
    ;;
  down) k delete --ignore-not-found -f "$here/monitoring.yaml" -f "$root/config/prometheus/rbac.yaml" ;;
  *)
    echo "usage: hack/monitoring.sh load|up|down" >&2
    exit 2
    ;;
esac
