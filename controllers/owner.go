// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	coordinationv1client "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// ownRole is the controller's own ClusterRole, which owns what the controller
// writes outside of its namespace: the garbage collector removes that with it,
// however Netladder is uninstalled. See docs/adr/0012-owned-by-its-role.md.
type ownRole struct {
	// live reads past the cache.
	live  client.Reader
	clock clock.PassiveClock
	// name of the role; empty means that there is no owner.
	name string

	mu   sync.Mutex
	uid  types.UID
	read time.Time
}

// How old what is known of the role may be. One that was deleted and made anew
// is another owner, and what the old one owned is collected.
const (
	ownRoleAge = time.Minute
	// ownRoleAgeAnew where something has to be made anew.
	ownRoleAgeAnew = 2 * time.Second
)

// get returns the UID of the role; empty where there is none or it may not be
// read, for that must not keep anything from being tested. anew says that an
// object is not there, which may be because the role is not.
func (o *ownRole) get(ctx context.Context, anew bool) (types.UID, error) {
	if o.name == "" {
		return "", nil
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	limit := ownRoleAge
	if anew {
		limit = ownRoleAgeAnew
	}
	if !o.read.IsZero() && o.clock.Since(o.read) < limit {
		return o.uid, nil
	}
	var role rbacv1.ClusterRole
	err := o.live.Get(ctx, types.NamespacedName{Name: o.name}, &role)
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) {
		return "", fmt.Errorf("reading the controller's own ClusterRole %s, which owns what it writes: %w", o.name, err)
	}
	o.uid, o.read = role.UID, o.clock.Now()
	return o.uid, nil
}

// reference to the role of that UID; none where that is empty.
func (o *ownRole) reference(uid types.UID) []*metav1ac.OwnerReferenceApplyConfiguration {
	if uid == "" {
		return nil
	}
	return []*metav1ac.OwnerReferenceApplyConfiguration{
		metav1ac.OwnerReference().WithAPIVersion(rbacv1.SchemeGroupVersion.String()).WithKind("ClusterRole").WithName(o.name).WithUID(uid),
	}
}

// ownedBy says whether an object is owned by that UID alone, or need not be.
func ownedBy(owners []metav1.OwnerReference, uid types.UID) bool {
	return uid == "" || len(owners) == 1 && owners[0].UID == uid
}

// ownedLeases make the Lease of the election the Deployment's, as everything
// else in the controller's namespace is.
type ownedLeases struct {
	coordinationv1client.LeasesGetter
	owner func(context.Context) (*appsv1.Deployment, error)
}

// Leases implements coordinationv1client.LeasesGetter.
func (l ownedLeases) Leases(namespace string) coordinationv1client.LeaseInterface {
	return ownedLeasesOf{LeaseInterface: l.LeasesGetter.Leases(namespace), owner: l.owner}
}

type ownedLeasesOf struct {
	coordinationv1client.LeaseInterface
	owner func(context.Context) (*appsv1.Deployment, error)
}

// Create makes the Lease. That there is a leader matters more than that the
// Lease goes with the Deployment.
func (l ownedLeasesOf) Create(ctx context.Context, lease *coordinationv1.Lease, options metav1.CreateOptions) (*coordinationv1.Lease, error) {
	if deployment, err := l.owner(ctx); err == nil {
		lease.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: appsv1.SchemeGroupVersion.String(), Kind: "Deployment", Name: deployment.Name, UID: deployment.UID,
		}}
	}
	return l.LeaseInterface.Create(ctx, lease, options)
}

// applied says whether the controller applies an object, as the API server
// remembers it.
func applied(object client.Object) bool {
	return slices.ContainsFunc(object.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool {
		return f.Manager == v1alpha1.FieldOwnerController && f.Operation == metav1.ManagedFieldsOperationApply
	})
}

// declaredElsewhere says whether somebody else applies it, from a repository for
// example: to delete it would only have it come back.
func declaredElsewhere(object client.Object) bool {
	_, byClient := object.GetAnnotations()[corev1.LastAppliedConfigAnnotation]
	return byClient || slices.ContainsFunc(object.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool {
		return f.Manager != v1alpha1.FieldOwnerController && f.Operation == metav1.ManagedFieldsOperationApply && f.Subresource == ""
	})
}
