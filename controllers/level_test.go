// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/builders"
)

// admits says whether a namespace with this Pod Security level admits a pod
// of the DaemonSet.
func (h *cluster) admits(level string, d *appsv1.DaemonSet) error {
	h.t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: level + "-", Labels: map[string]string{labelPodSecurity: level}}}
	h.create(ns)
	h.create(&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: d.Name}})
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "pod"}, Spec: d.Spec.Template.Spec}
	return h.client.Create(h.t.Context(), pod, client.DryRunAll)
}

func TestLevelIsSwitched(t *testing.T) {
	h := newCluster(t)
	h.start()
	h.installed()
	first, err := h.daemonSet(v1alpha1.ProberName)
	must(t, err)
	h.stop()
	h.options.Level = v1alpha1.LevelFull
	h.start()
	var full *appsv1.DaemonSet
	h.eventually("the DaemonSet to be rolled", func() error {
		if full, err = h.daemonSet(v1alpha1.ProberName); err == nil && full.Generation == first.Generation {
			return errors.New("it is as before")
		}
		return err
	})
	if c := full.Spec.Template.Spec.Containers[0]; !slices.Contains(c.Args, "--level=Full") || !full.Spec.Template.Spec.HostPID {
		t.Errorf("its pods are not of level Full: %+v", full.Spec.Template.Spec)
	}
	for level, want := range map[string]bool{"privileged": true, "baseline": false, "restricted": false} {
		if err := h.admits(level, full); (err == nil) != want {
			t.Errorf("a namespace that enforces %s: %v", level, err)
		}
	}
	// Why allowPrivilegeEscalation is not false, as it is otherwise.
	tight := full.DeepCopy()
	tight.Spec.Template.Spec.Containers[0].SecurityContext.AllowPrivilegeEscalation = ptr.To(false)
	tight.Spec.Template.Spec.Containers[0].SecurityContext.Capabilities.Add[0] = "CAP_SYS_ADMIN"
	if err := h.admits("privileged", tight); err == nil {
		t.Error("allowPrivilegeEscalation false is accepted beside CAP_SYS_ADMIN: then let it be false")
	}
	h.stop()
	h.options.Level = v1alpha1.LevelRestricted
	h.start()
	h.eventually("the DaemonSet to be what it was", func() error {
		d, err := h.daemonSet(v1alpha1.ProberName)
		if err == nil && d.Generation == full.Generation {
			return errors.New("it is of level Full")
		}
		if err == nil {
			err = h.admits("restricted", d)
		}
		return err
	})
}

// deploymentEvent waits for a warning on the controller's Deployment.
func (h *cluster) deploymentEvent(reason, note string) {
	h.t.Helper()
	var owner appsv1.Deployment
	must(h.t, h.client.Get(h.t.Context(), client.ObjectKey{Namespace: h.namespace, Name: "netladder-controller"}, &owner))
	h.eventually("event "+reason, func() error {
		var seen []string
		for _, e := range h.events(owner.Name) {
			if e.Reason == reason && e.Type == corev1.EventTypeWarning && e.Regarding.UID == owner.UID && strings.Contains(e.Note, note) {
				return nil
			}
			seen = append(seen, e.Reason+": "+e.Note)
		}
		return fmt.Errorf("seen: %q", seen)
	})
}

// readyMessage waits until the condition Ready of a check says, or with an
// empty part no longer says, something about the installation.
func (h *cluster) readyMessage(check, part string) {
	h.t.Helper()
	const intro = "; Netladder itself has a problem: "
	h.eventually("Ready to say "+part, func() error {
		ready := meta.FindStatusCondition(h.check(check).Status.Conditions, v1alpha1.ConditionReady)
		if ready == nil {
			return errors.New("no condition Ready")
		}
		_, problem, found := strings.Cut(ready.Message, intro)
		if found != (part != "") || !strings.Contains(problem, part) {
			return errors.New(ready.Message)
		}
		return nil
	})
}

func (h *cluster) labelNamespace(name, key, value string) {
	h.t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"labels":{%q:%q}}}`, key, value)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
	must(h.t, h.client.Patch(h.t.Context(), ns, client.RawPatch(types.MergePatchType, []byte(patch))))
}

func TestNamespaceThatRefusesProbersIsTold(t *testing.T) {
	h := newCluster(t)
	h.options.Level = v1alpha1.LevelFull
	h.labelNamespace(h.namespace, labelPodSecurity, "restricted")
	h.create(builders.MakeCheck("mesh").Namespace(h.namespace).Path("cross", builders.ToMesh(v1alpha1.MeshScopeAny)).Obj())
	h.start()
	const advice = "set the label to privileged"
	h.deploymentEvent(eventPodSecurity, labelPodSecurity+"=restricted, so probers of --level=Full are refused: "+advice)
	h.readyMessage("mesh", advice)
	h.labelNamespace(h.namespace, "other", "label")
	h.labelNamespace(h.namespace, labelPodSecurity, "privileged")
	h.readyMessage("mesh", "")
	if events := h.events("netladder-controller"); len(events) != 1 {
		t.Errorf("%d events, want one: %+v", len(events), events)
	}
	h.labelNamespace(h.namespace, labelPodSecurity, "baseline")
	h.deploymentEvent(eventPodSecurity, labelPodSecurity+"=baseline")
}

// TestRestrictedProbersNeedNoLabel: what refuses privileged pods is right
// where there are none.
func TestRestrictedProbersNeedNoLabel(t *testing.T) {
	h, nodes := meshCluster(t)
	h.labelNamespace(h.namespace, labelPodSecurity, "restricted")
	h.start()
	h.installed()
	h.assigned(nodes, 1)
	h.pass(patience)
	if events := h.events("netladder-controller"); len(events) != 0 {
		t.Errorf("events: %+v", events)
	}
}

// lacksPods makes the prober DaemonSet lack n pods, as its controller would
// report.
func (h *cluster) lacksPods(n int32) {
	h.t.Helper()
	d, err := h.daemonSet(v1alpha1.ProberName)
	must(h.t, err)
	d.Status.DesiredNumberScheduled, d.Status.CurrentNumberScheduled = 3, 3-n
	must(h.t, h.client.Status().Update(h.t.Context(), d))
}

// refusePod notes a refusal of one of its pods as its controller would.
func (h *cluster) refusePod(message string) {
	h.t.Helper()
	d, err := h.daemonSet(v1alpha1.ProberName)
	must(h.t, err)
	h.create(&corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, GenerateName: "netladder-prober-"},
		InvolvedObject: corev1.ObjectReference{
			APIVersion: "apps/v1", Kind: "DaemonSet", Namespace: h.namespace, Name: d.Name, UID: d.UID,
		},
		Reason: "FailedCreate", Message: message, Type: corev1.EventTypeWarning, LastTimestamp: metav1.Now(),
	})
}

func TestMissingPodsAreExplained(t *testing.T) {
	h := newCluster(t)
	h.create(builders.MakeCheck("mesh").Namespace(h.namespace).Path("cross", builders.ToMesh(v1alpha1.MeshScopeAny)).Obj())
	h.start()
	h.installed()
	h.lacksPods(2)
	// Kubernetes may say why only later.
	h.pass(3 * lookAgain)
	if events := h.events("netladder-controller"); len(events) != 0 {
		t.Errorf("events before anything was refused: %+v", events)
	}
	h.refusePod(`Error creating: pods "netladder-prober-abcde" is forbidden: exceeded quota`)
	const want = `2 pods of DaemonSet netladder-prober are missing: Error creating: pods "netladder-prober-abcde" is forbidden: exceeded quota`
	h.deploymentEvent(eventPodsNotCreated, want)
	h.readyMessage("mesh", want)
	h.refusePod(`Error creating: pods "netladder-prober-fghij" is forbidden: exceeded quota`)
	h.pass(3 * lookAgain)
	h.lacksPods(0)
	h.readyMessage("mesh", "")
	if events := h.events("netladder-controller"); len(events) != 1 {
		t.Errorf("%d events, want one: %+v", len(events), events)
	}
}
