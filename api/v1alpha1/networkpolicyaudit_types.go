// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Names around the audit of NetworkPolicies.
const (
	// AuditName is the name of the NetworkPolicyAudit of each namespace.
	AuditName = "netladder"
	// LabelMonitoring on a namespace with the value "true" says that its pods
	// collect metrics, with "false" that they do not.
	LabelMonitoring = "netladder.io/monitoring"
	// MaxFindings in one NetworkPolicyAudit.
	MaxFindings = 50
)

// FindingCode says what is the matter with a NetworkPolicy. docs/findings.md
// describes each.
type FindingCode string

const (
	// FindingSelectsNoPod: the podSelector of a policy matches no pod, so that it
	// protects nothing.
	FindingSelectsNoPod FindingCode = "SelectsNoPod"
	// FindingEgressWithoutDNS: pods that a policy isolates for egress may not ask
	// the cluster's DNS.
	FindingEgressWithoutDNS FindingCode = "EgressWithoutDNS"
	// FindingMonitoringCutOff: pods with a port for metrics admit nobody of the
	// monitoring namespace to it.
	FindingMonitoringCutOff FindingCode = "MonitoringCutOff"
	// FindingPeersReadAsOr: a list of peers has a namespaceSelector and a
	// podSelector as two items, either of which admits, where one item with both
	// was probably meant.
	FindingPeersReadAsOr FindingCode = "PeersReadAsOr"
	// FindingPeerMatchesNothing: a peer of a rule matches no namespace or no pod.
	FindingPeerMatchesNothing FindingCode = "PeerMatchesNothing"
	// FindingPortMatchesNothing: no pod that a rule is about has the named port.
	FindingPortMatchesNothing FindingCode = "PortMatchesNothing"
	// FindingPodsNotCovered: pods that no policy selects, in a namespace where
	// policies isolate others.
	FindingPodsNotCovered FindingCode = "PodsNotCovered"
)

// FindingCodes are all of them.
func FindingCodes() []FindingCode {
	return []FindingCode{
		FindingSelectsNoPod, FindingEgressWithoutDNS, FindingMonitoringCutOff, FindingPeersReadAsOr,
		FindingPeerMatchesNothing, FindingPortMatchesNothing, FindingPodsNotCovered,
	}
}

// FindingSeverity says how likely a finding is a mistake.
// +kubebuilder:validation:Enum=Warning;Info
type FindingSeverity string

const (
	// FindingWarning: something does not work, or is not protected, as the
	// policy's author must have meant it.
	FindingWarning FindingSeverity = "Warning"
	// FindingInfo: worth knowing, and may be meant.
	FindingInfo FindingSeverity = "Info"
)

// Condition type and reasons of a NetworkPolicyAudit.
const (
	// ConditionClean is False while there are findings.
	ConditionClean = "Clean"
	// ReasonNoFindings: nothing is the matter, or what is was silenced.
	ReasonNoFindings = "NoFindings"
	// ReasonFindings: the message says how many there are, by code.
	ReasonFindings = "Findings"
)

// NetworkPolicyAuditStatus is what was found out about the NetworkPolicies of a
// namespace.
type NetworkPolicyAuditStatus struct {
	// conditions: Clean.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:XValidation:rule="self.all(c, c.lastTransitionTime >= timestamp('1900-01-01T00:00:00Z') && c.lastTransitionTime < timestamp('2200-01-01T00:00:00Z'))",message="lastTransitionTime must be a time from 1900 to 2199, for example 2026-01-31T12:00:00Z"
	Conditions []metav1.Condition `json:"conditions,omitempty"`

	// summary of the findings for a person who lists audits.
	// +optional
	Summary *AuditSummary `json:"summary,omitempty"`

	// findings, the most serious first, 50 at most.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=50
	Findings []PolicyFinding `json:"findings,omitempty"`

	// cut: how many more findings there are than findings shows.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000000
	Cut int32 `json:"cut,omitempty"`
}

// AuditSummary counts what was audited and found.
type AuditSummary struct {
	// policies: how many NetworkPolicies the namespace has.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000000
	Policies int32 `json:"policies"`

	// findings: how many there are.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=100000000
	Findings int32 `json:"findings"`

	// worst severity among them; absent without any.
	// +optional
	Worst FindingSeverity `json:"worst,omitempty"`

	// codes that were found, separated by commas.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Codes string `json:"codes,omitempty"`
}

// PolicyFinding is one thing that is the matter with a policy or a namespace.
type PolicyFinding struct {
	// id of the finding: the same as long as it is about the same clause of the
	// same policy.
	// +required
	// +kubebuilder:validation:MaxLength=32
	ID string `json:"id"`

	// code says what is the matter, one of the documented codes.
	// +required
	// +kubebuilder:validation:MaxLength=63
	Code FindingCode `json:"code"`

	// severity: how likely it is a mistake.
	// +required
	Severity FindingSeverity `json:"severity"`

	// policy that it is about, by name; absent if it is about the namespace.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Policy string `json:"policy,omitempty"`

	// clause of the policy, for example spec.ingress[0].from[1]; absent if it is
	// about the policy as a whole.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	Clause string `json:"clause,omitempty"`

	// message: what is the matter, and what to write instead.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message"`

	// since: when it was first reported.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Format=date-time
	// +kubebuilder:validation:Pattern=`^(19|20|21)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z$`
	Since metav1.Time `json:"since,omitempty,omitzero"`
}

// NetworkPolicyAudit says what is the matter with the NetworkPolicies of its
// namespace. Netladder keeps one, named netladder, in every namespace that has
// NetworkPolicies, where the audit is on.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=npaudit,categories=netladder
// +kubebuilder:printcolumn:name="Findings",type=integer,JSONPath=`.status.summary.findings`
// +kubebuilder:printcolumn:name="Worst",type=string,JSONPath=`.status.summary.worst`
// +kubebuilder:printcolumn:name="Codes",type=string,JSONPath=`.status.summary.codes`
// +kubebuilder:printcolumn:name="Policies",type=integer,priority=1,JSONPath=`.status.summary.policies`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type NetworkPolicyAudit struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// status: what was found.
	// +optional
	Status NetworkPolicyAuditStatus `json:"status,omitempty"`
}

// NetworkPolicyAuditList is a list of NetworkPolicyAudits.
//
// +kubebuilder:object:root=true
type NetworkPolicyAuditList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []NetworkPolicyAudit `json:"items"`
}
