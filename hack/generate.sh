#!/usr/bin/env bash
# Regenerates everything that is made from the Go types and their markers, the dashboards, and copies of other files.
set -euo pipefail
cd "$(dirname "$0")/.."

rm -rf api/v1alpha1/applyconfiguration
bin/controller-gen \
  object:headerFile=hack/boilerplate.go.txt \
  applyconfiguration:headerFile=hack/boilerplate.go.txt \
  crd paths=./api/... output:crd:artifacts:config=config/crd
bin/controller-gen rbac:roleName=netladder-controller \
  paths=./controllers/... output:rbac:artifacts:config=config/rbac
bin/crd-ref-docs --source-path=api/v1alpha1 --config=hack/tools/docs/config.yaml \
  --renderer=markdown --output-path=docs/api.md --log-level=ERROR
(cd hack/dashboards && go run . -root ../..)

# The alert rules once more, as the Prometheus operator takes them.
{
  cat <<'EOF'
# Made of rules.yaml by hack/generate.sh: change that, and run make generate.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: netladder
  namespace: netladder-system
  labels:
    app.kubernetes.io/name: netladder
spec:
EOF
  sed -n '/^groups:/,$ { s/^\(.\)/  \1/; p }' config/prometheus/rules.yaml
} >config/prometheus/prometheusrule.yaml

# The chart's copies of what config/ holds.
chart=charts/netladder
rm -rf "$chart/crds" "$chart/files"
copy() {
  local to=$chart/$1
  shift
  mkdir -p "$to" && cp "$@" "$to/"
}
copy crds config/crd/netladder.io_*.yaml
copy files/rbac config/rbac/{role,controller,prober,echo,canary,users,metrics_reader}.yaml
copy files/full config/full/rbac.yaml
copy files/audit config/audit/rbac.yaml
copy files/manager config/manager/{services,disruption}.yaml
copy files/network-policy config/network-policy/policies.yaml
copy files/admission config/admission/prober_writes.yaml
copy files/prometheus config/prometheus/{rules,monitors,rbac}.yaml
copy files/grafana config/grafana/*.json
mkdir -p "$chart/files/checks"
for check in cluster-network policy-enforcement; do
  cp "config/$check/check.yaml" "$chart/files/checks/$check.yaml"
done
bin/helm-docs --chart-search-root=charts --log-level=warning --sort-values-order=file
