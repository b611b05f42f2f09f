// Package components builds what the cluster is made of (Kubernetes, etcd, containerd, CoreDNS) from Go modules and keeps
// the binaries in a cache outside the clone.
package components

import (
	"fmt"
	"slices"
)

// Binary is one program of a family.
type Binary struct {
	Name    string // file name in the cache
	Package string // import path of its main package
}

// Family is one Go module below components/ whose tools are built with the same flags. Families are apart because their
// requirements conflict.
type Family struct {
	Name     string // its directory below components/
	Version  string // stamped into the binaries; go.mod decides what is really built, and a test holds the two together
	Module   string // the module whose version it is; empty for the lab's own programs
	LDFlags  string // after "-s -w"
	Tags     string // of the build, with commas between
	Binaries []Binary
}

const (
	kubernetesVersion = "v1.36.3"
	etcdVersion       = "v3.6.8"
	containerdVersion = "v2.2.5"
	coreDNSVersion    = "v1.14.7"
	policyVersion     = "v1.1.1"
	prometheusVersion = "v0.315.0" // the module's number for the release 3.15.0
)

// Families lists everything the lab builds, in the order in which it is built: what envtest needs comes first.
func Families() []Family {
	return []Family{
		{
			Name: "etcd", Version: etcdVersion, Module: "go.etcd.io/etcd/server/v3",
			Binaries: []Binary{{"etcd", "go.etcd.io/etcd/server/v3"}},
		},
		{
			Name: "kubernetes", Version: kubernetesVersion, Module: "k8s.io/kubernetes",
			LDFlags: kubernetesVersionFlags(),
			Binaries: []Binary{
				{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"},
				{"kubectl", "k8s.io/kubernetes/cmd/kubectl"},
				{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"},
				{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"},
				{"kubelet", "k8s.io/kubernetes/cmd/kubelet"},
				{"kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"},
			},
		},
		{
			Name: "containerd", Version: containerdVersion, Module: "github.com/containerd/containerd/v2",
			LDFlags: "-X github.com/containerd/containerd/v2/version.Version=" + containerdVersion,
			Binaries: []Binary{
				{"containerd", "github.com/containerd/containerd/v2/cmd/containerd"},
				{"containerd-shim-runc-v2", "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2"},
				{"ctr", "github.com/containerd/containerd/v2/cmd/ctr"},
			},
		},
		{
			Name: "coredns", Version: coreDNSVersion, Module: "github.com/coredns/coredns",
			Binaries: []Binary{{"coredns", "github.com/coredns/coredns"}},
		},
		{
			Name: "policyagent", Version: policyVersion, Module: "sigs.k8s.io/kube-network-policies",
			Binaries: []Binary{{"policy-agent", "github.com/netladder/netladder/hack/lab/components/policyagent"}},
		},
		{
			Name: "podtool", Version: "v1",
			Binaries: []Binary{{"podtool", "github.com/netladder/netladder/hack/lab/components/podtool"}},
		},
		{
			Name: "grpcserver", Version: "v1",
			Binaries: []Binary{{"grpcserver", "github.com/netladder/netladder/hack/lab/components/grpcserver"}},
		},
		{
			// Debian's has no service discovery for Kubernetes. This one has no other, and no web pages: both take long to build.
			Name: "prometheus", Version: prometheusVersion, Module: "github.com/prometheus/prometheus",
			LDFlags: "-X github.com/prometheus/common/version.Version=3.15.0", Tags: "remove_all_sd,enable_kubernetes_sd",
			Binaries: []Binary{{"prometheus", "github.com/prometheus/prometheus/cmd/prometheus"}},
		},
	}
}

// kubernetesVersionFlags makes the binaries report the version they were built from; kubelets and clients compare it.
func kubernetesVersionFlags() string {
	flags := ""
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags += " -X " + pkg + ".gitVersion=" + kubernetesVersion +
			" -X " + pkg + ".gitMajor=1 -X " + pkg + ".gitMinor=36 -X " + pkg + ".gitTreeState=clean"
	}
	return flags[1:]
}

// Selection says which binaries a command needs.
type Selection string

// What `lab build --only` accepts.
const (
	All        Selection = "all"        // what a cluster needs
	Envtest    Selection = "envtest"    // etcd, kube-apiserver and kubectl: what KUBEBUILDER_ASSETS must hold
	Monitoring Selection = "monitoring" // Prometheus, which few labs need
)

var (
	envtestBinaries    = []string{"etcd", "kube-apiserver", "kubectl"}
	monitoringBinaries = []string{"prometheus"}
)

// ParseSelection reads what a user wrote.
func ParseSelection(text string) (Selection, error) {
	known := []Selection{All, Envtest, Monitoring}
	if s := Selection(text); slices.Contains(known, s) {
		return s, nil
	}
	return "", fmt.Errorf("components %q: want one of %q", text, known)
}

// wants tells whether the selection holds a binary of that name.
func (s Selection) wants(name string) bool {
	switch s {
	case Envtest:
		return slices.Contains(envtestBinaries, name)
	case Monitoring:
		return slices.Contains(monitoringBinaries, name)
	default:
		return !slices.Contains(monitoringBinaries, name)
	}
}
