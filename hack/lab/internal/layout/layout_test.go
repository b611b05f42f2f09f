package layout

import (
	"strings"
	"testing"
)

func TestNew(t *testing.T) {
	for name, valid := range map[string]bool{"nl": true, "a": true, "lab2": true, "": false, "a-b": false, "2x": false, "Up": false, "../x": false, "abcdefghijk": false} {
		if _, err := New(name); (err == nil) != valid {
			t.Errorf("New(%q): error %v, want valid %v", name, err, valid)
		}
	}
}

func TestNodeIP(t *testing.T) {
	seen := map[string]string{Gateway: "gateway", ControlPlaneIP: "control plane"}
	macs := map[string]bool{}
	for _, node := range NodeNames(MaxNodes) {
		ip, err := NodeIP(node)
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := seen[ip.String()]; taken {
			t.Errorf("%s has the address of %s: %s", node, other, ip)
		}
		seen[ip.String()] = node
		mac := VTEPMAC(ip)
		if mac[0]&1 != 0 || mac[0]&2 == 0 || macs[mac.String()] {
			t.Errorf("%s: MAC %s is not a locally administered unicast address of its own", node, mac)
		}
		macs[mac.String()] = true
	}
	for _, node := range []string{"node0", "node01", "node201", "node", "control-plane", "node-1", ""} {
		if ip, err := NodeIP(node); err == nil {
			t.Errorf("NodeIP(%q) = %s, want an error", node, ip)
		}
	}
}

func TestNamesOfTwoLabsDoNotMeet(t *testing.T) {
	one, other := Lab{Name: "nl"}, Lab{Name: "nl2"}
	if strings.HasPrefix(other.NetnsLink(Switch), NetnsLinks+"/"+one.NetnsPrefix()) {
		t.Errorf("%s looks as if it were of lab %s", other.NetnsLink(Switch), one.Name)
	}
	if one.Cgroup() != "/netladder-lab-nl" || one.DaemonCgroup("node1", "kubelet") != "/netladder-lab-nl/node1/daemons/kubelet" {
		t.Errorf("cgroups %s, %s", one.Cgroup(), one.DaemonCgroup("node1", "kubelet"))
	}
}
