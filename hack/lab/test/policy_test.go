//go:build lab

// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package labtest

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/netladder/netladder/hack/lab/internal/cgroup"
	"github.com/netladder/netladder/hack/lab/internal/layout"
)

// The ports of the servers in policy.yaml.
const (
	serverTCP   = ":3306"
	serverUDP   = ":5353"
	serverAdmin = ":9000"
)

// denyEgress keeps the strangers from beginning anything; allowStranger admits them to the servers.
const (
	denyEgress = `{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny-egress", "namespace": "guarded"},
		"spec": {"podSelector": {"matchLabels": {"app": "stranger"}}, "policyTypes": ["Egress"]}}`
	allowStranger = `{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "allow-stranger", "namespace": "guarded"},
		"spec": {"podSelector": {"matchLabels": {"app": "server"}}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "stranger"}}}]}]}}`
	denyMetadata = `{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "deny-metadata", "namespace": "guarded"},
		"spec": {"podSelector": {"matchLabels": {"app": "stranger"}}, "policyTypes": ["Egress"],
			"egress": [{"to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": ["169.254.169.254/32"]}}]}]}}`
)

func policyTreatments(_ *testing.T, l *lab) {
	l.must("kubectl", "apply", "-f", "policy.yaml")
	for _, app := range []string{"server", "friend", "stranger"} {
		l.must("kubectl", "-n", "guarded", "rollout", "status", "daemonset/"+app, "--timeout=60s")
	}
	if status := l.must("status"); strings.Count(status, " drop ") != len(nodes) {
		l.t.Errorf("status does not show that all nodes drop:\n%s", status)
	}
	sameNode, crossNode := l.guardedIP("server", "node1"), l.guardedIP("server", "node2")
	stranger := l.guardedIP("stranger", "node1")
	gateway, vtep := l.podCIDR("node1").Addr().Next().String(), l.podCIDR("node2").Addr().String()
	for _, step := range []struct{ treatment, tcpSameNode, tcpCrossNode, udpCrossNode string }{
		{"drop", "timeout", "timeout", "timeout"},
		{"icmp", "rejected icmp=3/3 from=" + gateway, "rejected icmp=3/3 from=" + vtep, "rejected icmp=3/3 from=" + vtep},
		{"reset", "refused", "refused", "rejected icmp=3/13 from=" + vtep},
		{"drop", "timeout", "timeout", "timeout"},
		{"off", "connected", "connected", "answered"}, // last, for what passes is remembered by conntrack
	} {
		l.must("policy", step.treatment, "all")
		l.wantDial("stranger", "node1", "tcp", sameNode+serverTCP, step.tcpSameNode)
		l.wantDial("stranger", "node1", "tcp", crossNode+serverTCP, step.tcpCrossNode)
		l.wantDial("stranger", "node1", "udp", crossNode+serverUDP, step.udpCrossNode)
		if entries := l.must("exec", "node2", "--", "conntrack", "-L", "--src", stranger, "--dst", crossNode); step.treatment != "off" && entries != "" {
			l.t.Errorf("%s: denied flows have entries in conntrack:\n%s", step.treatment, entries)
		}
		l.wantDial("friend", "node1", "tcp", sameNode+serverTCP, "connected")
		l.wantDial("friend", "node1", "tcp", crossNode+serverTCP, "connected")
		l.wantDial("friend", "node1", "udp", crossNode+serverUDP, "answered")
	}
	l.must("policy", "drop", "all")
}

// policyOfEachNode: ingress is the target's node's business and egress the source's, and nobody else's.
func policyOfEachNode(_ *testing.T, l *lab) {
	server1, server2 := l.guardedIP("server", "node1")+serverTCP, l.guardedIP("server", "node2")+serverTCP
	l.must("policy", "off", "node2")
	l.wantDial("stranger", "node1", "tcp", server2, "connected")
	l.wantDial("stranger", "node2", "tcp", server1, "timeout")

	// The pods of web, in another namespace, admit everybody.
	web1, web2 := l.podIP("node1"), l.podIP("node2")
	l.apply(denyEgress)
	l.eventually(10*time.Second, func() error {
		if got := l.dial("stranger", "node1", "tcp", web2); got != "timeout" {
			return fmt.Errorf("with all egress denied: %s", got)
		}
		return nil
	})
	l.wantDial("stranger", "node2", "tcp", web1, "connected")
	l.wantDial("friend", "node1", "tcp", web2, "connected")
	l.must("policy", "drop", "node2")
	l.wantDial("stranger", "node2", "tcp", web1, "timeout")
	l.must("kubectl", "-n", "guarded", "delete", "networkpolicy", "deny-egress")
}

func policySparesTheNode(_ *testing.T, l *lab) {
	server := l.guardedIP("server", "node1") + serverTCP
	for node, want := range map[string]string{"node1": "connected", "node2": "timeout"} {
		if got := l.must("exec", node, "--", l.podtool(), "dial", "tcp", server); got != want {
			l.t.Errorf("from %s itself to a guarded pod of node1: %s, want %s", node, got, want)
		}
	}
	if logs := l.must("kubectl", "-n", "kube-system", "logs", "deployment/coredns", "--tail=1"); logs == "" {
		l.t.Error("no logs come back")
	}
}

// policyChange begins attempts until one shows the change: those that begin two seconds after it must.
func policyChange(_ *testing.T, l *lab) {
	l.must("policy", "reset", "all") // a quick no
	server := l.guardedIP("server", "node2") + serverTCP
	l.wantDial("stranger", "node1", "tcp", server, "refused")
	shows := func(want string) {
		l.t.Helper()
		changed := time.Now()
		for {
			began := time.Since(changed)
			got := l.dial("stranger", "node1", "tcp", server)
			if got == want {
				l.t.Logf("%s %s after the change", got, time.Since(changed).Round(10*time.Millisecond))
				return
			}
			if began > 2*time.Second {
				l.t.Fatalf("%s after the change: %s, want %s", began, got, want)
			}
		}
	}
	l.apply(allowStranger)
	shows("connected")
	l.must("kubectl", "-n", "guarded", "delete", "networkpolicy", "allow-stranger")
	shows("refused")
	l.must("policy", "off", "node2")
	l.wantDial("stranger", "node1", "tcp", server, "connected")
	l.must("policy", "drop", "all")
	l.wantDial("stranger", "node1", "tcp", server, "timeout")
}

// policyAgentEnds: without its agent a node lets everything pass; `up` brings it back.
func policyAgentEnds(_ *testing.T, l *lab) {
	server := l.guardedIP("server", "node2") + serverTCP
	agent := layout.Lab{Name: l.name}.DaemonCgroup("node2", "policy-agent")
	if err := cgroup.Kill(l.t.Context(), agent); err != nil {
		l.t.Fatal(err)
	}
	l.wantDial("stranger", "node1", "tcp", server, "connected")
	l.must("up")
	l.wantDial("stranger", "node1", "tcp", server, "timeout")
}

func metadata(_ *testing.T, l *lab) {
	const address = "169.254.169.254:80"
	for _, node := range nodes {
		got := l.must("kubectl", "-n", "guarded", "exec", l.guarded("friend", node), "--", "/podtool", "get", "http://"+address+"/latest/meta-data/hostname")
		if got != node {
			l.t.Errorf("the metadata server of %s says it is %q", node, got)
		}
	}
	l.apply(denyMetadata)
	l.eventually(10*time.Second, func() error {
		if got := l.dial("stranger", "node1", "tcp", address); got != "timeout" {
			return fmt.Errorf("with egress to it denied: %s", got)
		}
		return nil
	})
	l.wantDial("stranger", "node1", "tcp", l.podIP("node1"), "connected")
	l.must("metadata", "stop", "node1")
	l.must("up") // repairs what is broken, not what was stopped on purpose
	l.wantDial("friend", "node1", "tcp", address, "refused")
	l.wantDial("friend", "node2", "tcp", address, "connected")
	l.wantDial("stranger", "node1", "tcp", address, "timeout")
	if got := l.must("exec", "node1", "--", l.podtool(), "dial", "tcp", address); got != "refused" {
		l.t.Errorf("from the node itself to its stopped metadata server: %s, want refused", got)
	}
	l.must("metadata", "start", "all")
	l.wantDial("friend", "node1", "tcp", address, "connected")
	l.must("kubectl", "-n", "guarded", "delete", "networkpolicy", "deny-metadata")
}

func policyAfterPowerOff(_ *testing.T, l *lab) {
	l.must("policy", "reset", "node3")
	l.must("metadata", "stop", "node3")
	l.must("stop", "node3")
	l.must("start", "node3")
	l.settled()
	l.must("kubectl", "-n", "guarded", "wait", "pod", "--all", "--for=condition=Ready", "--timeout=60s")
	l.eventually(30*time.Second, func() error {
		// The pod's address in the API is the old one for a moment, and nothing answers there.
		if got := l.dial("stranger", "node1", "tcp", l.guardedIP("server", "node3")+serverTCP); got != "refused" {
			return fmt.Errorf("to a guarded pod of node3: %s, want refused", got)
		}
		return nil
	})
	l.wantDial("friend", "node3", "tcp", "169.254.169.254:80", "refused")
	l.must("metadata", "start", "node3")
	l.must("policy", "drop", "all")
}

// testApplication: the application's listeners are what they are told to be, and it notices who breaks off.
func testApplication(_ *testing.T, l *lab) {
	pod, ip := l.guarded("server", "node2"), l.guardedIP("server", "node2")
	admin := func(method, path string) string {
		return l.must("kubectl", "-n", "guarded", "exec", pod, "--", "/podtool", method, "http://127.0.0.1"+serverAdmin+path)
	}
	for _, step := range []struct{ address, want string }{
		{"127.0.0.1:7000", "refused"}, {ip + ":7000", "connected"}, {"0.0.0.0:7000", "connected"}, {"[::]:7000", "connected"},
		{"[::]:7000&v6only=true", "refused"},
	} {
		l.wantDial("friend", "node1", "tcp", ip+":7000", "refused")
		admin("post", "/listen?proto=tcp&addr="+step.address)
		if got := l.dial("friend", "node1", "tcp", ip+":7000"); got != step.want {
			l.t.Errorf("with a listener at %s: %s, want %s", step.address, got, step.want)
		}
		admin("post", "/close?proto=tcp&addr="+step.address)
	}
	count := func() (interrupted int) {
		var counters struct{ Interrupted int }
		if err := json.Unmarshal([]byte(admin("get", "/counters")), &counters); err != nil {
			l.t.Fatal(err)
		}
		return counters.Interrupted
	}
	before := count()
	l.wantDial("friend", "node1", "tcp", ip+serverTCP, "connected")
	l.eventually(10*time.Second, func() error {
		if got := count(); got != before+1 {
			return fmt.Errorf("%d interrupted handshakes, want %d", got, before+1)
		}
		return nil
	})
	admin("post", "/health?status=503")
	if _, err := l.run("exec", "node2", "--", l.podtool(), "get", "http://"+ip+":8080/health"); err == nil || !strings.Contains(err.Error(), "503") {
		l.t.Errorf("told to be unhealthy, it answers: %v", err)
	}
	admin("post", "/health?status=200")
}

// guarded is the pod of an app of policy.yaml on a node.
func (l *lab) guarded(app, node string) string {
	l.t.Helper()
	return l.must("kubectl", "-n", "guarded", "get", "pods", "-l", "app="+app, "--field-selector", "spec.nodeName="+node, "-o", "name")
}

func (l *lab) guardedIP(app, node string) string {
	l.t.Helper()
	return l.must("kubectl", "-n", "guarded", "get", l.guarded(app, node), "-o", "jsonpath={.status.podIP}")
}

func (l *lab) podCIDR(node string) netip.Prefix {
	l.t.Helper()
	cidr, err := netip.ParsePrefix(l.must("kubectl", "get", "node", node, "-o", "jsonpath={.spec.podCIDR}"))
	if err != nil {
		l.t.Fatal(err)
	}
	return cidr
}

// dial says what becomes of one attempt out of a guarded pod.
func (l *lab) dial(app, node, protocol, address string) string {
	l.t.Helper()
	return l.must("kubectl", "-n", "guarded", "exec", l.guarded(app, node), "--", "/podtool", "dial", protocol, address)
}

func (l *lab) wantDial(app, node, protocol, address, want string) {
	l.t.Helper()
	if got := l.dial(app, node, protocol, address); got != want {
		l.t.Errorf("from the %s on %s, %s to %s: %s, want %s", app, node, protocol, address, got, want)
	}
}

func (l *lab) apply(manifest string) {
	l.t.Helper()
	cmd := l.command(l.t.Context(), "kubectl", "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		l.t.Fatalf("applying a policy: %v\n%s", err, out)
	}
}
