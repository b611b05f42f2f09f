#!/usr/bin/env bash
# Fails when a generated file is stale, a module untidy, or the linter finds
# something. Arguments: the folders of the Go modules to look at.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '== %s\n' "$*"; }

generated=(api/v1alpha1 config/crd config/rbac config/grafana config/prometheus/prometheusrule.yaml docs/api.md docs/dashboards.md charts/netladder)
step "generated files are current"
before=$(mktemp) after=$(mktemp)
trap 'rm -f "$before" "$after"' EXIT
# Compared with what was there before, not with git, so that it can be used
# before a commit too.
sums() { find "${generated[@]}" -type f -print0 2>/dev/null | sort -z | xargs -0 sha256sum; }
sums >"$before"
make generate
sums >"$after"
if ! diff "$before" "$after"; then
  echo "verify: generated files were stale (above); they are regenerated now: look at them and commit" >&2
  exit 1
fi

step "manifests render"
bin/kustomize build config/default >/dev/null
bin/kustomize build config/full >/dev/null
bin/kustomize build config/samples >/dev/null
bin/kustomize build config/demo >/dev/null
bin/kustomize build config/demo/full >/dev/null
bin/kustomize build config/grafana >/dev/null
bin/kustomize build config/prometheus >/dev/null

step "chart: lint clean"
bin/helm lint --strict charts/netladder >/dev/null

for module in "$@"; do
  step "module $module: tidy, formatted, vetted, lint clean"
  (
    cd "$module"
    go mod tidy -diff
    "$OLDPWD/bin/golangci-lint" run --config "$OLDPWD/.golangci.yml" ./...
  )
done
step "ok"
