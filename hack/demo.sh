#!/usr/bin/env bash
# The demo: a cluster on this machine, Netladder in it, a sample application
# and checks. `hack/demo.sh up` can be run twice; `down` leaves nothing.
# WITH=prometheus adds Prometheus and Alertmanager.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
lab_name=${NETLADDER_LAB_NAME:-nl}
nodes=${NODES:-3}

# wait_ready shows how far it is until all checks are as they are to be, and
# stay so for some seconds: a status follows a report with a delay.
wait_ready() {
  local deadline=$((SECONDS + 240)) last="" line held=0 since
  # A prober tells something once a minute even if nothing changes.
  since=$(date -u -d '-75 seconds' +%Y-%m-%dT%H:%M:%SZ)
  while ((SECONDS < deadline)); do
    line=$(facts 2>/dev/null | progress "$image_ref" "$level" "$since") || true
    if [[ -n $line && $line != "$last" ]]; then
      printf '  %s\n' "$line"
      last=$line
    fi
    if finished "$line"; then held=$((held + 1)); else held=0; fi
    ((held == 3)) && return 0
    sleep 1
  done
  echo "not all checks are as they should be after 240 s; this is how it looks:" >&2
  k get ccheck -A -o wide >&2 || true
  k get pods -A -o wide >&2 || true
  return 1
}

# installed_level is the level of the controller that is there; empty without.
installed_level() {
  local args
  args=$(k -n netladder-system get deploy netladder-controller --ignore-not-found -o jsonpath='{.spec.template.spec.containers[0].args}') || return 0
  case $args in
    *--level=Full*) echo Full ;;
    ?*) echo Restricted ;;
  esac
}

# choose_level sets level, and overlay to what installs it. Without LEVEL what is
# installed stays.
choose_level() {
  local installed
  installed=$(installed_level)
  level=${LEVEL:-${installed:-Restricted}}
  overlay=demo
  [[ $level == Full ]] && overlay=demo/full
  if [[ -z ${LEVEL:-} && $level == Full ]]; then
    echo "level Full is installed and stays; LEVEL=Restricted goes back"
  elif [[ $level == Restricted && $installed == Full ]]; then
    # What only level Full can test, and only it may do.
    step "remove what needs level Full" k delete --ignore-not-found namespace/commerce \
      clusterrole/netladder-controller-full clusterrolebinding/netladder-controller-full
  fi
}

up() {
  local start=$SECONDS
  case ${LEVEL:-} in
    "" | Restricted | Full) ;;
    *)
      echo "LEVEL is $LEVEL; write LEVEL=Restricted or LEVEL=Full" >&2
      exit 2
      ;;
  esac
  case ${WITH:-} in
    "" | prometheus) ;;
    *)
      echo "WITH is $WITH; write WITH=prometheus" >&2
      exit 2
      ;;
  esac
  make -s -C "$root" "$root/bin/kustomize" "$lab" >/dev/null
  # The cluster and the image need the same two cores; the cluster has more to
  # wait for.
  "$lab" --name "$lab_name" up --nodes "$nodes"
  choose_level
  step "build the image" build_image
  step "load the image on every node" "$lab" --name "$lab_name" load "$image_tar"
  step "install Netladder ($level) and the samples" install "$overlay"
  step "controller is up" k -n netladder-system rollout status deploy/netladder-controller --timeout=180s
  echo "checks:"
  wait_ready
  printf '\nReady after %d s, at level %s.\n\n' $((SECONDS - start)) "$level"
  k get ccheck -A
  if [[ $level == Full ]]; then next_full; else next_restricted; fi
  if [[ ${WITH:-} == prometheus ]]; then
    printf '\nPrometheus and Alertmanager (the first time Prometheus is built, which takes minutes):\n'
    NETLADDER_LAB_NAME=$lab_name "$root/hack/monitoring.sh" up
    next_monitoring
  fi
  cat <<TXT
Use any client:
  export KUBECONFIG=\$(bin/lab kubeconfig)
Stop:
  make demo-down
TXT
}

next_restricted() {
  cat <<TXT

Look around:
  bin/lab kubectl get ccheck -A -o wide
  bin/lab kubectl describe ccheck -n netladder-system cluster-network
  bin/lab kubectl get passign node1 -o yaml
Break something, watch it being found, heal it:
  bin/lab break vxlan node2
  bin/lab kubectl get ccheck -A -w
  bin/lab heal
Test from inside the application's pods, and that what must be blocked is:
  make demo LEVEL=Full
TXT
}

next_full() {
  cat <<TXT

The network policies of namespace commerce were written without the order
service in mind. Look at what it gets, and at the policies:
  bin/lab kubectl -n commerce describe ccheck order-validator
  bin/lab kubectl -n commerce get networkpolicies
Admit it, and watch its path pass; the database stays proven to be blocked:
  bin/lab kubectl apply -f config/demo/commerce/allow-order-validator.yaml
  bin/lab kubectl -n commerce get ccheck -w
Let no policy be enforced any more, see which Deny is open, and heal it:
  bin/lab policy off all
  bin/lab kubectl -n commerce get ccheck -w
  bin/lab policy drop all
TXT
}

next_monitoring() {
  cat <<TXT

See what Prometheus scrapes, and which alerts Alertmanager has, two minutes
after something broke:
  bin/lab kubectl -n monitoring port-forward deploy/monitoring 9090 9093 &
  promtool query instant http://127.0.0.1:9090 'up{job=~"netladder.+"}'
  bin/lab break vxlan node2
  amtool --alertmanager.url=http://127.0.0.1:9093 alert query --output=extended
TXT
}

case ${1:-} in
  up) up ;;
  down) "$lab" --name "$lab_name" down ;;
  functions) ;; # sourced by a test
  *)
    echo "usage: hack/demo.sh up|down" >&2
    exit 2
    ;;
esac
