# Netladder's commands. `make help` lists them.

SHELL := /usr/bin/env bash -o errexit -o nounset -o pipefail
.SHELLFLAGS := -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
REVISION ?= $(shell git rev-parse HEAD 2>/dev/null)
IMG ?= ghcr.io/netladder/netladder:dev
PLATFORM ?= linux/amd64
NODES ?= 3
# The Go modules of our own code, which `make verify` and `make test` cover; the
# others of hack/tools and hack/lab/components only pin what is built.
MODULES := . hack/lab hack/lab/components/podtool hack/lab/components/grpcserver hack/lab/components/policyagent hack/image hack/dashboards test/oracle test/kubeapi

BIN := $(CURDIR)/bin
LAB := $(BIN)/lab
export GOFLAGS := -buildvcs=false $(filter-out -buildvcs=false,$(GOFLAGS))

##@ Look at it

.PHONY: help
help: ## Show this list.
	@if [[ -t 1 ]]; then on=$$'\e[36m' off=$$'\e[0m'; else on='' off=''; fi; \
	awk -v on="$$on" -v off="$$off" 'BEGIN {FS = ":.*##"} /^[a-zA-Z0-9_-]+:.*?##/ {printf "  %s%-20s%s %s\n", on, $$1, off, $$2} /^##@/ {printf "\n%s\n", substr($$0, 5)}' $(MAKEFILE_LIST)

.PHONY: demo
demo: deps ## A cluster on this machine with Netladder probing it; LEVEL=Full tests from inside pods, WITH=prometheus adds alerts. Can be run twice.
	@hack/demo.sh up

.PHONY: demo-down
demo-down: $(LAB) ## Stop the demo's cluster and leave nothing behind.
	@hack/demo.sh down

##@ Build

.PHONY: build
build: ## Build bin/netladder and bin/netladder-prober, static.
	@mkdir -p $(BIN)
	CGO_ENABLED=0 GOOS=$(word 1,$(subst /, ,$(PLATFORM))) GOARCH=$(word 2,$(subst /, ,$(PLATFORM))) \
	  go build -trimpath -ldflags '-s -w -X main.version=$(VERSION) -X main.revision=$(REVISION)' -o $(BIN)/ ./cmd/netladder ./cmd/netladder-prober

.PHONY: plugin
plugin: build ## Build bin/kubectl-netladder, kubectl's plugin, with its completion: the same program under other names.
	@for name in kubectl-netladder kubectl_complete-netladder; do ln -f $(BIN)/netladder $(BIN)/$$name; done
	@echo 'put both into your PATH: sudo cp bin/kubectl-netladder bin/kubectl_complete-netladder /usr/local/bin/'

.PHONY: image
image: build $(BIN)/image ## Build the image as dist/netladder.tar, without a container engine.
	@mkdir -p dist
	$(BIN)/image build --binary $(BIN)/netladder --binary $(BIN)/netladder-prober --tag $(IMG) --output dist/netladder.tar --platform $(PLATFORM)

.PHONY: image-push
image-push: image ## Push the image to your registry: make image-push IMG=registry.example.com/netladder:v1
	$(BIN)/image push --archive dist/netladder.tar --tag $(IMG)

.PHONY: generate
generate: $(BIN)/controller-gen $(BIN)/crd-ref-docs $(BIN)/helm-docs ## Regenerate CRDs, RBAC, deepcopy, apply configurations and the API reference, the dashboards.
	@hack/generate.sh

##@ Test

.PHONY: test
test: deps assets $(BIN)/helm $(BIN)/kustomize ## Everything that needs no cluster: pure tests, a real API server, real network namespaces.
	KUBEBUILDER_ASSETS="$$($(LAB) assets)" go test -timeout 15m ./...
	cd hack/lab && go test ./...
	cd hack/lab/components/podtool && go test ./...
	cd hack/lab/components/grpcserver && go test ./...
	cd hack/lab/components/policyagent && go test ./...
	cd hack/image && go test ./...
	cd hack/dashboards && go test ./...
	cd test/oracle && go test ./...
	cd test/kubeapi && go test ./... && go test -modfile=newest.mod ./...

.PHONY: verify
verify: $(BIN)/golangci-lint $(BIN)/kustomize $(BIN)/helm ## Generated files are current, modules tidy, code formatted and lint clean.
	@hack/verify.sh $(MODULES)

.PHONY: e2e
e2e: deps ## The stories on one real cluster of three nodes.
	@hack/e2e.sh

.PHONY: e2e-full
e2e-full: deps ## e2e and the stories that take long.
	@hack/e2e.sh full

.PHONY: e2e-rbac
e2e-rbac: deps ## The permissions of Netladder's roles against what it asks an API server in a run of everything.
	@hack/e2e.sh rbac

.PHONY: measure-detection
measure-detection: deps ## Break and heal the overlay 20 times; report how long detection took.
	@hack/e2e.sh detection

.PHONY: policy-proof
policy-proof: ## The policy evaluator against the engine of kube-network-policies, at length, and broken in a dozen ways.
	cd test/oracle && for seed in 1 2 3; do ORACLE_SEED=$$seed ORACLE_FLOWS=200000 go test -count=1 -timeout 1h -v -run '^TestDifferential$$' .; done
	cd test/oracle && go run ./mutate

.PHONY: alert-proof
alert-proof: deps ## Break each alert and recording rule in each of some ways: a test of promtool must fail for it. Takes minutes.
	NETLADDER_ALERT_PROOF=1 go test -count=1 -timeout 1h -v -run "^TestEveryBreakIsSeen$$" ./test/alerts

.PHONY: bench
bench: ## The figures of docs/performance.md that need no cluster.
	@hack/bench.sh

##@ Helpers of the above

.PHONY: deps
deps: ## Install the Debian packages that are missing.
	@hack/deps.sh

.PHONY: assets
assets: $(LAB) ## Build etcd and kube-apiserver for the tests, once.
	@$(LAB) assets >/dev/null

.PHONY: tools
tools: $(BIN)/controller-gen $(BIN)/crd-ref-docs $(BIN)/golangci-lint $(BIN)/kustomize $(BIN)/helm $(BIN)/helm-docs $(LAB) $(BIN)/image ## Build the tools.

$(BIN)/controller-gen: hack/tools/codegen/go.sum
	@$(call build-tool,hack/tools/codegen)

$(BIN)/crd-ref-docs: hack/tools/docs/go.sum
	@$(call build-tool,hack/tools/docs)

$(BIN)/golangci-lint: hack/tools/lint/go.sum
	@$(call build-tool,hack/tools/lint)

$(BIN)/kustomize: hack/tools/kustomize/go.sum
	@$(call build-tool,hack/tools/kustomize)

$(BIN)/helm: hack/tools/helm/go.sum
	@$(call build-tool,hack/tools/helm)

$(BIN)/helm-docs: hack/tools/helmdocs/go.sum
	@$(call build-tool,hack/tools/helmdocs)

# Always asked for: Go's build cache knows better than make what changed.
.PHONY: $(LAB) $(BIN)/image
$(LAB):
	@mkdir -p $(BIN); cd hack/lab && go build -o $@ .

$(BIN)/image:
	@mkdir -p $(BIN); cd hack/image && go build -o $@ .

# build-tool: the tool of the module in folder $(1), into bin/.
define build-tool
mkdir -p $(BIN); start=$$SECONDS; echo "building $(notdir $@)"; \
cd $(1) && go build -o $(BIN)/ tool; \
touch $@; echo "built $(notdir $@) in $$((SECONDS - start)) s"
endef
