// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Nobody can write a status while the API server is away; the probers go on,
// and what broke meanwhile is told as soon as it is back.
func TestAPIServerOutage(t *testing.T) {
	calm(t)
	pods, err := podsOf(t.Context(), "prober")
	if err != nil {
		t.Fatal(err)
	}
	pod := pods[faultNode]
	t.Cleanup(func() {
		if out, err := tryLab(context.WithoutCancel(t.Context()), "start", "apiserver"); err != nil {
			t.Errorf("start apiserver: %v\n%s", err, out)
		}
	})
	lab(t, "stop", "apiserver")
	before := probesTotal(t, pod)
	pause(t, 45*time.Second)
	// Six paths in cluster-network, each tested once in an interval at least.
	if during, want := probesTotal(t, pod)-before, 0.75*6*float64(45*time.Second/interval); during < want {
		t.Errorf("%.0f good probes in 45 s without an API server, want %.0f", during, want)
	}
	heal := breakNetwork(t, "vxlan", faultNode)
	pause(t, 15*time.Second)
	r := record(t)
	lab(t, "start", "apiserver")
	eventually(t, slack*15*time.Second, "the status tells what broke during the outage", inState(clusterNetwork, v1alpha1.StateFailing, pathCrossNode))
	onlyPairsWith(t, clusterNetwork, pathCrossNode, faultNode)
	heal()
	eventually(t, slack*detectionBound, "Ready again", ready(clusterNetwork))
	for _, tr := range r.to(v1alpha1.StateFailing) {
		switch tr.path {
		case clusterNetwork + "/" + pathSameNode, clusterNetwork + "/" + pathClusterIP:
			t.Errorf("the outage did not break this path: %s", tr)
		}
	}
}

// An outage that ends before anything is given up: no node and no prober's pod
// counts as not Ready. Who watches the API server has nevertheless begun to ask
// it more rarely.
func TestShortAPIServerOutage(t *testing.T) {
	calm(t)
	t.Cleanup(func() {
		if out, err := tryLab(context.WithoutCancel(t.Context()), "start", "apiserver"); err != nil {
			t.Errorf("start apiserver: %v\n%s", err, out)
		}
	})
	lab(t, "stop", "apiserver")
	heal := breakNetwork(t, "vxlan", faultNode)
	pause(t, 15*time.Second)
	lab(t, "start", "apiserver")
	eventually(t, slack*15*time.Second, "the status tells what broke during the outage", inState(clusterNetwork, v1alpha1.StateFailing, pathCrossNode))
	onlyPairsWith(t, clusterNetwork, pathCrossNode, faultNode)
	heal()
	// A node that was given up for a moment has lost its local endpoints, and
	// kube-proxy comes back from an outage by a backoff of its own.
	eventually(t, time.Minute, "Ready again", ready(clusterNetwork))
}

// A prober that gets less CPU than its probes need measures itself, not the
// network. The probes of cluster-network cost less than a hundredth of a core,
// so the story adds some that cost more.
func TestStarvedProberIsUnmeasured(t *testing.T) {
	calm(t)
	busy := busyCheck()
	if err := kube.Create(t.Context(), busy); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kube.Delete(context.WithoutCancel(t.Context()), busy); err != nil {
			t.Error(err)
		}
	})
	eventually(t, time.Minute, "the busy check is Ready", ready(busy.Name))
	pods, err := podsOf(t.Context(), "prober")
	if err != nil {
		t.Fatal(err)
	}
	r := record(t)
	restore := limitCPU(t, pods[faultNode], 0.01)
	pause(t, time.Minute)
	restore()
	r.quiet(t)
	eventually(t, time.Minute, "unmeasured probes were counted", func(context.Context) error {
		if n := metric(t, pods[faultNode], "netladder_prober_unmeasured_total"); n == 0 {
			return fmt.Errorf("none")
		}
		return nil
	})
	eventually(t, time.Minute, "Ready after", ready(clusterNetwork))
	pause(t, settle)
	r.quiet(t)
}

// busyCheck costs each prober some percent of a core.
func busyCheck() *v1alpha1.ConnectivityCheck {
	check := &v1alpha1.ConnectivityCheck{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "busy"},
		Spec:       v1alpha1.ConnectivityCheckSpec{Interval: metav1.Duration{Duration: time.Second}},
	}
	for i := range 64 {
		check.Spec.Paths = append(check.Spec.Paths, v1alpha1.Path{
			Name: fmt.Sprintf("lookup-%d", i),
			From: v1alpha1.Source{Probers: &v1alpha1.ProbersSource{}},
			To: v1alpha1.Target{DNS: &v1alpha1.DNSTarget{
				Name: "kubernetes.default.svc.cluster.local.", Transport: v1alpha1.DNSOverTCP,
			}},
		})
	}
	return check
}

// limitCPU sets the CFS quota of a pod's cgroup, cgroup v1 or v2, to a share
// of one core, and returns what undoes it.
func limitCPU(t *testing.T, pod *corev1.Pod, cores float64) (restore func()) {
	t.Helper()
	const period = 100000 // µs
	dir := podCgroup(t, pod)
	file, quota := filepath.Join(dir, "cpu.cfs_quota_us"), fmt.Sprint(int(period*cores))
	if _, err := os.Stat(file); err != nil {
		file, quota = filepath.Join(dir, "cpu.max"), fmt.Sprintf("%d %d", int(period*cores), period)
	}
	old, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	// The limits of the containers below bound the pod's; a tighter one at
	// the pod is what counts.
	if err := os.WriteFile(file, []byte(quota), 0o644); err != nil {
		t.Fatalf("limit %s to %s: %v", file, quota, err)
	}
	restore = func() {
		if err := os.WriteFile(file, []byte(strings.TrimSpace(string(old))), 0o644); err != nil && !os.IsNotExist(err) {
			t.Errorf("restore %s: %v", file, err)
		}
	}
	t.Cleanup(restore)
	return restore
}

// podCgroup finds the pod's directory in the cpu hierarchy.
func podCgroup(t *testing.T, pod *corev1.Pod) string {
	t.Helper()
	want := "pod" + string(pod.UID)
	for _, root := range []string{"/sys/fs/cgroup/cpu", "/sys/fs/cgroup"} {
		found := ""
		_ = filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err == nil && d.IsDir() && d.Name() == want {
				found = path
				return filepath.SkipAll
			}
			return nil
		})
		if found != "" {
			return found
		}
	}
	t.Fatalf("no cgroup of pod %s (%s)", pod.Name, want)
	return ""
}

// probesTotal sums the prober's counters of one check.
func probesTotal(t *testing.T, pod *corev1.Pod) float64 {
	t.Helper()
	return metric(t, pod, "netladder_probes_total", `check="`+clusterNetwork+`"`, `verdict="`+string(v1alpha1.VerdictConnected)+`"`)
}
