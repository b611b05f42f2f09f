#!/usr/bin/env bash
# The demo: a cluster on this machine, Netladder in it, a sample application
# and checks. `hack/demo.sh up` can be run twice; `down` leaves nothing.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
lab_name=${NETLADDER_LAB_NAME:-nl}
nodes=${NODES:-3}

# wait_ready shows how many checks are Ready until all are.
wait_ready() {
  local deadline=$((SECONDS + 180)) last="" line
  while ((SECONDS < deadline)); do
    line=$(k get ccheck -A -o jsonpath="$readiness" 2>/dev/null | count_ready) || true
    if [[ -n $line && $line != "$last" ]]; then
      printf '  %s\n' "$line"
      last=$line
    fi
    [[ $line == *" checks Ready" ]] && return 0
    sleep 1
  done
  echo "not all checks are Ready after 180 s; this is how it looks:" >&2
  k get ccheck -A -o wide >&2 || true
  k get pods -A -o wide >&2 || true
  return 1
}

up() {
  local start=$SECONDS
  make -s -C "$root" "$root/bin/kustomize" "$lab" >/dev/null
  # The cluster and the image need the same two cores; the cluster has more to
  # wait for.
  "$lab" --name "$lab_name" up --nodes "$nodes"
  step "build the image" build_image
  step "load the image on every node" "$lab" --name "$lab_name" load "$image_tar"
  step "install Netladder and the sample application" install demo
  step "controller is up" k -n netladder-system rollout status deploy/netladder-controller --timeout=180s
  echo "checks:"
  wait_ready
  printf '\nReady after %d s.\n\n' $((SECONDS - start))
  k get ccheck -A
  cat <<TXT

Look around:
  bin/lab kubectl get ccheck -A -o wide
  bin/lab kubectl describe ccheck -n netladder-system cluster-network
  bin/lab kubectl get passign node1 -o yaml
Break something, watch it being found, heal it:
  bin/lab break vxlan node2
  bin/lab kubectl get ccheck -A -w
  bin/lab heal
Use any client:
  export KUBECONFIG=\$(bin/lab kubeconfig)
Stop:
  make demo-down
TXT
}

case ${1:-} in
  up) up ;;
  down) "$lab" --name "$lab_name" down ;;
  *)
    echo "usage: hack/demo.sh up|down" >&2
    exit 2
    ;;
esac
