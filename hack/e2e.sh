#!/usr/bin/env bash
# Runs the stories of test/e2e on a lab of its own.
#   hack/e2e.sh            the stories of CI
#   hack/e2e.sh full       all stories
#   hack/e2e.sh detection  20 breaks of the overlay, timed
#   hack/e2e.sh rbac       those of CI and whatever else takes a permission, held against the audit log
# RUN=Regexp picks stories, LEVEL=Restricted or LEVEL=Full those of one level of
# the probers; KEEP=1 leaves the lab running to look around.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
lab_name=${NETLADDER_LAB_NAME:-nle2e}
tier=${1:-ci}

cleanup() {
  local status=$?
  trap - EXIT
  if [[ -n ${KEEP:-} ]]; then
    echo "the lab is left running: bin/lab --name $lab_name kubectl …; stop it by bin/lab --name $lab_name down"
    exit "$status"
  fi
  "$lab" --name "$lab_name" down || status=1
  "$lab" --name "$lab_name" leftovers || status=1
  exit "$status"
}

make -s -C "$root" "$root/bin/kustomize" "$root/bin/helm" "$lab"
trap cleanup EXIT
"$lab" --name "$lab_name" up --nodes 3
step "build the image" build_image
# step runs in this shell, so build_image has set image_ref and image_tar.
step "load the image on every node" "$lab" --name "$lab_name" load "$image_tar"
# The pace of the stories; installing sets another.
pace() {
  k -n netladder-system patch ccheck cluster-network --type=merge -p '{"spec":{"interval":"2s","timeout":"500ms"}}'
}

# Stories named TestFull… need level Full, which is installed after the others
# have run at level Restricted; those named TestFullHelm… install it themselves,
# after all others. With KEEP=1 a lab may be used again as it is.
ci_restricted='^(TestOutOfTheBox|TestUnknownPathsNameTheirObject|TestRefusedAtApply|TestOverlayBroken|TestDNSBroken|TestProberKilledIsQuiet)$'
ci_full='^(TestFullOrderValidator|TestFullMetadata|TestFullOpenSegmentation)$'
case $tier in
  ci) restricted=(-run "$ci_restricted") full=(-run "$ci_full") helm=() timeout=20m ;;
  full) restricted=(-skip '^(TestDetection|TestFull|TestPermissionsNeeded$)') full=(-run '^TestFull' -skip '^TestFullHelm') helm=(-run '^TestFullHelm') timeout=160m ;;
  rbac) restricted=(-run "$ci_restricted|^TestPermissionsUsed\$") full=(-run "$ci_full|^TestFullPermissionsUsed\$|^TestFullKubectlKilled\$") helm=() timeout=30m ;;
  detection) restricted=(-run '^TestDetection') full=() helm=() timeout=60m ;;
  *)
    echo "usage: hack/e2e.sh [full|detection|rbac]" >&2
    exit 2
    ;;
esac
if [[ ${RUN:-} == TestFullHelm* || ${RUN:-} == ^TestFullHelm* ]]; then
  restricted=() full=() helm=(-run "$RUN")
elif [[ ${RUN:-} == *TestFull* ]]; then
  restricted=() full=(-run "$RUN") helm=()
elif [[ -n ${RUN:-} ]]; then
  restricted=(-run "$RUN") full=() helm=()
fi
case ${LEVEL:-} in
  Restricted) full=() helm=() ;;
  Full) restricted=() ;;
esac

# hack/e2e-table.sh makes a table of these logs.
log=$root/dist/e2e-$tier-$(git -C "$root" rev-parse --short HEAD)-$(date +%H%M%S).log
stories() {
  KUBECONFIG=$("$lab" --name "$lab_name" kubeconfig) NETLADDER_LAB=$lab NETLADDER_LAB_NAME=$lab_name \
    go test -C "$root" -tags e2e -count=1 -p 1 -v -timeout "$timeout" "$@" ./test/e2e | tee -a "$log"
}
failed=0
if ((${#restricted[@]} + ${#full[@]} > 0)); then
  step "install Netladder" install default
  step "controller is up" k -n netladder-system rollout status deploy/netladder-controller --timeout=180s
  pace
fi
((${#restricted[@]} == 0)) || stories "${restricted[@]}" || failed=1
if ((${#full[@]} > 0)); then
  step "install level Full" install full
  step "controller is up" k -n netladder-system rollout status deploy/netladder-controller --timeout=180s
  step "probers are to be of level Full" k -n netladder-system wait --timeout=60s \
    --for=jsonpath='{.spec.template.spec.hostPID}'=true ds/netladder-prober
  step "probers are up" k -n netladder-system rollout status ds/netladder-prober --timeout=180s
  pace
  stories "${full[@]}" || failed=1
fi
# Of all that ran: nothing was denied, and every permission was used.
if [[ $tier == full || $tier == rbac ]] && [[ -z ${RUN:-}${LEVEL:-} ]]; then
  stories -run '^TestPermissionsNeeded$' || failed=1
fi
if ((${#helm[@]} > 0)); then
  ((${#restricted[@]} + ${#full[@]} == 0)) || step "uninstall Netladder" uninstall
  image_next=$image_ref-next
  step "build an image of another tag" "$root/bin/image" build "${programs[@]}" --tag "$image_next" --output "$root/dist/netladder-next.tar"
  step "load it" "$lab" --name "$lab_name" load "$root/dist/netladder-next.tar"
  export HELM=$root/bin/helm NETLADDER_IMAGE=$image_ref NETLADDER_IMAGE_NEXT=$image_next
  stories "${helm[@]}" || failed=1
fi
exit "$failed"
