// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/netladder/netladder/api/v1alpha1"
	apply "github.com/netladder/netladder/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// assigner makes each node's ProbeAssignment what the plan says. The request
// is the name of a node.
type assigner struct {
	reader  client.Reader
	writer  *writer
	owner   *ownRole
	world   *world
	metrics *metrics
	// checks is the inbox of the reporter.
	checks *inbox[reconcile.Request]
}

// Reconcile compares one node's assignment with the plan and writes it if it
// differs.
func (a *assigner) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	var object v1alpha1.ProbeAssignment
	found, err := get(ctx, a.reader, req.NamespacedName, &object)
	if err != nil {
		return reconcile.Result{}, err
	}
	var current *v1alpha1.ProbeAssignment
	if found {
		current = &object
	}
	want, ok := a.plan(req.Name, current)
	if !ok {
		return reconcile.Result{}, a.remove(ctx, current)
	}
	owner, err := a.owner.get(ctx, current == nil)
	if err != nil {
		return reconcile.Result{}, err
	}
	write := current == nil || !equality.Semantic.DeepEqual(current.Spec, want.Spec) || !ownedBy(current.OwnerReferences, owner)
	if write {
		if err := a.write(ctx, want, owner); err != nil {
			return reconcile.Result{}, err
		}
		log.FromContext(ctx).V(1).Info("Assigned", "node", req.Name, "groups", len(want.Spec.Groups))
	}
	written := &v1alpha1.ProbeAssignment{ObjectMeta: object.ObjectMeta, Spec: want.Spec, Status: object.Status}
	t := a.world.assigned(req.Name, written, want.LeftOut, write)
	for key := range t.checks {
		a.checks.addAfter(request(key), judgeDelay)
	}
	return reconcile.Result{}, nil
}

func (a *assigner) plan(name string, current *v1alpha1.ProbeAssignment) (plan.Assignment, bool) {
	defer a.metrics.planned(time.Now())
	return a.world.assign(name, current)
}

func (a *assigner) write(ctx context.Context, want plan.Assignment, owner types.UID) error {
	spec, err := convert[apply.ProbeAssignmentSpecApplyConfiguration](want.Spec)
	if err != nil {
		return err
	}
	object := apply.ProbeAssignment(want.Node).WithOwnerReferences(a.owner.reference(owner)...).WithSpec(spec)
	if err := a.writer.apply(ctx, writeAssignment, object); err != nil {
		return fmt.Errorf("applying ProbeAssignment %s: %w", want.Node, err)
	}
	return nil
}

// remove deletes the assignment of a node that is gone, or that has had no
// prober for long.
func (a *assigner) remove(ctx context.Context, current *v1alpha1.ProbeAssignment) error {
	if current == nil {
		return nil
	}
	target := &v1alpha1.ProbeAssignment{ObjectMeta: metav1.ObjectMeta{Name: current.Name}}
	if err := a.writer.delete(ctx, writeAssignment, target, current.UID); err != nil {
		return fmt.Errorf("deleting ProbeAssignment %s: %w", current.Name, err)
	}
	log.FromContext(ctx).V(1).Info("Deleted the assignment: no such node, or no prober on it", "node", current.Name)
	return nil
}
