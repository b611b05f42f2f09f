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

	"github.com/netladder/netladder/api/v1alpha1"
)

func TestAPIServerOutage(t *testing.T) {
	eventually(t, time.Minute, "Ready before", ready(clusterNetwork))
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
	pause(t, time.Minute)
	// Three quarters of what a minute holds: connections through the API
	// server's own ClusterIP fail meanwhile, and are counted as such.
	if during := probesTotal(t, pod) - before; during < 0.75*float64(time.Minute/interval) {
		t.Errorf("%.0f probes in the minute without an API server", during)
	}
	lab(t, "start", "apiserver")
	eventually(t, slack*15*time.Second, "status is right after the outage", ready(clusterNetwork))
	// What the outage itself broke is told truthfully; what it did not break
	// must not have failed.
	check, err := getCheck(t.Context(), clusterNetwork)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{pathSameNode, pathCrossNode, pathClusterIP, pathDNSUDP, pathDNSTCP} {
		if p := pathOf(check, name); time.Since(p.LastTransitionTime.Time) < time.Minute {
			t.Errorf("path %s changed its state during the outage: %+v", name, p)
		}
	}
}

// A prober that gets next to no CPU measures itself, not the network.
func TestStarvedProberIsUnmeasured(t *testing.T) {
	eventually(t, time.Minute, "Ready before", ready(clusterNetwork))
	pods, err := podsOf(t.Context(), "prober")
	if err != nil {
		t.Fatal(err)
	}
	r := record(t)
	restore := limitCPU(t, pods[faultNode], 0.01)
	pause(t, time.Minute)
	r.quiet(t)
	restore()
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

// limitCPU sets the CFS quota of a pod's cgroup, cgroup v1 or v2, to a share
// of one core, and returns what undoes it.
func limitCPU(t *testing.T, pod *corev1.Pod, cores float64) (restore func()) {
	t.Helper()
	const period = 100000 // µs
	dir, quota := podCgroup(t, pod), ""
	file := filepath.Join(dir, "cpu.cfs_quota_us")
	if _, err := os.Stat(file); err == nil {
		quota = fmt.Sprint(int(period * cores))
	} else {
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
