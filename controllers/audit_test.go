// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/policy/audit"
	"github.com/netladder/netladder/test/builders"
)

// newAudited is a tenant with a pod app=payment, and a controller that audits
// with no more than its roles.
func newAudited(t *testing.T, level v1alpha1.Level) *cluster {
	t.Helper()
	h := newCluster(t)
	h.options.Level = level
	if level == v1alpha1.LevelRestricted {
		h.options.Audit = ptr.To(true)
	}
	h.confine(func(*rbacv1.Role) {})
	h.makeTenant(nil)
	h.createWorkload(h.tenants[0], running(builders.MakePod("payment", "node0").Label("app", "payment").IPs("10.9.0.10")))
	return h
}

// protect adds a policy of the tenant that selects app=<app> for ingress.
func (h *cluster) protect(name, app string) *networkingv1.NetworkPolicy {
	h.t.Helper()
	p := &networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: h.tenants[0], Name: name}}
	p.Spec.PodSelector.MatchLabels = map[string]string{"app": app}
	h.create(p)
	return p
}

func (h *cluster) changePolicy(name string, change func(*networkingv1.NetworkPolicy)) {
	h.t.Helper()
	var p networkingv1.NetworkPolicy
	must(h.t, h.client.Get(h.t.Context(), client.ObjectKey{Namespace: h.tenants[0], Name: name}, &p))
	change(&p)
	must(h.t, h.client.Update(h.t.Context(), &p))
}

func (h *cluster) audit() (*v1alpha1.NetworkPolicyAudit, error) {
	var a v1alpha1.NetworkPolicyAudit
	return &a, h.client.Get(h.t.Context(), client.ObjectKey{Namespace: h.tenants[0], Name: v1alpha1.AuditName}, &a)
}

// finds waits until the audit has these findings, as "Code policy".
func (h *cluster) finds(want ...string) *v1alpha1.NetworkPolicyAudit {
	h.t.Helper()
	var a *v1alpha1.NetworkPolicyAudit
	h.eventually(fmt.Sprintf("findings %q", want), func() error {
		var err error
		if a, err = h.audit(); err != nil {
			return err
		}
		if a.Status.Summary == nil {
			return fmt.Errorf("no status yet")
		}
		got := []string{}
		for _, f := range a.Status.Findings {
			got = append(got, strings.TrimSpace(string(f.Code)+" "+f.Policy))
		}
		if !slices.Equal(got, want) && len(got)+len(want) > 0 {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	clean := meta.FindStatusCondition(a.Status.Conditions, v1alpha1.ConditionClean)
	if clean == nil || (clean.Status == metav1.ConditionTrue) != (len(want) == 0) || int(a.Status.Summary.Findings) != len(want) {
		h.t.Errorf("the status is %+v", a.Status)
	}
	return a
}

// eventOf waits for an event about an object, and returns it.
func (h *cluster) eventOf(name, reason string) eventsv1.Event {
	h.t.Helper()
	var found eventsv1.Event
	h.eventually("event "+reason+" of "+name, func() error {
		list := h.events(name)
		i := slices.IndexFunc(list, func(e eventsv1.Event) bool { return e.Reason == reason })
		if i < 0 {
			return fmt.Errorf("%d events", len(list))
		}
		found = list[i]
		return nil
	})
	return found
}

// TestAuditFindings: a finding is told once it stood for a while, is heard of by
// an event on its policy and in the metrics, and goes when it is gone.
func TestAuditFindings(t *testing.T) {
	for _, level := range []v1alpha1.Level{v1alpha1.LevelRestricted, v1alpha1.LevelFull} {
		t.Run(string(level), func(t *testing.T) {
			h := newAudited(t, level)
			series := "netladder_policy_findings,namespace=" + h.tenants[0] + ",code=SelectsNoPod"
			restrict := h.protect("restrict", "paymnet")
			begin := h.clock.Now()
			h.start()
			h.finds()
			if stood := h.clock.Since(begin); stood >= audit.Grace {
				t.Logf("the first audit took %s", stood)
			}
			if value, ok := h.metric(series); ok {
				t.Errorf("the metric is %v before the finding is told", value)
			}
			h.pass(audit.Grace)
			a := h.finds("SelectsNoPod restrict")
			if !h.clock.Now().After(begin.Add(audit.Grace)) {
				t.Errorf("told after %s", h.clock.Since(begin))
			}
			f := a.Status.Findings[0]
			if f.Severity != v1alpha1.FindingWarning || f.Clause != "spec.podSelector" || f.Since.IsZero() || !strings.HasSuffix(f.Message, "did you mean app=payment?") {
				t.Errorf("the finding is %+v", f)
			}
			if a.Labels[v1alpha1.LabelName] != labelNetladder || a.ManagedFields[0].Manager != v1alpha1.FieldOwnerAudit {
				t.Errorf("the audit is %+v", a.ObjectMeta)
			}
			event := h.eventOf("restrict", "SelectsNoPod")
			if event.Type != corev1.EventTypeWarning || event.Regarding.Kind != "NetworkPolicy" || event.Regarding.UID != restrict.UID || !strings.Contains(event.Note, "did you mean app=payment?") {
				t.Errorf("the event is %+v", event)
			}
			if value, ok := h.metric(series); !ok || value != 1 {
				t.Errorf("the metric is %v, %v", value, ok)
			}

			h.changePolicy("restrict", func(p *networkingv1.NetworkPolicy) { p.Spec.PodSelector.MatchLabels["app"] = "payment" })
			h.finds()
			if event := h.eventOf("restrict", audit.EventFindingResolved); event.Type != corev1.EventTypeNormal || !strings.Contains(event.Note, "SelectsNoPod") {
				t.Errorf("the event is %+v", event)
			}
			if value, ok := h.metric(series); ok {
				t.Errorf("the metric is still %v", value)
			}

			must(t, h.client.Delete(t.Context(), restrict))
			h.eventually("the audit to go", func() error {
				if _, err := h.audit(); !apierrors.IsNotFound(err) {
					return fmt.Errorf("it is there: %w", err)
				}
				return nil
			})
		})
	}
}

// TestAuditFollowsPodsAndSilence: pods that come and go, and annotations of
// policies and namespaces, are heeded.
func TestAuditFollowsPodsAndSilence(t *testing.T) {
	h := newAudited(t, v1alpha1.LevelRestricted)
	h.protect("payment", "payment")
	h.protect("later", "inventory")
	h.start()
	h.finds()
	h.pass(audit.Grace)
	h.finds("SelectsNoPod later")

	pod := h.createWorkload(h.tenants[0], running(builders.MakePod("inventory", "node0").Label("app", "inventory").IPs("10.9.0.11")))
	h.finds()
	h.delete(pod)
	h.pass(audit.Grace)
	h.pass(audit.Grace) // it waits longer the second time
	h.finds("SelectsNoPod later")

	h.changePolicy("later", func(p *networkingv1.NetworkPolicy) {
		p.Annotations = map[string]string{v1alpha1.AnnotationSilence: "SelectsNoPod"}
	})
	h.finds()

	h.createWorkload(h.tenants[0], running(builders.MakePod("batch", "node0").Label("app", "batch").IPs("10.9.0.12")))
	h.settle()
	h.pass(audit.Grace)
	h.finds("PodsNotCovered")
	h.eventOf(v1alpha1.AuditName, "PodsNotCovered")
	var ns corev1.Namespace
	must(t, h.client.Get(t.Context(), client.ObjectKey{Name: h.tenants[0]}, &ns))
	ns.Annotations = map[string]string{v1alpha1.AnnotationSilence: "PodsNotCovered"}
	must(t, h.client.Update(t.Context(), &ns))
	h.finds()
}

// TestAuditSurvivesRestarts: the controller that starts next keeps what was told,
// and tells none of it again; what went meanwhile is told to be gone, and an
// audit of a namespace without policies is deleted.
func TestAuditSurvivesRestarts(t *testing.T) {
	h := newAudited(t, v1alpha1.LevelRestricted)
	h.protect("restrict", "paymnet")
	h.protect("other", "frontned")
	h.start()
	h.finds()
	h.pass(audit.Grace)
	before := h.finds("SelectsNoPod restrict", "SelectsNoPod other")
	h.eventOf("restrict", "SelectsNoPod")
	h.eventOf("other", "SelectsNoPod")
	h.stop()

	h.changePolicy("other", func(p *networkingv1.NetworkPolicy) { p.Spec.PodSelector.MatchLabels["app"] = "payment" })
	h.clock.Step(time.Hour)
	h.start()
	after := h.finds("SelectsNoPod restrict")
	h.eventOf("other", audit.EventFindingResolved)
	h.pass(patience)
	if got, want := after.Status.Findings[0].Since, before.Status.Findings[0].Since; !got.Equal(&want) {
		t.Errorf("since %s, was %s", got, want)
	}
	if n := len(h.events("restrict")); n != 1 {
		t.Errorf("%d events about a finding that stood", n)
	}
	again, err := h.audit()
	must(t, err)
	if again.ResourceVersion != after.ResourceVersion {
		t.Errorf("it was written though nothing changed: %+v", again.Status)
	}
	h.stop()

	must(t, h.client.DeleteAllOf(t.Context(), &networkingv1.NetworkPolicy{}, client.InNamespace(h.tenants[0])))
	h.start()
	h.eventually("the audit to go", func() error {
		if _, err := h.audit(); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
}

// TestAuditIsMadeAgain: somebody deletes it; and in a namespace that is being
// deleted none is made.
func TestAuditIsMadeAgain(t *testing.T) {
	h := newAudited(t, v1alpha1.LevelRestricted)
	h.protect("restrict", "payment")
	h.start()
	h.finds()
	first, err := h.audit()
	must(t, err)
	h.delete(first)
	h.eventually("another audit", func() error {
		a, err := h.audit()
		if err == nil && (a.UID == first.UID || a.Status.Summary == nil) {
			return fmt.Errorf("the same, or without a status")
		}
		return err
	})
	must(t, h.client.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: h.tenants[0]}}))
	again, err := h.audit()
	must(t, err)
	h.delete(again)
	h.pass(patience)
	if _, err := h.audit(); !apierrors.IsNotFound(err) {
		t.Errorf("an audit in a namespace that is being deleted: %v", err)
	}
}

// TestAuditIsOff by default at level Restricted, and wherever it is turned off.
func TestAuditIsOff(t *testing.T) {
	for name, options := range map[string]Options{
		"Restricted": {Level: v1alpha1.LevelRestricted}, "Full": {Level: v1alpha1.LevelFull, Audit: ptr.To(false)},
	} {
		t.Run(name, func(t *testing.T) {
			h := newAudited(t, options.Level)
			h.options.Audit = options.Audit
			h.protect("restrict", "payment")
			h.start()
			h.installed()
			h.pass(patience)
			if _, err := h.audit(); !apierrors.IsNotFound(err) {
				t.Errorf("an audit: %v", err)
			}
		})
	}
}

// TestAuditWithoutRights: what is missing is said on the Deployment, and all else
// goes on.
func TestAuditWithoutRights(t *testing.T) {
	h := newCluster(t)
	h.confine(func(*rbacv1.Role) {})
	h.options.Level, h.options.Audit = v1alpha1.LevelFull, nil
	h.grant("full", func(r rbacv1.PolicyRule) bool { return slices.Contains(r.Resources, "networkpolicyaudits") })
	h.start()
	h.installed()
	h.deploymentEvent(eventAuditAccess, "apply config/crd and config/full or config/audit again")
}
