// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ConnectivityCheckSpec declares network paths and how often, how patiently
// and how strictly they are tested.
//
// +kubebuilder:validation:XValidation:rule="!has(self.timeout) || [self.timeout, self.interval].exists(d, !d.matches('^([0-9]{1,5}([.][0-9]{1,9})?(h|m|s|ms)){1,4}$')) || duration(self.timeout) < duration(self.interval)",message="timeout must be below interval: lower timeout or raise interval",fieldPath=".timeout"
// +kubebuilder:validation:XValidation:rule="!has(self.timeout) || !self.timeout.matches('^([0-9]{1,5}([.][0-9]{1,9})?(h|m|s|ms)){1,4}$') || self.paths.all(p, !has(p.maxLatency) || !p.maxLatency.matches('^([0-9]{1,5}([.][0-9]{1,9})?(h|m|s|ms)){1,4}$') || duration(p.maxLatency) < duration(self.timeout))",message="maxLatency of every path must be below timeout, or it could never be exceeded: lower maxLatency or raise timeout",fieldPath=".paths"
// +kubebuilder:validation:XValidation:rule="has(self.timeout) || !self.interval.matches('^([0-9]{1,5}([.][0-9]{1,9})?(h|m|s|ms)){1,4}$') || self.paths.all(p, !has(p.maxLatency) || !p.maxLatency.matches('^([0-9]{1,5}([.][0-9]{1,9})?(h|m|s|ms)){1,4}$') || (duration(p.maxLatency) < duration('1s') && duration(p.maxLatency) + duration(p.maxLatency) < duration(self.interval)))",message="maxLatency of every path must be below the timeout, which without spec.timeout is the lesser of 1s and half the interval: lower maxLatency or set timeout",fieldPath=".paths"
type ConnectivityCheckSpec struct {
	// interval between two rounds of probes of a path, 1s to 1h; default 10s.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}([.][0-9]{1,9})?(h|m|s|ms)){1,4}$') && duration(self) >= duration('1s') && duration(self) <= duration('1h')",message="interval must be a duration from 1s to 1h, a number with the unit ms, s, m or h, for example 10s"
	// +default="10s"
	// +optional
	Interval metav1.Duration `json:"interval,omitempty,omitzero"`

	// timeout of one probe, 10ms to 30s and below interval. When absent it is
	// 1s, or half the interval where that is less.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}([.][0-9]{1,9})?(h|m|s|ms)){1,4}$') && duration(self) >= duration('10ms') && duration(self) <= duration('30s')",message="timeout must be a duration from 10ms to 30s, a number with the unit ms, s, m or h, for example 1s"
	// +optional
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// failureThreshold is how many rounds in a row must be bad before a pair
	// of source and target is Failing, 1 to 100; default 2.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +default=2
	// +optional
	FailureThreshold int32 `json:"failureThreshold,omitempty"`

	// successThreshold is how many rounds in a row must be good before a
	// Failing pair is Passing again, 1 to 100; default 1.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +default=1
	// +optional
	SuccessThreshold int32 `json:"successThreshold,omitempty"`

	// severity of a path that breaks; exported on metrics, so that alerts can
	// be routed by it: Critical pages somebody, Warning is looked at in working
	// hours, None alerts nobody. A path may choose its own. Default Warning.
	// +default="Warning"
	// +optional
	Severity Severity `json:"severity,omitempty"`

	// suspend stops all probes of this check while it is true.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// paths that must work, or must not: 1 to 64, each from one kind of source to
	// one kind of target.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=64
	Paths []Path `json:"paths"`
}

// Severity says who has to hear of a broken path, and how soon.
// +kubebuilder:validation:Enum=Critical;Warning;None
type Severity string

const (
	// SeverityCritical pages somebody.
	SeverityCritical Severity = "Critical"
	// SeverityWarning is looked at in working hours.
	SeverityWarning Severity = "Warning"
	// SeverityNone is recorded and alerts nobody.
	SeverityNone Severity = "None"
)

// Expectation says whether a path must work or must be blocked.
// +kubebuilder:validation:Enum=Allow;Deny
type Expectation string

const (
	// ExpectAllow: the target must be reachable from the source.
	ExpectAllow Expectation = "Allow"
	// ExpectDeny: the target must not be reachable from the source, and that
	// something on the way blocks it must be proven: the target listens, and
	// the way to it works for others.
	ExpectDeny Expectation = "Deny"
)

// Path is one declared connection: from these sources, to that target.
//
// +kubebuilder:validation:XValidation:rule="!has(self.http) || has(self.to.service) || has(self.to.pods) || has(self.to.host)",message="http needs to.service, to.pods or to.host: remove http, or aim this path at one of them",fieldPath=".http"
// +kubebuilder:validation:XValidation:rule="!has(self.http) || !has(self.expect) || self.expect != 'Deny'",message="http cannot be combined with expect Deny, which is about the connection itself: remove http",fieldPath=".http"
// +kubebuilder:validation:XValidation:rule="!has(self.http) || !((has(self.to.pods) && has(self.to.pods.protocol) && self.to.pods.protocol != 'TCP') || (has(self.to.host) && has(self.to.host.protocol) && self.to.host.protocol != 'TCP') || (has(self.to.service) && has(self.to.service.protocol) && self.to.service.protocol != 'TCP'))",message="http needs protocol TCP: remove http, or set protocol to TCP",fieldPath=".http"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || has(self.to.service) || has(self.to.pods) || has(self.to.host)",message="tls needs to.service, to.pods or to.host: remove tls, or aim this path at one of them",fieldPath=".tls"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || !has(self.expect) || self.expect != 'Deny'",message="tls cannot be combined with expect Deny, which is about the connection itself: remove tls",fieldPath=".tls"
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || !((has(self.to.pods) && has(self.to.pods.protocol) && self.to.pods.protocol != 'TCP') || (has(self.to.host) && has(self.to.host.protocol) && self.to.host.protocol != 'TCP') || (has(self.to.service) && has(self.to.service.protocol) && self.to.service.protocol != 'TCP'))",message="tls needs protocol TCP: remove tls, or set protocol to TCP",fieldPath=".tls"
// +kubebuilder:validation:XValidation:rule="!has(self.grpc) || has(self.to.service) || has(self.to.pods) || has(self.to.host)",message="grpc needs to.service, to.pods or to.host: remove grpc, or aim this path at one of them",fieldPath=".grpc"
// +kubebuilder:validation:XValidation:rule="!has(self.grpc) || !has(self.expect) || self.expect != 'Deny'",message="grpc cannot be combined with expect Deny, which is about the connection itself: remove grpc",fieldPath=".grpc"
// +kubebuilder:validation:XValidation:rule="!has(self.grpc) || !((has(self.to.pods) && has(self.to.pods.protocol) && self.to.pods.protocol != 'TCP') || (has(self.to.host) && has(self.to.host.protocol) && self.to.host.protocol != 'TCP') || (has(self.to.service) && has(self.to.service.protocol) && self.to.service.protocol != 'TCP'))",message="grpc needs protocol TCP: remove grpc, or set protocol to TCP",fieldPath=".grpc"
// +kubebuilder:validation:XValidation:rule="[has(self.http), has(self.tls), has(self.grpc)].filter(x, x).size() <= 1",message="set at most one of http, tls and grpc; a second layer is a second path. For HTTP over TLS set http.scheme to HTTPS"
// +kubebuilder:validation:XValidation:rule="!has(self.expect) || self.expect != 'Deny' || !(has(self.to.mesh) || has(self.to.dns) || has(self.to.overlay))",message="expect Deny needs to.pods, to.service, to.host, to.nodes or to.apiServer: aim this path at one of them, or set expect to Allow",fieldPath=".expect"
// +kubebuilder:validation:XValidation:rule="!has(self.expect) || self.expect != 'Deny' || !has(self.from.nodes) || has(self.to.pods) || has(self.to.mesh) || has(self.to.dns) || has(self.to.canary) || has(self.to.overlay)",message="expect Deny from.nodes needs to.pods, because for any other target the control would start where the probe does: use from.pods or from.probers",fieldPath=".from"
// +kubebuilder:validation:XValidation:rule="!has(self.to.mesh) || has(self.from.probers)",message="to.mesh needs from.probers, because it is about the pod network of the nodes: set from.probers, or aim at to.pods",fieldPath=".from"
// +kubebuilder:validation:XValidation:rule="!has(self.to.overlay) || has(self.from.nodes)",message="to.overlay needs from.nodes, because tunnels begin in the nodes' host network: set from.nodes",fieldPath=".from"
// +kubebuilder:validation:XValidation:rule="!has(self.to.canary) || has(self.from.probers)",message="to.canary needs from.probers, because each node tests its own canary pod: set from.probers",fieldPath=".from"
// +kubebuilder:validation:XValidation:rule="!has(self.to.canary) || (has(self.expect) && self.expect == 'Deny')",message="to.canary needs expect Deny, because a policy isolates the canary pods: set expect to Deny",fieldPath=".expect"
// +kubebuilder:validation:XValidation:rule="!has(self.to.dns) || !has(self.from.nodes)",message="to.dns needs from.probers or from.pods, which have the resolv.conf of a pod: set one of them",fieldPath=".from"
// +kubebuilder:validation:XValidation:rule="!has(self.tcp) || (has(self.to.pods) && (!has(self.to.pods.protocol) || self.to.pods.protocol == 'TCP')) || (has(self.to.service) && has(self.to.service.via) && self.to.service.via == 'Endpoints' && (!has(self.to.service.protocol) || self.to.service.protocol == 'TCP'))",message="tcp needs to.pods, or to.service with via Endpoints, and protocol TCP, the only targets with a choice of handshake: remove tcp",fieldPath=".tcp"
// +kubebuilder:validation:XValidation:rule="!has(self.tcp) || !(has(self.http) || has(self.tls) || has(self.grpc))",message="http, tls and grpc need a full handshake: remove tcp",fieldPath=".tcp"
type Path struct {
	// name of the path, unique within its check: a DNS label.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="name must consist of lower case letters, digits and '-', and begin and end with a letter or digit, for example frontend-to-api"
	Name string `json:"name"`

	// from: where the probes start; exactly one of pods, probers and nodes.
	// +required
	From Source `json:"from"`

	// to: what the probes aim at; exactly one of its fields.
	// +required
	To Target `json:"to"`

	// expect Allow, the default: the target must be reachable. Deny: it must not
	// be, and that is proven rather than assumed.
	// +default="Allow"
	// +optional
	Expect Expectation `json:"expect,omitempty"`

	// http adds a request on top of the connection; the path works only if
	// the response is as expected.
	// +optional
	HTTP *HTTPLayer `json:"http,omitempty"`

	// tls adds a TLS handshake on top of the connection, and nothing more; the
	// path works only if the certificate is one to trust.
	// +optional
	TLS *TLSLayer `json:"tls,omitempty"`

	// grpc asks the server by the standard health protocol
	// (grpc.health.v1.Health/Check); the path works only if it is SERVING.
	// +optional
	GRPC *GRPCLayer `json:"grpc,omitempty"`

	// tcp chooses how a connection to a pod is tried.
	// +optional
	TCP *TCPLayer `json:"tcp,omitempty"`

	// maxLatency: a good probe slower than this counts as Degraded. 1ms to
	// 30s, and below the timeout.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MaxLength=20
	// +kubebuilder:validation:XValidation:rule="self.matches('^([0-9]{1,5}([.][0-9]{1,9})?(h|m|s|ms)){1,4}$') && duration(self) >= duration('1ms') && duration(self) <= duration('30s')",message="maxLatency must be a duration from 1ms to 30s, a number with the unit ms, s, m or h, for example 250ms"
	// +optional
	MaxLatency *metav1.Duration `json:"maxLatency,omitempty"`

	// severity of this path, where it differs from the check's.
	// +optional
	Severity *Severity `json:"severity,omitempty"`

	// sampling bounds how many pairs a round tests; rotation covers the
	// others over time.
	// +optional
	Sampling *Sampling `json:"sampling,omitempty"`
}

// Sampling bounds the pairs that one round tests.
type Sampling struct {
	// targetsPerSource: how many targets each source tests in one round, 1 to 20;
	// default 3.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20
	// +default=3
	// +optional
	TargetsPerSource int32 `json:"targetsPerSource,omitempty"`

	// sourcesPerNode: how many of the pods of from.pods on one node are
	// sources at a time, 1 to 10; default 2.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	// +default=2
	// +optional
	SourcesPerNode int32 `json:"sourcesPerNode,omitempty"`
}

// ConnectivityCheck declares network paths that must work, and paths that must
// not. Netladder tests them continuously and reports in status which are as
// declared, and which rung of the network is broken where one is not. To wait
// until all are: kubectl wait --for=condition=Ready ccheck/NAME
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ccheck,categories=netladder
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Passing",type=string,JSONPath=`.status.summary.passing`,description="paths that pass, of all"
// +kubebuilder:printcolumn:name="Broken",type=string,JSONPath=`.status.summary.broken`,description="the paths that fail, and those of which nothing can be said"
// +kubebuilder:printcolumn:name="Rung",type=string,JSONPath=`.status.summary.rung`,description="where the first of them is broken, as far as known"
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) < 64 && !self.metadata.name.contains('.')",message="the name of a ConnectivityCheck must be a DNS label of at most 63 characters, for example order-validator: it becomes a metric label"
type ConnectivityCheck struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec: what is declared: the paths, and how often, how patiently and how
	// strictly they are tested.
	// +required
	Spec ConnectivityCheckSpec `json:"spec"`

	// status: what was observed, path by path. Only Netladder writes it.
	// +optional
	Status ConnectivityCheckStatus `json:"status,omitempty"`
}

// ConnectivityCheckList is a list of ConnectivityChecks.
//
// +kubebuilder:object:root=true
type ConnectivityCheckList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ConnectivityCheck `json:"items"`
}
