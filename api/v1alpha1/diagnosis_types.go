// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Rung of the network, on the ladder from a name to the wire.
// +kubebuilder:validation:Enum=Policy
type Rung string

const (
	// RungPolicy: NetworkPolicies.
	RungPolicy Rung = "Policy"
)

// PathDiagnosis says why a path fails. There is none where nothing can be said
// with certainty.
type PathDiagnosis struct {
	// rung of the network that is broken.
	// +required
	Rung Rung `json:"rung"`

	// reason, one of the documented reasons, such as PolicyDenies.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason"`

	// message: one sentence that names the objects and the next step.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Message string `json:"message,omitempty"`

	// policies that decide, as far as the check may see them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Policies []DecidingPolicy `json:"policies,omitempty"`
}

// PolicyDirection is the direction of a NetworkPolicy, seen from the pods that
// it selects.
// +kubebuilder:validation:Enum=Ingress;Egress
type PolicyDirection string

const (
	// PolicyIngress is to the pods that a policy selects.
	PolicyIngress PolicyDirection = "Ingress"
	// PolicyEgress is from them.
	PolicyEgress PolicyDirection = "Egress"
)

// DecidingPolicy is a NetworkPolicy that decides whether something gets through.
type DecidingPolicy struct {
	// namespace of the policy.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`

	// name of the policy; absent where the check may not see it: its namespace
	// then stands for all policies there.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	Name string `json:"name,omitempty"`

	// direction in which it decides.
	// +required
	Direction PolicyDirection `json:"direction"`

	// managedBy: what will overwrite a change by hand, such as "Helm release
	// shop"; absent where nothing is known to.
	// +kubebuilder:validation:MaxLength=256
	// +optional
	ManagedBy string `json:"managedBy,omitempty"`
}
