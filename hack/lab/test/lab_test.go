//go:build lab

// Package labtest runs the lab for real: as root, in about five minutes, with the components in the cache.
//
//	go test -tags lab -v ./test
package labtest

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLab goes through a lab's life; each step needs the one before.
func TestLab(t *testing.T) {
	l := newLab(t)
	before := takeSnapshot(t, labName)
	l.must("up")
	l.must("up") // again: nothing to do
	l.must("kubectl", "apply", "-f", "pods.yaml")
	l.must("kubectl", "rollout", "status", "daemonset/web", "--timeout=60s")

	for _, step := range []struct {
		name string
		run  func(*testing.T, *lab)
	}{
		{"every pod reaches every pod", meshWorks},
		{"limits reach the cgroup", limitsReachTheCgroup},
		{"policy: denied packets are dropped, rejected, reset or let through", policyTreatments},
		{"policy: each node decides for its own pods", policyOfEachNode},
		{"policy: a node reaches its own pods, and only them", policySparesTheNode},
		{"policy: a change acts at once", policyChange},
		{"policy: without its agent", policyAgentEnds},
		{"metadata", metadata},
		{"policy and metadata outlive a power-off", policyAfterPowerOff},
		{"test application", testApplication},
		{"vxlan between two nodes", vxlanPair},
		{"vxlan of a node", vxlanNode},
		{"one direction of the overlay", oneWay},
		{"the MTU of the underlay", smallMTU},
		{"a link is down", linkDown},
		{"dns", dns},
		{"one CoreDNS replica", oneReplica},
		{"kube-proxy", kubeProxy},
		{"one Service", oneService},
		{"the route to a pod", podRoute},
		{"the API server from one node", apiServerFromNode},
		{"a node's power", power},
		{"a node is deleted and comes back", deletedNode},
		{"API server", apiServer},
		{"load reaches nodes that start later", loadWhileStopped},
		{"drain", drain},
	} {
		if !t.Run(step.name, func(t *testing.T) { run := *l; run.t = t; step.run(t, &run) }) {
			break
		}
	}
	l.must("down")
	l.must("down")
	l.must("leftovers")
	before.compare(t)
}

// TestKilledInMidUp kills `up` at different moments; `down` must find everything all the same.
func TestKilledInMidUp(t *testing.T) {
	l := newLab(t)
	before := takeSnapshot(t, labName)
	for _, after := range []time.Duration{200, 1500, 2500, 4000, 7000} {
		l.killAfter(after*time.Millisecond, "up")
		l.must("down")
		l.must("leftovers")
		before.compare(t)
	}
}

func meshWorks(t *testing.T, l *lab) {
	if err := mesh(l); err != nil {
		t.Error(err)
	}
}

// mesh fetches from every pod to every pod and to the Service.
func mesh(l *lab) error {
	var errs []error
	for _, from := range nodes {
		for _, to := range nodes {
			errs = append(errs, l.get(from, l.podIP(to)))
		}
		errs = append(errs, l.get(from, "web:80"))
	}
	return errors.Join(errs...)
}

// meshRecovers waits for mesh: kube-proxy learns of new endpoints a moment after the API knows them.
func (l *lab) meshRecovers() {
	l.t.Helper()
	l.settled()
	l.eventually(30*time.Second, func() error { return mesh(l) })
}

func limitsReachTheCgroup(t *testing.T, l *lab) {
	uid := l.must("kubectl", "get", l.pod("node1"), "-o", "jsonpath={.metadata.uid}")
	quota := filepath.Join("/sys/fs/cgroup/cpu/netladder-lab-"+l.name, "node1/pods/kubepods/pod"+uid, "cpu.cfs_quota_us")
	matches, _ := filepath.Glob(strings.Replace(quota, "kubepods/pod", "kubepods/*/pod", 1))
	matches = append(matches, quota)
	content, err := os.ReadFile(matches[0])
	if err != nil || strings.TrimSpace(string(content)) != "1000" {
		t.Errorf("%s: %q, %v; want 1000 µs for 10m", matches[0], content, err)
	}
}

func vxlanPair(_ *testing.T, l *lab) {
	l.must("break", "vxlan", "node1", "node2")
	l.wantFailure("node1", l.podIP("node2"))
	l.wantFailure("node2", l.podIP("node1"))
	l.wantSuccess("node1", l.podIP("node3"))
	l.must("heal", "vxlan", "node1", "node2")
	l.must("heal", "vxlan", "node1", "node2") // again: no mistake
	l.wantSuccess("node1", l.podIP("node2"))
}

func vxlanNode(t *testing.T, l *lab) {
	l.must("break", "vxlan", "node2")
	l.wantFailure("node1", l.podIP("node2"))
	l.wantFailure("node2", l.podIP("node3"))
	l.wantSuccess("node2", l.podIP("node2"))
	l.wantSuccess("node1", l.podIP("node3"))
	// Both outlive a power-off.
	l.must("stop", "node2")
	l.must("start", "node2")
	if status := l.must("status"); !strings.Contains(status, "faults: vxlan node2") {
		t.Errorf("status does not show the fault:\n%s", status)
	}
	l.settled()
	l.wantFailure("node1", l.podIP("node2"))
	l.must("heal")
	l.wantSuccess("node1", l.podIP("node2"))
}

func dns(t *testing.T, l *lab) {
	for _, node := range nodes {
		if err := l.resolve(node, "web.default.svc.cluster.local"); err != nil {
			t.Error(err)
		}
	}
	if err := l.resolve("node1", "example.org."); err == nil || !strings.Contains(err.Error(), "no such host") {
		t.Errorf("a name outside: %v, want a no and not silence", err)
	}
	l.must("break", "dns")
	for _, node := range nodes {
		if err := l.resolve(node, "web.default.svc.cluster.local."); err == nil {
			t.Errorf("%s still resolves names", node)
		}
	}
	l.must("heal", "dns")
	if err := l.resolve("node2", "web.default.svc.cluster.local."); err != nil {
		t.Error(err)
	}
}

func kubeProxy(_ *testing.T, l *lab) {
	service := l.must("kubectl", "get", "service", "web", "-o", "jsonpath={.spec.clusterIP}") + ":80"
	l.must("break", "kubeproxy", "node1")
	l.wantFailure("node1", service)
	l.wantSuccess("node1", l.podIP("node3"))
	l.wantSuccess("node2", service)
	l.must("up") // repairs what is broken, not what is broken on purpose
	l.wantFailure("node1", service)
	l.must("heal", "kubeproxy", "node1")
	l.wantSuccess("node1", service)
}

func power(_ *testing.T, l *lab) {
	address := l.podIP("node3")
	l.must("stop", "node3")
	l.wantFailure("node1", address)
	l.eventually(90*time.Second, func() error {
		if ready := l.ready("node3"); ready == "True" {
			return fmt.Errorf("stopped node3 is still Ready: %s", ready)
		}
		return nil
	})
	l.must("start", "node3")
	l.meshRecovers()
}

func deletedNode(t *testing.T, l *lab) {
	cidr := func() string { return l.must("kubectl", "get", "node", "node2", "-o", "jsonpath={.spec.podCIDR}") }
	old := cidr()
	l.must("stop", "node2")
	l.must("kubectl", "delete", "node", "node2")
	l.must("start", "node2")
	if cidr() == old {
		t.Logf("the node got the same pod CIDR %s again", old)
	}
	l.meshRecovers()
}

func apiServer(t *testing.T, l *lab) {
	address := l.podIP("node3")
	l.must("stop", "apiserver")
	if _, err := l.run("kubectl", "--request-timeout=2s", "get", "nodes"); err == nil {
		t.Error("the API server still answers")
	}
	command := l.must("status")
	if !strings.Contains(command, "kube-scheduler") || strings.Contains(command, "kube-apiserver") {
		t.Errorf("status shows:\n%s", command)
	}
	l.must("start", "apiserver")
	l.wantSuccess("node1", address)
}

func loadWhileStopped(t *testing.T, l *lab) {
	archive := filepath.Join(t.TempDir(), "extra.tar")
	l.buildImage(archive, "example.test/extra:v1")
	l.must("stop", "node2")
	l.must("load", archive)
	l.must("start", "node2")
	for _, node := range nodes {
		images := l.must("exec", node, "--", filepath.Join(filepath.Dir(l.podtool()), "ctr"), "-n", "k8s.io", "images", "ls", "-q")
		if !strings.Contains(images, "example.test/extra:v1") {
			t.Errorf("%s lacks the image; it has:\n%s", node, images)
		}
	}
	l.settled()
}

func drain(_ *testing.T, l *lab) {
	l.must("kubectl", "drain", "node3", "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=60s")
	l.must("kubectl", "uncordon", "node3")
}
