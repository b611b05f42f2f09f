// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/probe"
	"github.com/netladder/netladder/test/netns"
)

const (
	frontUID = "11111111-1111-4111-8111-111111111111"
	dbUID    = "22222222-2222-4222-8222-222222222222"
	goneUID  = "33333333-3333-4333-8333-333333333333"
)

// node is the /proc of a node: real processes in real network namespaces, that
// are shown to be in the cgroups of pods.
type node struct {
	proc string
}

// newNode makes one whose own network namespace is host.
func newNode(t testing.TB, host *netns.NS) *node {
	t.Helper()
	n := &node{proc: t.TempDir()}
	n.show(t, 1, "/run/netns/"+host.Name, "0::/init.scope\n")
	return n
}

// show makes a process visible, as far as the prober looks.
func (n *node) show(t testing.TB, pid int, ns, cgroup string) {
	t.Helper()
	dir := filepath.Join(n.proc, fmt.Sprint(pid))
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "ns"), 0o755)
	}
	if err == nil {
		err = os.Symlink(ns, filepath.Join(dir, "ns/net"))
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "stat"), stat, 0o600)
	}
	if err == nil { // the last: from now on it counts
		err = os.WriteFile(filepath.Join(dir, "cgroup"), []byte(cgroup), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// start runs a process of a pod and returns what ends it.
func (n *node) start(t testing.TB, uid string, ns *netns.NS) (stop func()) {
	t.Helper()
	cmd := exec.Command("ip", "netns", "exec", ns.Name, "cat")
	stdin, err := cmd.StdinPipe() // it ends when we do
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	inside := func() bool {
		got, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", pid))
		want, wantErr := os.Stat("/run/netns/" + ns.Name)
		return err == nil && wantErr == nil && os.SameFile(got, want)
	}
	for deadline := time.Now().Add(time.Minute); !inside(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the process does not enter its namespace")
		}
	}
	n.show(t, pid, fmt.Sprintf("/proc/%d/ns/net", pid),
		"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"+strings.ReplaceAll(uid, "-", "_")+".slice/cri-containerd-0.scope\n")
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		_ = os.RemoveAll(filepath.Join(n.proc, fmt.Sprint(pid)))
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	}
	t.Cleanup(stop)
	return stop
}

// serve accepts connections on an address of a namespace.
func serve(t testing.TB, ns *netns.NS, addr string) {
	t.Helper()
	var l net.Listener
	var err error
	ns.Do(t, func() { l, err = net.Listen("tcp4", addr) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_ = c.Close()
		}
	}()
}

// podSpec has a path of the frontend that must work (to port 8080), one that
// must not (to 5432), what proves that one, and the node's own paths.
func podSpec() v1alpha1.ProbeAssignmentSpec {
	second, half := metav1.Duration{Duration: time.Second}, metav1.Duration{Duration: 500 * time.Millisecond}
	group := func(path string, kind v1alpha1.ProbeKind, g v1alpha1.ProbeGroup) v1alpha1.ProbeGroup {
		g.Key, g.Kind, g.Hash = "shop/orders/"+path+"/"+string(kind), kind, "a-1"
		g.Interval, g.Timeout, g.FailureThreshold, g.SuccessThreshold = second, half, 1, 1
		return g
	}
	target := netns.TargetV4.String()
	return v1alpha1.ProbeAssignmentSpec{
		Pods: []v1alpha1.AssignedPod{
			{UID: frontUID, Namespace: "shop", Name: "front", IPs: []string{netns.SourceV4.String()}},
			{UID: dbUID, Namespace: "shop", Name: "db", IPs: []string{target}},
			{UID: goneUID, Namespace: "shop", Name: "gone", IPs: []string{"10.77.1.77"}},
			{UID: "sandboxed", Namespace: "shop", Name: "kata", IPs: []string{"10.77.1.78"}, Sandboxed: true},
		},
		Targets: []v1alpha1.AssignedTarget{
			{IP: target, Port: 8080, UID: dbUID}, {IP: target, Port: 5432, UID: dbUID}, {IP: target},
		},
		Groups: []v1alpha1.ProbeGroup{
			group("web", v1alpha1.ProbeTCP, v1alpha1.ProbeGroup{From: v1alpha1.SourcePods, Sources: []int32{0}, Members: []int32{0}}),
			group("db", v1alpha1.ProbeTCPHalfOpen, v1alpha1.ProbeGroup{
				From: v1alpha1.SourcePods, Sources: []int32{0}, Members: []int32{1}, Expect: v1alpha1.ExpectDeny,
			}),
			group("db", v1alpha1.ProbeListener, v1alpha1.ProbeGroup{Members: []int32{1}}),
			group("control", v1alpha1.ProbeHostControl, v1alpha1.ProbeGroup{From: v1alpha1.SourceHost, Members: []int32{0, 2}}),
			group("node", v1alpha1.ProbeICMP, v1alpha1.ProbeGroup{From: v1alpha1.SourceHost, Members: []int32{2}}),
			group("gone", v1alpha1.ProbeTCP, v1alpha1.ProbeGroup{From: v1alpha1.SourcePods, Sources: []int32{2, 3}, Members: []int32{0}}),
		},
	}
}

// states are the counts of each group by the rest of its key.
func states(s v1alpha1.ProbeAssignmentStatus) map[string]v1alpha1.PairCounts {
	m := map[string]v1alpha1.PairCounts{}
	for _, g := range s.Groups {
		m[strings.TrimPrefix(g.Key, "shop/orders/")] = g.Pairs
	}
	return m
}

func are(want map[string]v1alpha1.PairCounts) func(v1alpha1.ProbeAssignmentStatus) bool {
	return func(s v1alpha1.ProbeAssignmentStatus) bool { return cmp.Equal(want, states(s)) }
}

// told is what a report says of the only pair of a group that does not pass.
func told(t *testing.T, s v1alpha1.ProbeAssignmentStatus, group string) v1alpha1.PairStatus {
	t.Helper()
	for _, p := range s.NotPassing {
		if p.Group == "shop/orders/"+group {
			return p
		}
	}
	t.Errorf("nothing of %s in %+v", group, s.NotPassing)
	return v1alpha1.PairStatus{}
}

// Allow and Deny from a real workload, and what proves the Deny.
func TestProbesFromPods(t *testing.T) {
	topo := netns.NewTopology(t)
	node := newNode(t, topo.Router)
	node.start(t, frontUID, topo.Source)
	endDB := node.start(t, dbUID, topo.Target)
	serve(t, topo.Target, netns.TargetV4.String()+":8080")
	drop := func(op string) {
		topo.Router.Run(t, "iptables", op, "FORWARD", "-p", "tcp", "--dport", "5432", "-j", "DROP")
	}
	drop("-A")

	api := newFakeAPI(t)
	api.set(func(a *v1alpha1.ProbeAssignment) *v1alpha1.ProbeAssignment {
		a.Spec = podSpec()
		return a
	})
	startProber(t, Options{
		Config: api.config(), Probes: probe.Kinds(), Level: v1alpha1.LevelFull, ProcRoot: node.proc,
		ReportMinInterval: 100 * time.Millisecond,
	})

	pass, fail := v1alpha1.PairCounts{Passing: 1}, v1alpha1.PairCounts{Failing: 1}
	want := map[string]v1alpha1.PairCounts{
		"web/TCP": pass, "db/TCPHalfOpen": pass, "db/Listener": fail,
		"control/HostControl": {Passing: 2}, "node/ICMP": pass, "gone/TCP": {Unknown: 2},
	}
	s := api.await(t, "a Deny without a listener", are(want))
	if p := told(t, s, "db/Listener"); p.Verdict != v1alpha1.VerdictNotListening || p.Target != netns.TargetV4.String()+":5432" {
		t.Errorf("no listener: %+v", p)
	}
	for _, p := range s.NotPassing {
		switch uid, _, _ := strings.Cut(p.Target, ">"); uid {
		case goneUID:
			if p.Verdict != v1alpha1.VerdictLocalError || p.Reason != v1alpha1.ReasonProbeFailed || p.Evidence == "" {
				t.Errorf("a pod that is not here: %+v", p)
			}
		case "sandboxed":
			if p.Verdict != v1alpha1.VerdictUnsupported || p.Reason != v1alpha1.ReasonSandboxedRuntime || p.Evidence == "" {
				t.Errorf("a sandboxed pod: %+v", p)
			}
		}
	}

	serve(t, topo.Target, "0.0.0.0:5432")
	want["db/Listener"] = pass
	api.await(t, "a proven Deny", are(want))

	// The policy is gone: the path is open, and that is a failure at once.
	drop("-D")
	want["db/TCPHalfOpen"] = fail
	s = api.await(t, "an open path", are(want))
	if p := told(t, s, "db/TCPHalfOpen"); p.Verdict != v1alpha1.VerdictConnected || p.Target != frontUID+">"+netns.TargetV4.String()+":5432" {
		t.Errorf("an open path: %+v", p)
	}

	// It is there again, and by another name.
	topo.Router.Run(t, "iptables", "-A", "FORWARD", "-p", "tcp", "--dport", "5432", "-j", "REJECT", "--reject-with", "icmp-admin-prohibited")
	want["db/TCPHalfOpen"] = pass
	api.await(t, "a path that is closed again", are(want))

	// The target's pod is gone: nothing is said of its listeners any more.
	endDB()
	want["db/Listener"] = v1alpha1.PairCounts{Unknown: 1}
	s = api.await(t, "no pod to look into", are(want))
	if p := told(t, s, "db/Listener"); p.Reason != v1alpha1.ReasonProbeFailed {
		t.Errorf("no pod to look into: %+v", p)
	}
}

// At level Restricted nothing of it can be said, and the report says why.
func TestRestrictedSaysWhatItCannot(t *testing.T) {
	api := newFakeAPI(t)
	api.set(func(a *v1alpha1.ProbeAssignment) *v1alpha1.ProbeAssignment {
		a.Spec = podSpec()
		a.Spec.Groups = append(a.Spec.Groups, a.Spec.Groups[0])
		a.Spec.Groups[6].Key, a.Spec.Groups[6].From = "shop/orders/space/TCP", "Satellite"
		return a
	})
	startProber(t, Options{Config: api.config(), Probes: probe.Kinds(), ReportMinInterval: 100 * time.Millisecond})
	one := v1alpha1.PairCounts{Unknown: 1}
	s := api.await(t, "all of it", are(map[string]v1alpha1.PairCounts{
		"web/TCP": one, "db/TCPHalfOpen": one, "db/Listener": one, "control/HostControl": {Unknown: 2}, "node/ICMP": one,
		"gone/TCP": {Unknown: 2}, "space/TCP": one,
	}))
	for _, p := range s.NotPassing {
		want := "--level=Full"
		if p.Group == "shop/orders/space/TCP" {
			want = "upgrade"
		}
		if p.Verdict != v1alpha1.VerdictUnsupported || p.Reason != v1alpha1.ReasonUnsupported || !strings.Contains(p.Evidence, want) {
			t.Errorf("%+v", p)
		}
	}
}
