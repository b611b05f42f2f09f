#!/usr/bin/env bash
# Regenerates everything that is made from the Go types and their markers, and the dashboards.
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
