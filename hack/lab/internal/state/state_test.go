package state

import (
	"encoding/json"
	"reflect"
	"testing"

	"github.com/netladder/netladder/hack/lab/internal/policy"
)

func TestStateSurvivesItsEncoding(t *testing.T) {
	want := State{
		Nodes: []string{"node1", "node2"}, DNSNodes: []string{"node1"}, Port: 12345, Binaries: "/cache",
		Stopped: []string{"node2"}, Faults: []Fault{{Name: "vxlan", Node: "node1", Peer: "node2"}, {Name: "dns"}},
		Policy: map[string]policy.Treatment{"node1": policy.Off}, NoMetadata: []string{"node2"},
	}
	content, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got State
	if err := json.Unmarshal(content, &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestStopped(t *testing.T) {
	s := &State{Nodes: []string{"node1", "node2"}}
	s.SetStopped("node1", true)
	s.SetStopped("node1", true)
	if !s.IsStopped("node1") || !reflect.DeepEqual(s.Running(), []string{"node2"}) || len(s.Stopped) != 1 {
		t.Errorf("after stopping node1 twice: stopped %v, running %v", s.Stopped, s.Running())
	}
	s.SetStopped("node1", false)
	if s.IsStopped("node1") || len(s.Running()) != 2 {
		t.Errorf("after starting node1: stopped %v", s.Stopped)
	}
}

func TestPolicyAndMetadataAreOnUnlessSaidOtherwise(t *testing.T) {
	s := &State{Nodes: []string{"node1", "node2"}}
	s.SetPolicy("node1", policy.Reset)
	if s.PolicyOf("node1") != policy.Reset || s.PolicyOf("node2") != policy.Drop {
		t.Errorf("node1 has %s, node2 has %s", s.PolicyOf("node1"), s.PolicyOf("node2"))
	}
	s.SetMetadata("node1", false)
	s.SetMetadata("node1", false)
	if s.HasMetadata("node1") || !s.HasMetadata("node2") || len(s.NoMetadata) != 1 {
		t.Errorf("after stopping node1's twice: none on %v", s.NoMetadata)
	}
	s.SetMetadata("node1", true)
	if !s.HasMetadata("node1") {
		t.Errorf("after starting node1's: none on %v", s.NoMetadata)
	}
}

func TestFaultString(t *testing.T) {
	for want, fault := range map[string]Fault{
		"dns": {Name: "dns"}, "kubeproxy node1": {Name: "kubeproxy", Node: "node1"},
		"vxlan node1 node2": {Name: "vxlan", Node: "node1", Peer: "node2"},
	} {
		if got := fault.String(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
