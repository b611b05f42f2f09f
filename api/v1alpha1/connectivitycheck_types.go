// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// ConnectivityCheckSpec declares network paths and how often, how patiently
// and how strictly they are tested.
//
// +kubebuilder:validation:XValidation:rule="!has(self.timeout) || [self.timeout, self.interval].exists(d, !d.matches('^([0-9]{1,5}([.][0-9]{1,9})?(h|m|s|ms)){1,4}$')) || duration(self.timeout) < duration(self.interval)",message="timeout must be below interval: lower timeout or raise interval",fieldPath=".timeout"
// +kubebuilder:validation:XValidation:rule="!has(self.timeout) || !self.timeout.matches('^([0-9]{1,5}([.][0-9]{1,9})?(h|m|s|ms)){1,4}$') || self.paths.all(p, !has(p.maxLatency) || !p.maxLatency.matches('^([0-9]{1,5}([.][0-9]{1,9})?(h|m|s|ms)){1,4}$') || duration(p.maxLatency) < duration(self.timeout))",message="maxLatency of every path must be below timeout, or it could never be exceeded: lower maxLatency or raise timeout",fieldPath=".paths"
// +kubebuilder:validation:XValidation:rule="has(self.timeout) || !self.interval.matches('^([0-9]{1,5}([.][0-9]{1,9})?(h|m|s|ms)){1,4}$') || self.paths.all(p, !has(p.maxLatency) || !p.maxLatency.matches('^([0-9]{1,5}([.][0-9]{1,9})?(h|m|s|ms)){1,4}$') || (duration(p.maxLatency) < duration('1s') && duration(p.maxLatency) + duration(p.maxLatency) < duration(self.interval)))",message="maxLatency of every path must be below the timeout, which without spec.timeout is the lesser of 1s and half the interval: lower maxLatency or set timeout",fieldPath=".paths"
type ConnectivityCheckSpec struct {
	// interval between two rounds of probes of a path, 1s to 1h.
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
	// of source and target is Failing.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +default=2
	// +optional
	FailureThreshold int32 `json:"failureThreshold,omitempty"`

	// successThreshold is how many rounds in a row must be good before a
	// Failing pair is Passing again.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	// +default=1
	// +optional
	SuccessThreshold int32 `json:"successThreshold,omitempty"`

	// severity of a path that breaks; exported on metrics, so that alerts can
	// be routed by it. A path may choose its own.
	// +default="Warning"
	// +optional
	Severity Severity `json:"severity,omitempty"`

	// suspend stops all probes of this check while it is true.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// paths that must work.
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
// +kubebuilder:validation:Enum=Allow
type Expectation string

// ExpectAllow: the target must be reachable from the source.
const ExpectAllow Expectation = "Allow"

// Path is one declared connection: from these sources, to that target.
//
// +kubebuilder:validation:XValidation:rule="!has(self.http) || has(self.to.service)",message="http needs to.service: remove http, or aim this path at a service",fieldPath=".http"
type Path struct {
	// name of the path, unique within its check: a DNS label.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="name must consist of lower case letters, digits and '-', and begin and end with a letter or digit, for example frontend-to-api"
	Name string `json:"name"`

	// from: where the probes start.
	// +required
	From Source `json:"from"`

	// to: what the probes aim at.
	// +required
	To Target `json:"to"`

	// expect Allow: the target must be reachable.
	// +default="Allow"
	// +optional
	Expect Expectation `json:"expect,omitempty"`

	// http adds a request on top of the connection; the path works only if
	// the response is as expected.
	// +optional
	HTTP *HTTPLayer `json:"http,omitempty"`

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

// Source is exactly one kind of place where probes start.
//
// +kubebuilder:validation:XValidation:rule="has(self.probers)",message="set from.probers ({} means every node), the only source of this version"
type Source struct {
	// probers: Netladder's prober pods, which stand in the pod network of
	// each node.
	// +optional
	Probers *ProbersSource `json:"probers,omitempty"`
}

// ProbersSource selects prober pods by their node.
type ProbersSource struct {
	// nodeSelector selects nodes by label; absent means all.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`
}

// Target is exactly one kind of thing to probe.
//
// +kubebuilder:validation:XValidation:rule="[has(self.mesh), has(self.service), has(self.dns), has(self.apiServer)].filter(x, x).size() == 1",message="set exactly one of to.mesh, to.service, to.dns and to.apiServer; a second target is a second path"
type Target struct {
	// mesh: Netladder's own echo pods, one on each node.
	// +optional
	Mesh *MeshTarget `json:"mesh,omitempty"`

	// service: a Service by its cluster IPs; a headless Service by its
	// endpoints one by one.
	// +optional
	Service *ServiceTarget `json:"service,omitempty"`

	// dns: a name, asked as a pod would ask it, by the source's resolv.conf.
	// +optional
	DNS *DNSTarget `json:"dns,omitempty"`

	// apiServer: the Kubernetes API server, as pods reach it.
	// +optional
	APIServer *APIServerTarget `json:"apiServer,omitempty"`
}

// MeshScope says which pairs of nodes belong to a mesh.
// +kubebuilder:validation:Enum=SameNode;CrossNode;Any
type MeshScope string

const (
	// MeshScopeSameNode pairs every source with the echo pod of its own node.
	MeshScopeSameNode MeshScope = "SameNode"
	// MeshScopeCrossNode pairs every source with echo pods of other nodes.
	MeshScopeCrossNode MeshScope = "CrossNode"
	// MeshScopeAny is both.
	MeshScopeAny MeshScope = "Any"
)

// MeshProtocol is a protocol that echo pods answer.
// +kubebuilder:validation:Enum=TCP;UDP;ICMP
type MeshProtocol string

// The protocols of a mesh.
const (
	MeshTCP  MeshProtocol = "TCP"
	MeshUDP  MeshProtocol = "UDP"
	MeshICMP MeshProtocol = "ICMP"
)

// MeshTarget selects echo pods by their node, and what to ask them.
type MeshTarget struct {
	// nodeSelector selects the target nodes by label; absent means all.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`

	// scope says which pairs of nodes are tested.
	// +default="Any"
	// +optional
	Scope MeshScope `json:"scope,omitempty"`

	// protocols to test; each is a pair of its own.
	// +default=["TCP"]
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=3
	// +optional
	Protocols []MeshProtocol `json:"protocols,omitempty"`
}

// ServiceTarget is one TCP port of a Service.
type ServiceTarget struct {
	// name of the Service.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="service.name must be the name of a Service alone, for example inventory-service; its namespace goes to service.namespace"
	Name string `json:"name"`

	// namespace of the Service; absent means the check's own.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",message="service.namespace must be the name of a namespace, for example commerce"
	// +optional
	Namespace string `json:"namespace,omitempty"`

	// port of the Service, by number or by name.
	// +required
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 65535 : self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && !self.matches('^[0-9]+$')",message="service.port must be a port number from 1 to 65535, for example 8080 without quotes, or the name of a port of the Service, for example http"
	Port intstr.IntOrString `json:"port"`
}

// DNSTransport is the transport of a DNS query.
// +kubebuilder:validation:Enum=UDP;TCP
type DNSTransport string

// The transports of a DNS query.
const (
	DNSOverUDP DNSTransport = "UDP"
	DNSOverTCP DNSTransport = "TCP"
)

// DNSRecordType is the type of the record that is asked for.
// +kubebuilder:validation:Enum=A;AAAA
type DNSRecordType string

// The record types that can be asked for.
const (
	DNSTypeA    DNSRecordType = "A"
	DNSTypeAAAA DNSRecordType = "AAAA"
)

// DNSTarget is a question to the DNS.
type DNSTarget struct {
	// name to look up. Without a trailing dot the search list of the source's
	// resolv.conf applies, as for any program in a pod.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?([.][A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?)*[.]?$')",message="dns.name must be a domain name, for example kubernetes.default.svc.cluster.local."
	Name string `json:"name"`

	// type of the record.
	// +default="A"
	// +optional
	Type DNSRecordType `json:"type,omitempty"`

	// transport of the query.
	// +default="UDP"
	// +optional
	Transport DNSTransport `json:"transport,omitempty"`
}

// APIServerTarget is the Kubernetes API server behind the Service
// default/kubernetes. It has no fields yet.
type APIServerTarget struct{}

// HTTPMethod is a method that changes nothing at the target.
// +kubebuilder:validation:Enum=GET;HEAD
type HTTPMethod string

// The methods of an HTTP probe.
const (
	HTTPGet  HTTPMethod = "GET"
	HTTPHead HTTPMethod = "HEAD"
)

// HTTPLayer is a plain HTTP/1.1 request. Redirects are not followed.
type HTTPLayer struct {
	// path of the request, with an optional query.
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:XValidation:rule="self.matches('^/[!-~]*$')",message="http.path must begin with '/' and hold no spaces or control characters, for example /healthz"
	// +default="/"
	// +optional
	Path string `json:"path,omitempty"`

	// host is the Host header; absent means the address that is dialled.
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([-A-Za-z0-9._:]*[A-Za-z0-9])?$')",message="http.host must be a host name with an optional port, for example shop.example.com"
	// +optional
	Host string `json:"host,omitempty"`

	// method of the request.
	// +default="GET"
	// +optional
	Method HTTPMethod `json:"method,omitempty"`

	// expectedStatuses: the status codes that are good. Absent means 200 to
	// 399, as for the kubelet's probes.
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:Minimum=100
	// +kubebuilder:validation:items:Maximum=599
	// +optional
	ExpectedStatuses []int32 `json:"expectedStatuses,omitempty"`
}

// Sampling bounds the pairs that one round tests.
type Sampling struct {
	// targetsPerSource: how many targets each source tests in one round.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20
	// +default=3
	// +optional
	TargetsPerSource int32 `json:"targetsPerSource,omitempty"`
}

// ConnectivityCheck declares network paths that must work. Netladder tests
// them continuously and reports in status which do.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=ccheck,categories=netladder
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Passing",type=string,JSONPath=`.status.summary.passing`,description="paths that pass, of all"
// +kubebuilder:printcolumn:name="Broken",type=string,JSONPath=`.status.summary.broken`,description="the paths that fail"
// +kubebuilder:printcolumn:name="Reason",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) < 64 && !self.metadata.name.contains('.')",message="the name of a ConnectivityCheck must be a DNS label of at most 63 characters, for example order-validator: it becomes a metric label"
type ConnectivityCheck struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec: what is declared.
	// +required
	Spec ConnectivityCheckSpec `json:"spec"`

	// status: what was observed.
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
