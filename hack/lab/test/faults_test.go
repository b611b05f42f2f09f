//go:build lab

package labtest

import (
	"strings"
	"testing"
	"time"
)

// oneWay breaks what node1 has or sends for node2 in four ways, which all look alike to pods.
func oneWay(t *testing.T, l *lab) {
	for _, name := range []string{"vxlan-oneway", "fdb", "route", "neighbour"} {
		fault := []string{name, "node1", "node2"}
		l.must(append([]string{"break"}, fault...)...)
		l.must(append([]string{"break"}, fault...)...) // again: no mistake
		l.wantFailure("node1", l.podIP("node2"))
		l.wantSuccess("node1", l.podIP("node3"))
		l.wantSuccess("node3", l.podIP("node2"))
		if name == "fdb" {
			l.must("up") // repairs what is broken, not what is broken on purpose
			l.wantFailure("node1", l.podIP("node2"))
		}
		l.must(append([]string{"heal"}, fault...)...)
		l.must(append([]string{"heal"}, fault...)...)
		if err := l.get("node1", l.podIP("node2")); err != nil {
			t.Errorf("%s is healed: %v", name, err)
		}
	}
}

func smallMTU(t *testing.T, l *lab) {
	large := func(node string) string {
		out, _ := l.run("exec", node, "--", "sh", "-c", "ping -M do -c 2 -i 0.3 -W 1 -s 1472 172.30.0.12 2>&1 || true")
		return out
	}
	l.must("break", "mtu", "node2")
	l.wantSuccess("node1", l.podIP("node2"))
	if out := large("node1"); !strings.Contains(out, "100% packet loss") || strings.Contains(out, "mtu") {
		t.Errorf("large packets are not lost in silence:\n%s", out)
	}
	if out := large("node2"); strings.Contains(out, "packet loss") && !strings.Contains(out, " 0% packet loss") {
		t.Errorf("to itself:\n%s", out)
	}
	l.must("heal", "mtu", "node2")
	l.must("break", "pmtu", "node2")
	l.wantSuccess("node1", l.podIP("node2"))
	if out := large("node3"); !strings.Contains(out, "100% packet loss") || !strings.Contains(out, "mtu") {
		t.Errorf("the router does not say that packets are too large:\n%s", out)
	}
	l.must("heal", "pmtu", "node2")
	if out := large("node3"); !strings.Contains(out, " 0% packet loss") {
		t.Errorf("healed:\n%s", out)
	}
}

func linkDown(_ *testing.T, l *lab) {
	address := l.podIP("node3")
	l.must("break", "underlay", "node3")
	l.wantFailure("node1", address)
	if _, err := l.run("start", "node3"); err == nil || !strings.Contains(err.Error(), "heal it first") {
		l.t.Errorf("starting a node without a link: %v", err)
	}
	l.must("heal", "underlay", "node3")
	l.eventually(30*time.Second, func() error { return l.get("node1", address) })
}

func oneReplica(t *testing.T, l *lab) {
	servers := strings.Fields(l.must("kubectl", "-n", "kube-system", "get", "pods", "-l", "k8s-app=kube-dns", "-o",
		`jsonpath={range .items[*]}{.spec.nodeName}={.status.podIP}{"\n"}{end}`))
	l.must("break", "coredns-one", "node1")
	for _, server := range servers {
		node, ip, _ := strings.Cut(server, "=")
		out := l.must("kubectl", "exec", l.pod("node2"), "--", "/podtool", "dial", "--timeout", "1s", "tcp", ip+":53")
		if broken := !strings.Contains(out, "connected"); broken != (node == "node1") {
			t.Errorf("the replica on %s: %s", node, out)
		}
	}
	l.must("heal", "coredns-one", "node1")
}

func oneService(_ *testing.T, l *lab) {
	service := l.must("kubectl", "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}") + ":80"
	l.must("break", "kubeproxy-service", "node1", "default/web")
	l.wantFailure("node1", service)
	l.wantSuccess("node2", service)
	l.wantSuccess("node1", l.podIP("node3"))
	l.must("heal", "kubeproxy-service", "node1", "default/web")
	l.wantSuccess("node1", service)
	if _, err := l.run("break", "kubeproxy-service", "node1", "default/nobody"); err == nil {
		l.t.Error("broke a Service that is not there")
	}
}

func podRoute(t *testing.T, l *lab) {
	address, pod := l.podIP("node1"), "default/"+strings.TrimPrefix(l.pod("node1"), "pod/")
	if _, err := l.run("break", "podroute", "node2", pod); err == nil {
		t.Error("took the route to a pod on another node")
	}
	l.must("break", "podroute", "node1", pod)
	l.must("break", "podroute", "node1", pod)
	l.wantFailure("node2", address)
	l.wantSuccess("node2", l.podIP("node3"))
	l.must("heal")
	l.wantSuccess("node2", address)
	if status := l.must("status"); !strings.Contains(status, "faults: none") {
		t.Errorf("a fault was recorded that could not be made:\n%s", status)
	}
}

func apiServerFromNode(t *testing.T, l *lab) {
	dial := func(node string) string {
		return l.must("kubectl", "exec", l.pod(node), "--", "/podtool", "dial", "--timeout", "1s", "tcp", "10.96.0.1:443")
	}
	l.must("break", "apiserver", "node2")
	if got := dial("node2"); got != "timeout" {
		t.Errorf("from node2: %s", got)
	}
	if got := dial("node1"); got != "connected" {
		t.Errorf("from node1: %s", got)
	}
	l.must("heal", "apiserver", "node2")
	if got := dial("node2"); got != "connected" {
		t.Errorf("healed: %s", got)
	}
}
