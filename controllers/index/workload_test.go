// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package index_test

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/netladder/netladder/controllers/diagnosis"
	"github.com/netladder/netladder/controllers/index"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/test/builders"
)

func workload() *builders.Pod {
	return builders.MakePod("db-0", "node1").Namespace("shop").UID("u").Label("app", "db").IPs("10.0.0.1", "fd00::1")
}

func equateAddr() cmp.Option { return cmpopts.EquateComparable(netip.Addr{}) }

func TestWorkload(t *testing.T) {
	pod := workload().
		Port("pg", 5432, corev1.ProtocolTCP).Port("", 1, corev1.ProtocolTCP).Port("dns", 53, corev1.ProtocolUDP).
		Port("old", 7, "").Port("assoc", 9, corev1.ProtocolSCTP).
		InitContainer("setup", "never", 80, false).InitContainer("proxy", "mesh", 15001, true).Obj()
	want := &plan.Pod{
		UID: "u", Key: types.NamespacedName{Namespace: "shop", Name: "db-0"}, Labels: map[string]string{"app": "db"}, Node: "node1",
		IPs: []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1")},
		Ports: []plan.ContainerPort{
			{Name: "pg", Port: 5432, Protocol: "TCP"}, {Name: "dns", Port: 53, Protocol: "UDP"},
			{Name: "old", Port: 7, Protocol: "TCP"}, {Name: "mesh", Port: 15001, Protocol: "TCP"},
		},
	}
	if diff := cmp.Diff(want, index.Workload(pod), equateAddr()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := index.Workload(workload().HostNetwork().RuntimeClass("kata-qemu").Obj()); !got.HostNetwork || !got.Sandboxed {
		t.Errorf("%+v", got)
	}
}

func TestWorkloadsThatArePlanned(t *testing.T) {
	for name, c := range map[string]struct {
		pod *corev1.Pod
		ips int
	}{
		"two families":       {workload().Obj(), 2},
		"two of one family":  {workload().IPs("10.0.0.1", "10.0.0.2").Obj(), 1},
		"mapped":             {workload().IPs("::ffff:10.0.0.1", "10.0.0.2").Obj(), 1},
		"nonsense":           {workload().IPs("nonsense", "fe80::1%eth0", "0.0.0.0").Obj(), 0},
		"no IP yet":          {workload().IPs().Obj(), 0},
		"only the old field": {&corev1.Pod{Spec: corev1.PodSpec{NodeName: "n"}, Status: corev1.PodStatus{PodIP: "10.0.0.1"}}, 1},
		"not scheduled":      {&corev1.Pod{Status: corev1.PodStatus{PodIP: "10.0.0.1"}}, 0},
		"pending with an IP": {workload().Phase(corev1.PodPending).Obj(), 2},
		"succeeded":          {workload().Phase(corev1.PodSucceeded).Obj(), 0},
		"failed":             {workload().Phase(corev1.PodFailed).Obj(), 0},
		"terminating":        {workload().Terminating(time.Unix(1, 0)).Obj(), 0},
	} {
		n := 0
		if got := index.Workload(c.pod); got != nil {
			n = len(got.IPs)
		}
		if n != c.ips {
			t.Errorf("%s: %d IPs, want %d", name, n, c.ips)
		}
	}
}

func TestSandboxes(t *testing.T) {
	for class, want := range map[string]bool{
		"gvisor": true, "runsc": true, "kata": true, "kata-clh": true, "MyGVisor": true, "kata-firecracker": true, "aws-firecracker": true,
		"runc": false, "nvidia": false, "crun": false, "wasmtime": false,
	} {
		if got := index.Workload(workload().RuntimeClass(class).Obj()).Sandboxed; got != want {
			t.Errorf("%s: sandboxed %t", class, got)
		}
	}
}

func TestWorkloadFacts(t *testing.T) {
	created, started := time.Unix(100, 0), time.Unix(200, 0)
	pod := workload().CreatedAt(created).Terminating(time.Unix(300, 0)).Obj()
	want := &diagnosis.WorkloadPod{Namespace: "shop", Name: "db-0", Node: "node1", Terminating: true, StartedAt: created}
	if diff := cmp.Diff(want, index.WorkloadFacts(pod)); diff != "" {
		t.Error(diff)
	}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{
		{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(started)}}},
		{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(started.Add(-time.Second))}}},
	}
	if got := index.WorkloadFacts(pod); !got.StartedAt.Equal(started) {
		t.Errorf("started at %v", got.StartedAt)
	}
	if got := index.WorkloadFacts(workload().Phase(corev1.PodFailed).Obj()); got != nil {
		t.Errorf("%+v", got)
	}
}

func TestNodeIPs(t *testing.T) {
	node := builders.MakeNode("n").InternalIPs("192.0.2.1", "192.0.2.9", "2001:db8::1").Obj()
	node.Status.Addresses = append([]corev1.NodeAddress{{Type: corev1.NodeExternalIP, Address: "198.51.100.1"}}, node.Status.Addresses...)
	want := []netip.Addr{netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")}
	for range 2 { // untrimmed and trimmed
		if diff := cmp.Diff(want, index.NodeIPs(node), equateAddr()); diff != "" {
			t.Error(diff)
		}
		if _, err := index.Trim(node); err != nil {
			t.Fatal(err)
		}
	}
	if len(node.Status.Addresses) != 3 {
		t.Errorf("%+v", node.Status.Addresses)
	}
}

// TestTrimKeepsWorkloads trims pods and namespaces and holds them against what
// exactly may be left.
func TestTrimKeepsWorkloads(t *testing.T) {
	pod := workload().CreatedAt(time.Unix(100, 0)).RuntimeClass("kata").HostNetwork().
		Port("pg", 5432, corev1.ProtocolTCP).Port("", 1, corev1.ProtocolTCP).
		InitContainer("setup", "never", 80, false).InitContainer("proxy", "mesh", 15001, true).
		Terminating(time.Unix(300, 0)).Obj()
	pod.Annotations, pod.GenerateName = map[string]string{"a": "b"}, "db-"
	pod.Spec.Containers[0].Env = []corev1.EnvVar{{Name: "SECRET", Value: "x"}}
	pod.Spec.Volumes, pod.Status.Message = []corev1.Volume{{Name: "v"}}, "m"
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.Unix(200, 0)}}
	pod.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "app", ImageID: "sha256:1", State: running}}

	live := pod.DeepCopy()
	live.DeletionTimestamp = nil
	planned, facts := index.Workload(live), index.WorkloadFacts(pod)
	for _, p := range []*corev1.Pod{pod, live} {
		if _, err := index.Trim(p); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(planned, index.Workload(live), equateAddr()); diff != "" || !planned.Sandboxed || len(planned.Ports) != 2 {
		t.Errorf("%+v, trimmed:\n%s", planned, diff)
	}
	if diff := cmp.Diff(facts, index.WorkloadFacts(pod)); diff != "" {
		t.Error(diff)
	}
	want := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: "db-0", Namespace: "shop", UID: "u", Labels: map[string]string{"app": "db"},
			CreationTimestamp: metav1.Unix(100, 0), DeletionTimestamp: ptr.To(metav1.Unix(300, 0)),
		},
		Spec: corev1.PodSpec{
			NodeName: "node1", HostNetwork: true, RuntimeClassName: ptr.To("kata"),
			Containers: []corev1.Container{{Ports: []corev1.ContainerPort{{Name: "pg", ContainerPort: 5432, Protocol: corev1.ProtocolTCP}}}},
			InitContainers: []corev1.Container{
				{Ports: []corev1.ContainerPort{{Name: "mesh", ContainerPort: 15001, Protocol: corev1.ProtocolTCP}}, RestartPolicy: ptr.To(corev1.ContainerRestartPolicyAlways)},
			},
		},
		Status: corev1.PodStatus{
			Phase: corev1.PodRunning, PodIP: "10.0.0.1", PodIPs: []corev1.PodIP{{IP: "10.0.0.1"}, {IP: "fd00::1"}},
			Conditions:        []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
			ContainerStatuses: []corev1.ContainerStatus{{Name: "app", State: running}},
		},
	}
	if diff := cmp.Diff(want, pod); diff != "" {
		t.Errorf("what is left (-want +got):\n%s", diff)
	}

	ns := builders.MakeNamespace("shop", map[string]string{"team": "x"})
	ns.Annotations, ns.Spec.Finalizers = map[string]string{"a": "b"}, []corev1.FinalizerName{"kubernetes"}
	before := index.Namespace(ns)
	if _, err := index.Trim(ns); err != nil {
		t.Fatal(err)
	}
	left := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop", Labels: before.Labels}}
	if diff := cmp.Diff(left, ns); diff != "" || index.Namespace(ns).Labels["team"] != "x" {
		t.Errorf("namespace (-want +got):\n%s", diff)
	}
}
