package fault

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var (
	node1 = Place{Node: "node1", IP: "172.30.0.11"}
	node2 = Place{Node: "node2", IP: "172.30.0.12"}
)

func TestBreakScript(t *testing.T) {
	for name, test := range map[string]struct {
		fault string
		site  Site
	}{
		"vxlan-own":       {"vxlan", Site{Node: "node1", Broken: node1}},
		"vxlan-other":     {"vxlan", Site{Node: "node3", Broken: node1}},
		"vxlan-pair-own":  {"vxlan", Site{Node: "node1", Broken: node1, Peer: node2}},
		"vxlan-pair-peer": {"vxlan", Site{Node: "node2", Broken: node1, Peer: node2}},
		"vxlan-pair-else": {"vxlan", Site{Node: "node3", Broken: node1, Peer: node2}},
		"dns":             {"dns", Site{Node: "node1"}},
		"kubeproxy":       {"kubeproxy", Site{Node: "node1", Broken: node1}},
		"vxlan-oneway":    {"vxlan-oneway", Site{Node: "node2", Broken: node1, Peer: node2}},
		"oneway-own":      {"vxlan-oneway", Site{Node: "node1", Broken: node1, Peer: node2}},
		"ipip":            {"ipip", Site{Node: "node2", Broken: node1, Peer: node2}},
		"mtu-own":         {"mtu", Site{Node: "node1", Broken: node1}},
		"mtu-other":       {"mtu", Site{Node: "node2", Broken: node1}},
		"pmtu-own":        {"pmtu", Site{Node: "node1", Broken: node1}},
		"pmtu-other":      {"pmtu", Site{Node: "node2", Broken: node1}},
		"coredns-one":     {"coredns-one", Site{Node: "node1", Broken: node1}},
		"service":         {"kubeproxy-service", Site{Node: "node1", Broken: node1, Object: Object{Name: "shop/web", IP: "10.96.1.2"}}},
		"apiserver":       {"apiserver", Site{Node: "node1", Broken: node1}},
	} {
		t.Run(name, func(t *testing.T) {
			kind, err := Find(test.fault)
			if err != nil {
				t.Fatal(err)
			}
			got := kind.BreakScript(test.site)
			golden := filepath.Join("testdata", name+".nft")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("script:\n%s\nwant:\n%s", got, want)
			}
		})
	}
}

// A fault must be undone by deleting what it made, and two faults of one kind must not share a table.
func TestHealScriptNamesTheSameTable(t *testing.T) {
	for _, kind := range Table() {
		if kind.Chains == nil {
			continue
		}
		one := Site{Node: "node1", Broken: node1, Peer: node2, Object: Object{Name: "shop/web", IP: "10.96.1.2"}}
		other := Site{Node: "node1", Broken: node2, Object: Object{Name: "shop/web", IP: "10.96.1.2"}}
		if heal := kind.HealScript(one); !strings.Contains(kind.BreakScript(one), heal) {
			t.Errorf("%s: breaking does not start with healing %q", kind.Name, heal)
		}
		if kind.HealScript(one) == kind.HealScript(other) {
			t.Errorf("%s: faults of two nodes share a table", kind.Name)
		}
	}
}

func TestCheckArguments(t *testing.T) {
	for _, test := range []struct {
		fault, node, third string
		want               string // in the error; empty: none
	}{
		{"vxlan", "node1", "", ""},
		{"vxlan", "node1", "node2", ""},
		{"vxlan", "", "", "vxlan NODE [PEER]"},
		{"vxlan", "node1", "node1", "its own peer"},
		{"dns", "", "", ""},
		{"dns", "node1", "", "takes no node"},
		{"kubeproxy", "node1", "", ""},
		{"kubeproxy", "node1", "node2", "no more than a node"},
		{"fdb", "node1", "node2", ""},
		{"fdb", "node1", "", "fdb NODE PEER"},
		{"fdb", "node1", "node1", "its own peer"},
		{"podroute", "node1", "shop/web-1", ""},
		{"podroute", "node1", "", "podroute NODE NAMESPACE/POD"},
		{"podroute", "node1", "web", "NAMESPACE/NAME"},
		{"kubeproxy-service", "node1", "shop/web; drop", "NAMESPACE/NAME"},
	} {
		kind, err := Find(test.fault)
		if err != nil {
			t.Fatal(err)
		}
		err = kind.CheckArguments(test.node, test.third)
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s %s %s: error %v, want %q", test.fault, test.node, test.third, err, test.want)
		}
	}
}

// The third word of a fault is a node or an object, and something must come of every fault.
func TestTable(t *testing.T) {
	for _, kind := range Table() {
		if kind.Chains == nil && kind.Wiring == "" && kind.Stops == "" {
			t.Errorf("%s does nothing", kind.Name)
		}
		if (kind.Object != "") != (kind.Target == NodeObject) {
			t.Errorf("%s: object %q with target %s", kind.Name, kind.Object, kind.Target)
		}
	}
}

func TestFindNamesTheFaultsThereAre(t *testing.T) {
	_, err := Find("gremlins")
	if err == nil {
		t.Fatal("found a fault that is not there")
	}
	for _, kind := range Table() {
		if !strings.Contains(err.Error(), kind.Name) {
			t.Errorf("error %q does not name %s", err, kind.Name)
		}
	}
}
