// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// TestOtherConfigMapsStayUnread: the role allows what the informer of the fleet
// asks for, and no other ConfigMap of the namespace.
func TestOtherConfigMapsStayUnread(t *testing.T) {
	h := newCluster(t)
	role := &rbacv1.Role{}
	manifest(t, role, 1, "rbac", "role.yaml")
	role.Namespace = h.namespace
	h.create(role)
	user := rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: "controller-of-" + h.namespace}
	h.create(&rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: h.namespace, Name: "controller"}, Subjects: []rbacv1.Subject{user},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: role.Name},
	})
	config := rest.CopyConfig(apiServer)
	config.Impersonate = rest.ImpersonationConfig{UserName: user.Name}
	c, err := client.NewWithWatch(config, client.Options{Scheme: h.client.Scheme()})
	must(t, err)

	fleet := &client.ListOptions{
		Namespace: h.namespace, FieldSelector: fields.OneTermEqualSelector("metadata.name", v1alpha1.FleetName),
	}
	h.done = make(chan error) // no controller runs
	h.eventually("the fleet to be readable", func() error { return c.List(t.Context(), &corev1.ConfigMapList{}, fleet) })
	w, err := c.Watch(t.Context(), &corev1.ConfigMapList{}, fleet)
	must(t, err)
	w.Stop()
	if err := c.List(t.Context(), &corev1.ConfigMapList{}, client.InNamespace(h.namespace)); !apierrors.IsForbidden(err) {
		t.Errorf("listing all ConfigMaps: %v", err)
	}
	other := client.ObjectKey{Namespace: h.namespace, Name: "kube-root-ca.crt"}
	if err := c.Get(t.Context(), other, &corev1.ConfigMap{}); !apierrors.IsForbidden(err) {
		t.Errorf("reading another ConfigMap: %v", err)
	}
}
