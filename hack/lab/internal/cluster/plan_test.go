package cluster

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/netladder/netladder/hack/lab/internal/state"
)

func TestPlanState(t *testing.T) {
	running := &state.State{
		Nodes: []string{"node1", "node2", "node3"}, DNSNodes: []string{"node2"}, Port: 7, Binaries: "/bin",
		Stopped: []string{"node3"}, Faults: []state.Fault{{Name: "dns"}},
	}
	for name, test := range map[string]struct {
		previous *state.State
		options  UpOptions
		want     state.State
		err      string
	}{
		"new lab": {
			want: state.State{Nodes: []string{"node1", "node2", "node3"}, DNSNodes: []string{"node1", "node3"}, Binaries: "/bin"},
		},
		"new lab of one node has one CoreDNS": {
			options: UpOptions{Nodes: 1},
			want:    state.State{Nodes: []string{"node1"}, DNSNodes: []string{"node1"}, Binaries: "/bin"},
		},
		"again: powered on, still broken": {
			previous: running,
			want: state.State{
				Nodes: running.Nodes, DNSNodes: []string{"node2"}, Port: 7, Binaries: "/bin", Faults: running.Faults,
			},
		},
		"grow and move CoreDNS": {
			previous: running, options: UpOptions{Nodes: 4, DNSNodes: []string{"node4"}},
			want: state.State{
				Nodes: []string{"node1", "node2", "node3", "node4"}, DNSNodes: []string{"node4"}, Port: 7, Binaries: "/bin", Faults: running.Faults,
			},
		},
		"shrink":           {previous: running, options: UpOptions{Nodes: 2}, err: "cannot shrink"},
		"too many":         {options: UpOptions{Nodes: 1000}, err: "--nodes 1000"},
		"DNS on no node":   {options: UpOptions{DNSNodes: []string{"node9"}}, err: `no node "node9"`},
		"other components": {previous: &state.State{Nodes: running.Nodes, Binaries: "/old"}, err: "lab down"},
	} {
		t.Run(name, func(t *testing.T) {
			test.options.Binaries = "/bin"
			got, err := planState(test.previous, test.options)
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(*got, test.want) {
				t.Errorf("got  %+v\nwant %+v", *got, test.want)
			}
		})
	}
}

// Templates are text: only a lab would notice a name that is not given.
func TestEveryTemplateIsFilledIn(t *testing.T) {
	data := map[string]any{}
	for _, name := range []string{
		"PauseImage", "CAFile", "CertFile", "KeyFile", "DNSServiceIP", "ClusterDomain", "ResolvConf", "CgroupRoot",
		"PodCIDR", "Node", "Kubeconfig", "Image", "ServiceIP", "User",
	} {
		data[name] = "x"
	}
	data["Nodes"] = []string{"node1", "node3"}
	entries, err := os.ReadDir("files")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := render(entry.Name(), data)
		if err != nil {
			t.Errorf("%s: %v", entry.Name(), err)
		}
		if strings.Contains(string(content), "{{") {
			t.Errorf("%s: a template action is left:\n%s", entry.Name(), content)
		}
	}
}
