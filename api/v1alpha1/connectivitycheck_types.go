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

	// paths that must work, or must not.
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
// +kubebuilder:validation:XValidation:rule="!has(self.expect) || self.expect != 'Deny' || !(has(self.to.mesh) || has(self.to.dns))",message="expect Deny needs to.pods, to.service, to.host, to.nodes or to.apiServer: aim this path at one of them, or set expect to Allow",fieldPath=".expect"
// +kubebuilder:validation:XValidation:rule="!has(self.expect) || self.expect != 'Deny' || !has(self.from.nodes) || has(self.to.pods) || has(self.to.mesh) || has(self.to.dns)",message="expect Deny from.nodes needs to.pods, because for any other target the control would start where the probe does: use from.pods or from.probers",fieldPath=".from"
// +kubebuilder:validation:XValidation:rule="!has(self.to.mesh) || has(self.from.probers)",message="to.mesh needs from.probers, because it is about the pod network of the nodes: set from.probers, or aim at to.pods",fieldPath=".from"
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

	// from: where the probes start.
	// +required
	From Source `json:"from"`

	// to: what the probes aim at.
	// +required
	To Target `json:"to"`

	// expect Allow: the target must be reachable. Deny: it must not be, and
	// that is proven rather than assumed.
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

// Target is exactly one kind of thing to probe.
//
// +kubebuilder:validation:XValidation:rule="[has(self.pods), has(self.mesh), has(self.service), has(self.nodes), has(self.host), has(self.dns), has(self.apiServer)].filter(x, x).size() == 1",message="set exactly one of to.pods, to.service, to.mesh, to.nodes, to.host, to.dns and to.apiServer; a second target is a second path"
type Target struct {
	// pods: a port of workload pods, by the pods' own addresses.
	// +optional
	Pods *PodsTarget `json:"pods,omitempty"`

	// nodes: the nodes' own addresses.
	// +optional
	Nodes *NodesTarget `json:"nodes,omitempty"`

	// host: one address or name, inside the cluster or outside.
	// +optional
	Host *HostTarget `json:"host,omitempty"`

	// mesh: Netladder's own echo pods, one on each node.
	// +optional
	Mesh *MeshTarget `json:"mesh,omitempty"`

	// service: a port of a Service, by its cluster IPs or any other way in.
	// +optional
	Service *ServiceTarget `json:"service,omitempty"`

	// dns: a name, asked as a pod would ask it, by the source's resolv.conf.
	// +optional
	DNS *DNSTarget `json:"dns,omitempty"`

	// apiServer: the Kubernetes API server, as pods reach it.
	// +optional
	APIServer *APIServerTarget `json:"apiServer,omitempty"`
}

// Protocol is a transport protocol.
// +kubebuilder:validation:Enum=TCP;UDP
type Protocol string

// The transport protocols.
const (
	ProtocolTCP Protocol = "TCP"
	ProtocolUDP Protocol = "UDP"
)

// PodsTarget is a port of pods, selected as a peer of a NetworkPolicy is.
type PodsTarget struct {
	// namespaceSelector selects namespaces by label; absent means the check's
	// own.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// podSelector selects pods by label.
	// +required
	PodSelector metav1.LabelSelector `json:"podSelector"`

	// port by number, or by the name of a container port of each pod.
	// +required
	// +kubebuilder:validation:XIntOrString
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:XValidation:rule="type(self) == int ? self >= 1 && self <= 65535 : self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$') && !self.matches('^[0-9]+$')",message="pods.port must be a port number from 1 to 65535, for example 5432 without quotes, or the name of a container port, for example postgres"
	Port intstr.IntOrString `json:"port"`

	// protocol of the port; absent means TCP.
	// +optional
	Protocol Protocol `json:"protocol,omitempty"`
}

// NodesTarget is the addresses of nodes: pinged, or a port of them.
//
// +kubebuilder:validation:XValidation:rule="has(self.port) || !has(self.protocol)",message="protocol needs a port: set port, or remove protocol to ping the nodes by ICMP"
type NodesTarget struct {
	// nodeSelector selects nodes by label; absent means all.
	// +optional
	NodeSelector *metav1.LabelSelector `json:"nodeSelector,omitempty"`

	// port on the nodes; without one they are pinged by ICMP.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	// +optional
	Port int32 `json:"port,omitempty"`

	// protocol of the port; absent means TCP.
	// +optional
	Protocol Protocol `json:"protocol,omitempty"`
}

// HostTarget is a port of one host.
//
// +kubebuilder:validation:XValidation:rule="has(self.ip) != has(self.hostname)",message="set exactly one of host.ip and host.hostname"
type HostTarget struct {
	// ip address, IPv4 or IPv6; not loopback, unspecified or multicast.
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=45
	// +kubebuilder:validation:XValidation:rule="isIP(self) && !ip(self).isLoopback() && !ip(self).isUnspecified() && !ip(self).isLinkLocalMulticast() && !self.startsWith('224.') && !self.matches('^2(2[4-9]|3[0-9])[.]') && !self.matches('^[fF][fF]')",message="host.ip must be an IPv4 or IPv6 address that is neither loopback nor unspecified nor multicast, for example 169.254.169.254"
	// +optional
	IP string `json:"ip,omitempty"`

	// hostname to resolve by the source's own resolv.conf. What it resolves
	// to may be neither loopback nor unspecified nor multicast.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?([.][A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?)*[.]?$') && !self.matches('^[0-9.]+$')",message="host.hostname must be a domain name, for example db.example.com; an address goes to host.ip"
	// +optional
	Hostname string `json:"hostname,omitempty"`

	// port number.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port"`

	// protocol of the port; absent means TCP.
	// +optional
	Protocol Protocol `json:"protocol,omitempty"`
}

// Handshake says how far a TCP connection is made.
// +kubebuilder:validation:Enum=HalfOpen;Full
type Handshake string

const (
	// HandshakeHalfOpen sends the first packet and takes the answer for it: the
	// application at the target never sees a connection.
	HandshakeHalfOpen Handshake = "HalfOpen"
	// HandshakeFull connects, and resets the connection at once.
	HandshakeFull Handshake = "Full"
)

// TCPLayer says how a connection is tried.
type TCPLayer struct {
	// handshake: HalfOpen leaves the application alone; Full connects as a
	// client does. Where it is absent, a prober that can makes half-open ones.
	// +required
	Handshake Handshake `json:"handshake"`
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

// ServiceVia is a way into a Service.
// +kubebuilder:validation:Enum=ClusterIP;NodePort;LoadBalancer;Endpoints
type ServiceVia string

// The ways into a Service.
const (
	// ViaClusterIP is each cluster IP.
	ViaClusterIP ServiceVia = "ClusterIP"
	// ViaNodePort is the nodePort on the InternalIPs of each node, the source's
	// own among them. With externalTrafficPolicy Local other nodes than those
	// with a ready endpoint drop what comes in by design: they are no targets.
	ViaNodePort ServiceVia = "NodePort"
	// ViaLoadBalancer is each IP in status.loadBalancer.ingress; where there is
	// none, the first of the hostnames there. An IP with ipMode VIP is mostly
	// answered by the source's own node and never sees the load balancer; one
	// with ipMode Proxy goes through it.
	ViaLoadBalancer ServiceVia = "LoadBalancer"
	// ViaEndpoints is each endpoint by its own address, without the Service.
	ViaEndpoints ServiceVia = "Endpoints"
)

// ServiceTarget is one port of a Service. One of type ExternalName is the name
// that it stands for, resolved by the source's resolv.conf.
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

	// protocol of the port; absent means TCP.
	// +optional
	Protocol Protocol `json:"protocol,omitempty"`

	// via: the way in. Absent means the cluster IPs; for a headless Service its
	// endpoints one by one, for one of type ExternalName the name.
	// +optional
	Via ServiceVia `json:"via,omitempty"`
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

// HTTPScheme says whether a request goes over TLS.
// +kubebuilder:validation:Enum=HTTP;HTTPS
type HTTPScheme string

// The schemes of an HTTP probe.
const (
	SchemeHTTP  HTTPScheme = "HTTP"
	SchemeHTTPS HTTPScheme = "HTTPS"
)

// HTTPLayer is an HTTP/1.1 request. Redirects are not followed.
//
// +kubebuilder:validation:XValidation:rule="!has(self.tls) || (has(self.scheme) && self.scheme == 'HTTPS')",message="http.tls needs scheme HTTPS: set http.scheme to HTTPS, or remove http.tls",fieldPath=".tls"
type HTTPLayer struct {
	// scheme of the request; HTTPS verifies the server's certificate.
	// +default="HTTP"
	// +optional
	Scheme HTTPScheme `json:"scheme,omitempty"`

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

	// tls says how the certificate is verified, with scheme HTTPS.
	// +optional
	TLS *TLSLayer `json:"tls,omitempty"`
}

// MaxCABundle is how many bytes a TLSLayer's CABundle has at most: every node
// that a path starts on holds it.
const MaxCABundle = 8192

// TLSLayer says how the certificate of a server is verified. TLS 1.2 and 1.3
// are spoken, and no client certificate is shown.
//
// +kubebuilder:validation:XValidation:rule="!has(self.caBundle) || !has(self.insecureSkipVerify) || !self.insecureSkipVerify",message="caBundle has no effect with insecureSkipVerify, which trusts every certificate: remove one of them",fieldPath=".caBundle"
type TLSLayer struct {
	// serverName that the certificate must be for, and that is asked for by SNI.
	// Absent means the name in http.host; else to.host.hostname; else, for a
	// Service, NAME.NAMESPACE.svc; else the address that is dialled.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[A-Za-z0-9]([-A-Za-z0-9_]{0,61}[A-Za-z0-9])?([.][A-Za-z0-9]([-A-Za-z0-9_]{0,61}[A-Za-z0-9])?)*$') || isIP(self)",message="serverName must be a domain name or an IP address that the certificate is for, without a port, for example shop.example.com"
	// +optional
	ServerName string `json:"serverName,omitempty"`

	// caBundle: the certificate authorities to trust instead of the public ones,
	// as certificates in PEM. Whoever may read the check may read them.
	// +kubebuilder:validation:MaxLength=8192
	// +kubebuilder:validation:XValidation:rule="self.startsWith('-----BEGIN CERTIFICATE-----')",message="caBundle must be certificates in PEM and begin with -----BEGIN CERTIFICATE-----"
	// +optional
	CABundle string `json:"caBundle,omitempty"`

	// insecureSkipVerify takes any certificate, an expired one too: the path
	// then says nothing about who answers.
	// +optional
	InsecureSkipVerify bool `json:"insecureSkipVerify,omitempty"`
}

// GRPCLayer is a question by the standard gRPC health protocol.
type GRPCLayer struct {
	// service to ask about; absent means the server as a whole.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="self.matches('^[!-~]*$')",message="grpc.service must hold no spaces or control characters, for example shop.v1.Inventory"
	// +optional
	Service string `json:"service,omitempty"`

	// tls: the connection is made by TLS; {} verifies the certificate by
	// default. Absent means in the clear.
	// +optional
	TLS *TLSLayer `json:"tls,omitempty"`
}

// Sampling bounds the pairs that one round tests.
type Sampling struct {
	// targetsPerSource: how many targets each source tests in one round.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=20
	// +default=3
	// +optional
	TargetsPerSource int32 `json:"targetsPerSource,omitempty"`

	// sourcesPerNode: how many of the pods of from.pods on one node are
	// sources at a time.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=10
	// +default=2
	// +optional
	SourcesPerNode int32 `json:"sourcesPerNode,omitempty"`
}

// ConnectivityCheck declares network paths that must work, and paths that must
// not. Netladder tests them continuously and reports in status which are as
// declared.
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
