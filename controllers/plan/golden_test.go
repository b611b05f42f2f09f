// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/golden"
)

// goldenIn is a cluster as a person writes it.
type goldenIn struct {
	Now        time.Time                    `json:"now"`
	SizeLimit  int                          `json:"sizeLimit"`
	Nodes      []goldenNode                 `json:"nodes"`
	Level      v1alpha1.Level               `json:"level"`
	Services   []goldenService              `json:"services"`
	Pods       []Pod                        `json:"pods"`
	Namespaces []Namespace                  `json:"namespaces"`
	Checks     []v1alpha1.ConnectivityCheck `json:"checks"`
	Previous   []v1alpha1.ProbeAssignment   `json:"previous"`
}

type goldenNode struct {
	Name     string            `json:"name"`
	Labels   map[string]string `json:"labels"`
	NoProber bool              `json:"noProber"`
	EchoUID  types.UID         `json:"echoUID"`
	EchoIPs  []netip.Addr      `json:"echoIPs"`
	IPs      []netip.Addr      `json:"ips"`
}

type goldenService struct {
	Namespace    string        `json:"namespace"`
	Name         string        `json:"name"`
	ClusterIPs   []netip.Addr  `json:"clusterIPs"`
	Headless     bool          `json:"headless"`
	ExternalName string        `json:"externalName"`
	Ports        []ServicePort `json:"ports"`
}

type goldenOut struct {
	Paths       []goldenPath       `json:"paths"`
	Assignments []goldenAssignment `json:"assignments"`
}

type goldenPath struct {
	Path        string             `json:"path"`
	Accepted    bool               `json:"accepted"`
	Reason      string             `json:"reason,omitempty"`
	Message     string             `json:"message,omitempty"`
	Groups      []string           `json:"groups,omitempty"`
	Sources     []string           `json:"sources,omitempty"`
	Proofs      []string           `json:"proofs,omitempty"`
	Undisclosed []string           `json:"undisclosed,omitempty"`
	Coverage    *v1alpha1.Coverage `json:"coverage,omitempty"`
}

type goldenAssignment struct {
	Node    string                       `json:"node"`
	LeftOut []LeftOut                    `json:"leftOut,omitempty"`
	Rate    float64                      `json:"probesPerSecond"`
	Spec    v1alpha1.ProbeAssignmentSpec `json:"spec"`
}

func TestGolden(t *testing.T) {
	dirs, err := filepath.Glob("testdata/*/in.yaml")
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no golden tests: %v", err)
	}
	for _, path := range dirs {
		dir := filepath.Dir(path)
		t.Run(filepath.Base(dir), func(t *testing.T) {
			got, err := yaml.Marshal(goldenRun(t, path))
			if err != nil {
				t.Fatal(err)
			}
			golden.Equal(t, filepath.Join(dir, "out.yaml"), got)
		})
	}
}

func goldenRun(t *testing.T, path string) goldenOut {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var g goldenIn
	if err := yaml.UnmarshalStrict(raw, &g); err != nil {
		t.Fatal(err)
	}
	in := g.input()
	var out goldenOut
	for _, check := range in.Checks {
		for _, p := range Resolve(check, in.Cluster, in.Settings, in.Now).Paths {
			row := goldenPath{Path: check.Namespace + "/" + check.Name + "/" + p.Name,
				Accepted: p.Accepted, Reason: p.Reason, Message: p.Message, Coverage: p.Coverage}
			for _, g := range p.Groups {
				row.Groups, row.Sources = append(row.Groups, g.Key), g.Sources
			}
			for _, g := range p.Proofs {
				row.Proofs = append(row.Proofs, g.Key)
			}
			row.Undisclosed = p.Undisclosed
			out.Paths = append(out.Paths, row)
		}
	}
	for _, a := range Build(in) {
		out.Assignments = append(out.Assignments, goldenAssignment{a.Node, a.LeftOut, ProbeRate(&a.Spec), a.Spec})
	}
	return out
}

func (g *goldenIn) input() Input {
	in := Input{
		Settings: Settings{Namespace: home, SizeLimit: g.SizeLimit, Level: g.Level}, Now: g.Now,
		Cluster: &Cluster{
			Nodes: map[string]*Node{}, Services: map[types.NamespacedName]*Service{},
			Pods: map[types.UID]*Pod{}, Namespaces: map[string]*Namespace{},
		},
		Previous: map[string]*v1alpha1.ProbeAssignment{},
	}
	for _, n := range g.Nodes {
		node := &Node{Name: n.Name, Labels: n.Labels, Prober: !n.NoProber, IPs: n.IPs}
		if n.EchoUID != "" {
			node.Echo = &Echo{UID: n.EchoUID, IPs: n.EchoIPs}
		}
		in.Cluster.Nodes[n.Name] = node
	}
	for _, s := range g.Services {
		key := types.NamespacedName{Namespace: s.Namespace, Name: s.Name}
		in.Cluster.Services[key] = &Service{Key: key, ClusterIPs: s.ClusterIPs,
			Headless: s.Headless, ExternalName: s.ExternalName, Ports: s.Ports}
	}
	for i := range g.Pods {
		in.Cluster.Pods[g.Pods[i].UID] = &g.Pods[i]
	}
	for i := range g.Namespaces {
		in.Cluster.Namespaces[g.Namespaces[i].Name] = &g.Namespaces[i]
	}
	for i := range g.Checks {
		in.Checks = append(in.Checks, &g.Checks[i])
	}
	for i := range g.Previous {
		in.Previous[g.Previous[i].Name] = &g.Previous[i]
	}
	return in
}
