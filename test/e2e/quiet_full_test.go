// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

const (
	farmNamespace = "farm"
	farmCheck     = "farm"
	// farmInterval keeps what is sent to a pod within its budget of one probe a
	// second.
	farmInterval = 5 * time.Second
	herdSize     = 50
	vaultPort    = 5432
	// healthyFor is how long nothing is done to a healthy cluster.
	healthyFor = 10 * time.Minute
	// eventsOfPath is how many events a path may have in a phase: that nothing is
	// known of it, or that it fails, and that it is well again.
	eventsOfPath = 2
)

var (
	herd  = label{"app", "herd"}
	vault = label{"app", "vault"}
)

// What happens to every cluster in every week is no finding. Where a node
// really dies, what is said is about that node.
func TestFullQuiet(t *testing.T) {
	openFarm(t)
	calm(t)
	watched := []*recorder{recordIn(t, namespace), recordIn(t, farmNamespace)}
	phase := func(name string, do func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			start, from := time.Now(), marks(watched)
			do(t)
			pause(t, settle+2*farmInterval)
			eventually(t, 3*time.Minute, "all passes", farmPasses)
			for i, r := range watched {
				r.quietSince(t, from[i])
			}
			eventsAreFew(t, start, 0, watched)
		})
	}
	phase("healthy", func(t *testing.T) { pause(t, healthyFor) })
	phase("rollout", func(t *testing.T) {
		for _, workload := range []string{"ds/" + v1alpha1.ProberName, "ds/" + v1alpha1.EchoName, "deploy/netladder-controller"} {
			kubectl(t, "-n", namespace, "rollout", "restart", workload)
			kubectl(t, "-n", namespace, "rollout", "status", workload, "--timeout=180s")
		}
	})
	phase("drain", func(t *testing.T) {
		undo(t, "kubectl", "uncordon", faultNode)
		kubectl(t, "drain", faultNode, "--ignore-daemonsets", "--delete-emptydir-data", "--force", "--timeout=180s")
		pause(t, settle)
		kubectl(t, "uncordon", faultNode)
	})
	phase("dns-rollout", func(t *testing.T) {
		kubectl(t, "-n", "kube-system", "rollout", "restart", "deploy/coredns")
		kubectl(t, "-n", "kube-system", "rollout", "status", "deploy/coredns", "--timeout=180s")
	})
	phase("reschedule", func(t *testing.T) {
		kubectl(t, "-n", farmNamespace, "rollout", "restart", "deploy/"+herd.value)
		kubectl(t, "-n", farmNamespace, "rollout", "status", "deploy/"+herd.value, "--timeout=300s")
	})
	t.Run("node-stopped", func(t *testing.T) {
		start, from := time.Now(), marks(watched)
		undo(t, "start", faultNode)
		lab(t, "stop", faultNode)
		nodeIs(t, faultNode, false)
		pause(t, settle+2*farmInterval)
		lab(t, "start", faultNode)
		nodeIs(t, faultNode, true)
		eventually(t, 4*time.Minute, "all passes", farmPasses)
		for i, r := range watched {
			r.onlyAbout(t, from[i], faultNode)
		}
		eventsAreFew(t, start, 1, watched)
	})
}

// openFarm starts, for the rest of the test, an application of Deployments that
// stop gracefully, and a check of it.
func openFarm(t *testing.T) {
	t.Helper()
	makeNamespace(t, farmNamespace)
	made(t, farmDeployment(cart, 3))
	made(t, farmDeployment(herd, herdSize, fmt.Sprintf("--http=:%d", catalogPort)))
	made(t, farmDeployment(vault, 3, fmt.Sprintf("--http=:%d", vaultPort)))
	expose(t, farmNamespace, herd.value, herd, catalogPort)
	isolate(t, farmNamespace, vault.value, vault.selector(), admit(herd, vaultPort))
	for _, l := range []label{cart, herd, vault} {
		kubectl(t, "-n", farmNamespace, "rollout", "status", "deploy/"+l.value, "--timeout=300s")
	}
	browse := allow("browse", fromPods(cart), toService(herd.value, catalogPort))
	browse.HTTP = &v1alpha1.HTTPLayer{Path: "/health"}
	made(t, &v1alpha1.ConnectivityCheck{
		ObjectMeta: metav1.ObjectMeta{Namespace: farmNamespace, Name: farmCheck},
		Spec: v1alpha1.ConnectivityCheckSpec{
			Interval:         metav1.Duration{Duration: farmInterval},
			FailureThreshold: failureThreshold, Paths: []v1alpha1.Path{
				browse,
				allow("herd", fromPods(cart), toPods(herd, catalogPort, "")),
				allow("names", fromPods(cart), v1alpha1.Target{DNS: &v1alpha1.DNSTarget{Name: herd.value + "." + farmNamespace + ".svc.cluster.local."}}),
				allow("api", fromPods(cart), v1alpha1.Target{APIServer: &v1alpha1.APIServerTarget{}}),
				deny("vault", fromPods(cart), toPods(vault, vaultPort, "")),
			},
		},
	})
	grown(t, farmNamespace)
	eventually(t, 2*time.Minute, "all passes", farmPasses)
}

// farmDeployment spreads pods over the nodes. They serve on for some seconds
// after they are told to go, as one asks of every application behind a Service.
func farmDeployment(l label, replicas int32, listeners ...string) *appsv1.Deployment {
	pod := appPod(farmNamespace, "", "", l, listeners...)
	pod.Labels[instance] = l.value
	pod.Spec.TerminationGracePeriodSeconds = ptr.To[int64](10)
	pod.Spec.TopologySpreadConstraints = []corev1.TopologySpreadConstraint{{
		MaxSkew: 1, TopologyKey: corev1.LabelHostname, WhenUnsatisfiable: corev1.ScheduleAnyway, LabelSelector: ptr.To(l.selector()),
	}}
	container := &pod.Spec.Containers[0]
	container.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{Sleep: &corev1.SleepAction{Seconds: 5}}}
	container.ReadinessProbe = &corev1.Probe{
		ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.Parse(adminPort)}},
		PeriodSeconds: 2,
	}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: farmNamespace, Name: l.value},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(replicas), Selector: ptr.To(l.selector()),
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod.Labels}, Spec: pod.Spec},
		},
	}
}

// farmPasses is nil when every path of every check passes. What failed now and
// then remains Degraded for 20 rounds, which nobody waits for.
func farmPasses(ctx context.Context) error {
	if err := leading(ctx); err != nil {
		return err
	}
	checks := &v1alpha1.ConnectivityCheckList{}
	if err := kube.List(ctx, checks); err != nil {
		return err
	}
	found := 0
	for i := range checks.Items {
		c := &checks.Items[i]
		for j := range c.Status.Paths {
			p := &c.Status.Paths[j]
			if c.Namespace == farmNamespace {
				found++
			}
			if p.State != v1alpha1.StatePassing && p.State != v1alpha1.StateDegraded {
				return fmt.Errorf("%s/%s is %s (%s: %s)", c.Name, p.Name, p.State, p.Reason, p.Message)
			}
		}
	}
	if found < 5 {
		return fmt.Errorf("only %d paths of the farm have a status", found)
	}
	return nil
}

// nodeIs waits until a node is called Ready, or no longer.
func nodeIs(t *testing.T, name string, ready bool) {
	t.Helper()
	eventually(t, 3*time.Minute, fmt.Sprintf("%s is Ready: %t", name, ready), func(ctx context.Context) error {
		node := &corev1.Node{}
		if err := kube.Get(ctx, client.ObjectKey{Name: name}, node); err != nil {
			return err
		}
		for _, c := range node.Status.Conditions {
			if c.Type == corev1.NodeReady && (c.Status == corev1.ConditionTrue) == ready {
				return nil
			}
		}
		return fmt.Errorf("it is not so yet")
	})
}

func marks(recorders []*recorder) []int {
	var out []int
	for _, r := range recorders {
		out = append(out, len(r.all()))
	}
	return out
}

// eventsAreFew counts what Netladder told since a moment: at most so many
// warnings for each path, and eventsOfPath in all.
func eventsAreFew(t *testing.T, since time.Time, warningsOfPath int, watched []*recorder) {
	t.Helper()
	paths := 0
	for _, r := range watched {
		paths += len(r.paths())
	}
	warnings, all := warningsOfPath*paths, eventsOfPath*paths
	events := &eventsv1.EventList{}
	if err := kube.List(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	var told, warned []string
	for i := range events.Items {
		e := &events.Items[i]
		if !strings.HasPrefix(e.ReportingController, v1alpha1.GroupVersion.Group) || e.EventTime.Time.Before(since) {
			continue
		}
		line := fmt.Sprintf("%s %s %s/%s: %s", e.EventTime.Format(time.TimeOnly), e.Reason, e.Regarding.Kind, e.Regarding.Name, e.Note)
		told = append(told, line)
		if e.Type == corev1.EventTypeWarning {
			warned = append(warned, line)
		}
	}
	t.Logf("%d events, %d of them warnings", len(told), len(warned))
	if len(warned) > warnings {
		t.Errorf("%d warnings, want at most %d:\n%s", len(warned), warnings, strings.Join(warned, "\n"))
	}
	if len(told) > all {
		t.Errorf("%d events, want at most %d:\n%s", len(told), all, strings.Join(told, "\n"))
	}
}
