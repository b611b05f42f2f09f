// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// ownerRole makes the role that owns what the controller writes in the cluster.
func (h *cluster) ownerRole() *rbacv1.ClusterRole {
	h.t.Helper()
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: h.namespace + "-owner"}}
	h.create(role)
	h.options.ClusterRoleName = role.Name
	return role
}

// TestAssignmentsGoWithTheRole: uninstalling leaves none, however it is done. A
// role that was made anew is another owner.
func TestAssignmentsGoWithTheRole(t *testing.T) {
	h, nodes := meshCluster(t)
	role := h.ownerRole()
	h.start()
	h.assigned(nodes, 1)
	owned := func(name string, uid types.UID) error {
		a, err := h.assignment(name)
		if err != nil {
			return err
		}
		if o := a.OwnerReferences; len(o) != 1 || o[0].Kind != "ClusterRole" || o[0].Name != role.Name || o[0].UID != uid || o[0].Controller != nil {
			return fmt.Errorf("%s is owned by %+v, want the ClusterRole %s", name, o, uid)
		}
		return nil
	}
	for _, name := range nodes {
		if err := owned(name, role.UID); err != nil {
			t.Error(err)
		}
	}
	h.delete(role)
	role = h.ownerRole()
	t.Cleanup(func() { h.delete(role) })
	h.pass(5 * time.Second) // what is known of the role is that old then
	a, err := h.assignment(nodes[0])
	must(t, err)
	h.delete(a) // as the garbage collector does
	h.eventually("the new role to own the assignment", func() error { return owned(nodes[0], role.UID) })
}

// TestAssignmentsWithoutTheRole: who has no such role, or may not read it, is
// tested all the same.
func TestAssignmentsWithoutTheRole(t *testing.T) {
	h, nodes := meshCluster(t)
	h.options.ClusterRoleName = "no-such-role"
	h.start()
	h.assigned(nodes, 1)
	a, err := h.assignment(nodes[0])
	must(t, err)
	if len(a.OwnerReferences) != 0 {
		t.Errorf("owned by %+v", a.OwnerReferences)
	}
}

// TestAuditsGoWithTheRole too, from whatever namespace.
func TestAuditsGoWithTheRole(t *testing.T) {
	h := newCluster(t)
	h.options.Level = v1alpha1.LevelFull
	role := h.ownerRole()
	t.Cleanup(func() { h.delete(role) })
	h.create(&networkingv1.NetworkPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: "deny"}})
	h.start()
	h.eventually("an audit that is the role's", func() error {
		var a v1alpha1.NetworkPolicyAudit
		if err := h.client.Get(t.Context(), client.ObjectKey{Namespace: h.namespace, Name: v1alpha1.AuditName}, &a); err != nil {
			return err
		}
		if o := a.OwnerReferences; len(o) != 1 || o[0].UID != role.UID {
			return fmt.Errorf("owned by %+v", o)
		}
		return nil
	})
}

// TestLeaseGoesWithTheDeployment, and the election goes on in it.
func TestLeaseGoesWithTheDeployment(t *testing.T) {
	h := newCluster(t)
	h.options.LeaderElection = true
	h.start()
	h.installed()
	var lease coordinationv1.Lease
	must(t, h.client.Get(t.Context(), client.ObjectKey{Namespace: h.namespace, Name: leaseName}, &lease))
	if o := lease.OwnerReferences; len(o) != 1 || o[0].Kind != "Deployment" || o[0].Name != h.options.DeploymentName {
		t.Errorf("owned by %+v", o)
	}
	h.stop()
	h.start()
	h.eventually("another leader in the same Lease", func() error {
		var next coordinationv1.Lease
		if err := h.client.Get(t.Context(), client.ObjectKeyFromObject(&lease), &next); err != nil {
			return err
		}
		if next.UID != lease.UID || next.Spec.HolderIdentity == nil || *next.Spec.HolderIdentity != h.options.Identity {
			return errors.New("not yet")
		}
		if len(next.OwnerReferences) != 1 {
			return fmt.Errorf("owned by %+v", next.OwnerReferences)
		}
		return nil
	})
}

// TestCanaryOfARepository: what is applied from elsewhere too would come back
// each time, so it is neither removed nor made anew.
func TestCanaryOfARepository(t *testing.T) {
	h := newCluster(t)
	h.start()
	h.installed()
	before, err := h.isolation()
	must(t, err)
	const tool = "kustomize-controller"
	declared := networkingv1ac.NetworkPolicy(v1alpha1.CanaryName, h.namespace).
		WithLabels(map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps"}).
		WithSpec(networkingv1ac.NetworkPolicySpec().
			WithPodSelector(metav1ac.LabelSelector()).
			WithIngress(networkingv1ac.NetworkPolicyIngressRule()))
	must(t, h.client.Apply(t.Context(), declared, client.ForceOwnership, client.FieldOwner(tool)))
	h.pass(5 * time.Second)
	after, err := h.isolation()
	must(t, err)
	if after.UID != before.UID || len(after.Spec.Ingress) != 1 {
		t.Errorf("the policy was made anew: %s, then %s, with %d rules", before.UID, after.UID, len(after.Spec.Ingress))
	}
	h.stop()
	h.options.DisableCanary = true
	h.start()
	h.eventually("the canary's DaemonSet to go", func() error {
		if _, err := h.daemonSet(v1alpha1.CanaryName); err == nil {
			return errors.New("still there")
		}
		return nil
	})
	h.pass(5 * time.Second)
	if after, err = h.isolation(); err != nil || after.UID != before.UID {
		t.Errorf("the policy was removed: %v", err)
	}
	if !slices.Contains(after.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) {
		t.Errorf("the policy types are %v", after.Spec.PolicyTypes)
	}
}
