// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/netladder/netladder/api/v1alpha1"
	apply "github.com/netladder/netladder/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/netladder/netladder/controllers/policy/audit"
)

// auditor says in each namespace's NetworkPolicyAudit what is the matter with
// its policies. The request is the name of a namespace, or one of those in
// audit_start.go. It has one worker.
type auditor struct {
	cache    cache.Cache
	informer cache.Informer
	// live reads past the cache.
	live     client.Reader
	writer   *writer
	owner    *ownRole
	world    *world
	events   *announcer
	problems *problems
	clock    clock.PassiveClock
	// own is the inbox of this controller.
	own *inbox[reconcile.Request]

	// started is true once what is persisted is known.
	started bool
	// namespaces that were audited.
	namespaces map[string]*audited
}

// audited is what the auditor knows of a namespace.
type audited struct {
	memory audit.Memory
	// told is the status up to which events were announced: as it was persisted
	// when the auditor started, then as it wrote it.
	told v1alpha1.NetworkPolicyAuditStatus
}

// Reconcile audits one namespace, and persists what changed.
func (a *auditor) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	switch {
	case req == auditStart():
		return a.start(ctx)
	case !a.started:
		return reconcile.Result{}, nil // the start asks for all
	case req == auditAll():
		return reconcile.Result{}, a.all(ctx)
	}
	namespace := req.Name
	report, known := a.world.audit(namespace)
	if !known {
		return reconcile.Result{}, nil // all are asked for once policies are
	}
	var object v1alpha1.NetworkPolicyAudit
	found, err := get(ctx, a.cache, types.NamespacedName{Namespace: namespace, Name: v1alpha1.AuditName}, &object)
	if err != nil {
		return reconcile.Result{}, err
	}
	if report.Policies == 0 {
		return reconcile.Result{}, a.remove(ctx, namespace, found, &object)
	}
	state := a.namespaces[namespace]
	if state == nil {
		state = &audited{told: object.Status}
		a.namespaces[namespace] = state
	}
	now := a.clock.Now()
	settled := audit.Settle(audit.Settling{Found: report.Findings, Memory: state.memory, Known: ids(state.told), Now: now})
	state.memory = settled.Memory
	next := audit.For(audit.Status{Previous: state.told, Report: report, Standing: settled.Standing, Now: now})
	a.world.setFindings(namespace, audit.Counts(settled.Standing))
	again := reconcile.Result{RequeueAfter: until(settled.Deadline, now)}
	if found && equality.Semantic.DeepEqual(state.told, next) {
		return again, nil
	}
	if err := a.write(ctx, namespace, next, !found); err != nil {
		if a.ending(err) {
			return reconcile.Result{}, nil
		}
		a.problems.set(ctx, auditKind, refused(auditKind, err))
		return reconcile.Result{}, err
	}
	a.problems.set(ctx, auditKind, problem{})
	a.announce(ctx, namespace, audit.Events(state.told, next, settled.Standing))
	state.told = next
	log.FromContext(ctx).V(1).Info("Audited", "namespace", namespace, "summary", next.Summary)
	return again, nil
}

// auditKind is what the auditor writes.
const auditKind = "NetworkPolicyAudits"

// ending says whether an error means that the namespace is being deleted.
func (a *auditor) ending(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause)
}

// ids of the findings in a status.
func ids(s v1alpha1.NetworkPolicyAuditStatus) []string {
	out := make([]string, len(s.Findings))
	for i := range s.Findings {
		out[i] = s.Findings[i].ID
	}
	return out
}

// write makes the audit of a namespace say that. Both applies change nothing
// where nothing is to be changed.
func (a *auditor) write(ctx context.Context, namespace string, next v1alpha1.NetworkPolicyAuditStatus, anew bool) error {
	s, err := convert[apply.NetworkPolicyAuditStatusApplyConfiguration](next)
	if err != nil {
		return err
	}
	owner, err := a.owner.get(ctx, anew)
	if err != nil {
		return err
	}
	object := apply.NetworkPolicyAudit(v1alpha1.AuditName, namespace).
		WithOwnerReferences(a.owner.reference(owner)...).
		WithLabels(map[string]string{v1alpha1.LabelName: labelNetladder, v1alpha1.LabelComponent: "audit"})
	if err := a.writer.applyAudit(ctx, object); err != nil {
		return fmt.Errorf("applying the NetworkPolicyAudit of %s: %w", namespace, err)
	}
	if err := a.writer.applyAuditStatus(ctx, apply.NetworkPolicyAudit(v1alpha1.AuditName, namespace).WithStatus(s)); err != nil {
		return fmt.Errorf("applying the status of the NetworkPolicyAudit of %s: %w", namespace, err)
	}
	return nil
}

// remove the audit of a namespace that has no policies, or no more.
func (a *auditor) remove(ctx context.Context, namespace string, found bool, object *v1alpha1.NetworkPolicyAudit) error {
	delete(a.namespaces, namespace)
	a.world.setFindings(namespace, nil)
	if !found {
		return nil
	}
	target := &v1alpha1.NetworkPolicyAudit{}
	target.Namespace, target.Name = namespace, v1alpha1.AuditName
	if err := a.writer.delete(ctx, writeAudit, target, object.UID); err != nil {
		return fmt.Errorf("deleting the NetworkPolicyAudit of %s: %w", namespace, err)
	}
	return nil
}

// actionAudit: what the controller did when it came upon a finding.
const actionAudit = "Audit"

// announce tells what changed: on the policy that it is about, else on the
// audit.
func (a *auditor) announce(ctx context.Context, namespace string, list []audit.Event) {
	for _, e := range list {
		regarding := corev1.ObjectReference{
			APIVersion: v1alpha1.GroupVersion.String(), Kind: "NetworkPolicyAudit", Namespace: namespace, Name: v1alpha1.AuditName,
		}
		if e.Policy != "" {
			reference, ok := a.world.policyReference(types.NamespacedName{Namespace: namespace, Name: e.Policy})
			if !ok {
				continue // deleted, and with it what was the matter
			}
			regarding = reference
		}
		a.events.take(ctx, announcement{regarding: regarding, action: actionAudit, event: e.Event, at: a.clock.Now()})
	}
}
