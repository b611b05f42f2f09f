// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Source is exactly one kind of place where probes start.
//
// +kubebuilder:validation:XValidation:rule="[has(self.pods), has(self.probers), has(self.nodes)].filter(x, x).size() == 1",message="set exactly one of from.pods, from.probers and from.nodes ({} means all of them); a second source is a second path"
type Source struct {
	// pods: workload pods; probes start inside them, in their network
	// namespace, from their address, with their resolv.conf. Needs the
	// prober's level Full.
	// +optional
	Pods *PodsSource `json:"pods,omitempty"`

	// probers: Netladder's prober pods, which stand in the pod network of
	// each node.
	// +optional
	Probers *ProbersSource `json:"probers,omitempty"`

	// nodes: the host network of each node. Needs the prober's level Full.
	// +optional
	Nodes *NodesSource `json:"nodes,omitempty"`
}

// PodsSource selects pods as a peer of a NetworkPolicy does.
type PodsSource struct {
	// namespaceSelector selects namespaces by label; absent means the check's
	// own. Only checks in Netladder's own namespace may set it.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// podSelector selects pods by label; absent means all.
	// +optional
	PodSelector *metav1.LabelSelector `json:"podSelector,omitempty"`
}

// NodesSource selects nodes.
type NodesSource struct {
	// nodeSelector selects nodes by label; absent means all.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`
}

// ProbersSource selects prober pods by their node.
type ProbersSource struct {
	// nodeSelector selects nodes by label; absent means all.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`
}
