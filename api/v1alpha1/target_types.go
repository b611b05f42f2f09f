// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Target is exactly one kind of thing to probe.
//
// +kubebuilder:validation:XValidation:rule="[has(self.pods), has(self.mesh), has(self.service), has(self.nodes), has(self.host), has(self.dns), has(self.apiServer), has(self.canary), has(self.overlay)].filter(x, x).size() == 1",message="set exactly one of to.pods, to.service, to.mesh, to.nodes, to.host, to.dns, to.apiServer, to.canary and to.overlay; a second target is a second path"
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
	// +kubebuilder:validation:XValidation:rule="self.type == 'PTR' || !isIP(self.name)",message="dns.name can be an address only with type PTR: set type to PTR, or name to a domain name"
	// +kubebuilder:validation:XValidation:rule="!has(self.answers) || self.type != 'A' || self.answers.all(a, isIP(a) && ip(a).family() == 4)",message="dns.answers of type A must be IPv4 addresses, for example 10.96.0.1"
	// +kubebuilder:validation:XValidation:rule="!has(self.answers) || self.type != 'AAAA' || self.answers.all(a, isIP(a) && ip(a).family() == 6)",message="dns.answers of type AAAA must be IPv6 addresses, for example fd00::1"
	// +kubebuilder:validation:XValidation:rule="!has(self.answers) || !(self.type in ['CNAME', 'PTR', 'NS', 'MX']) || self.answers.all(a, a.matches('^[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?([.][A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?)*[.]?$'))",message="dns.answers of types CNAME, PTR, NS and MX must be domain names, for example db.example.com"
	// +kubebuilder:validation:XValidation:rule="!has(self.answers) || self.type != 'SRV' || self.answers.all(a, a.matches('^[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?([.][A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?)*[.]?:[1-9][0-9]{0,4}$'))",message="dns.answers of type SRV must be the target and its port, for example web-0.web.shop.svc.cluster.local:8080"
	// +optional
	DNS *DNSTarget `json:"dns,omitempty"`

	// apiServer: the Kubernetes API server, as pods reach it.
	// +optional
	APIServer *APIServerTarget `json:"apiServer,omitempty"`

	// canary: Netladder's own canary pods, one on each node, which a
	// NetworkPolicy isolates: whether the node enforces policies at all.
	// Checks in Netladder's own namespace only.
	// +optional
	Canary *CanaryTarget `json:"canary,omitempty"`

	// overlay: the tunnels of the cluster's network between the nodes that are
	// the sources. Checks in Netladder's own namespace only.
	// +optional
	Overlay *OverlayTarget `json:"overlay,omitempty"`
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

	// scope says which pairs of nodes are tested; default Any.
	// +default="Any"
	// +optional
	Scope MeshScope `json:"scope,omitempty"`

	// protocols to test; each is a pair of its own. Default TCP.
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
// +kubebuilder:validation:Enum=A;AAAA;CNAME;SRV;PTR;TXT;NS;MX
type DNSRecordType string

// The record types that can be asked for.
const (
	DNSTypeA     DNSRecordType = "A"
	DNSTypeAAAA  DNSRecordType = "AAAA"
	DNSTypeCNAME DNSRecordType = "CNAME"
	DNSTypeSRV   DNSRecordType = "SRV"
	DNSTypePTR   DNSRecordType = "PTR"
	DNSTypeTXT   DNSRecordType = "TXT"
	DNSTypeNS    DNSRecordType = "NS"
	DNSTypeMX    DNSRecordType = "MX"
)

// DNSResolver says which servers are asked.
// +kubebuilder:validation:Enum=PodDefault;ClusterDNS;EachReplica
type DNSResolver string

// The servers that can be asked. The search list is always that of the
// source's resolv.conf.
const (
	// DNSPodDefault is those of the source's resolv.conf, in its order.
	DNSPodDefault DNSResolver = "PodDefault"
	// DNSClusterDNS is each cluster IP of the Service of the cluster's DNS.
	DNSClusterDNS DNSResolver = "ClusterDNS"
	// DNSEachReplica is each endpoint of that Service by its own address.
	DNSEachReplica DNSResolver = "EachReplica"
)

// DNSTarget is a question to the DNS.
type DNSTarget struct {
	// name to look up. Without a trailing dot the search list of the source's
	// resolv.conf applies, as for any program in a pod. With type PTR also an
	// address.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:XValidation:rule="isIP(self) || self.matches('^[A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?([.][A-Za-z0-9_]([-A-Za-z0-9_]{0,61}[A-Za-z0-9_])?)*[.]?$')",message="dns.name must be a domain name, for example kubernetes.default.svc.cluster.local."
	Name string `json:"name"`

	// type of the record; default A.
	// +default="A"
	// +optional
	Type DNSRecordType `json:"type,omitempty"`

	// answers that must be among those that come, in any order; absent means that
	// any will do. Addresses for A and AAAA; domain names for CNAME, PTR, NS and
	// MX (without the preference); for SRV the target and its port, such as
	// web-0.web.shop.svc.cluster.local:8080; for TXT the text.
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=255
	// +optional
	Answers []string `json:"answers,omitempty"`

	// transport of the query; default UDP.
	// +default="UDP"
	// +optional
	Transport DNSTransport `json:"transport,omitempty"`

	// resolver: the servers that are asked; absent means those of the source's
	// resolv.conf.
	// +optional
	Resolver DNSResolver `json:"resolver,omitempty"`
}

// APIServerTarget is the Kubernetes API server behind the Service
// default/kubernetes. It has no fields yet.
type APIServerTarget struct{}

// CanaryTarget is the canary pod of the source's own node.
type CanaryTarget struct {
	// direction that is tested. Ingress: each node's prober tries to reach its
	// own node's canary pod. Egress: from inside each node's canary pod its own
	// node's echo pod is tried; needs the prober's level Full.
	// +required
	Direction PolicyDirection `json:"direction"`
}
