// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is Netladder's API: the ConnectivityCheck that users write
// and the ProbeAssignment through which the controller and the probers meet.
//
// +kubebuilder:object:generate=true
// +kubebuilder:ac:generate=true
// +groupName=netladder.io
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupVersion is the group and version of every type in this package.
var GroupVersion = schema.GroupVersion{Group: "netladder.io", Version: "v1alpha1"}

// SchemeGroupVersion is GroupVersion under the name that generated code uses.
var SchemeGroupVersion = GroupVersion

// AddToScheme registers the types of this package with a scheme.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&ConnectivityCheck{}, &ConnectivityCheckList{},
		&ProbeAssignment{}, &ProbeAssignmentList{},
		&NetworkPolicyAudit{}, &NetworkPolicyAuditList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
}

// Resource returns the GroupResource of a resource of this group; generated
// code asks for it.
func Resource(resource string) schema.GroupResource {
	return GroupVersion.WithResource(resource).GroupResource()
}
