// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ProbeAssignmentSpec is what the controller tells one node's prober to do.
// Lists are tables; groups refer to their rows by index. There are no schema
// defaults: what is written is what the controller compares with.
type ProbeAssignmentSpec struct {
	// nodes that this prober aims at, or at what is on them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1024
	Nodes []AssignedNode `json:"nodes,omitempty"`

	// targets: addresses that this prober dials.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=2048
	Targets []AssignedTarget `json:"targets,omitempty"`

	// services: which targets are one Service and what is behind it. A climb
	// tries the endpoints of a Service that fails.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	Services []AssignedService `json:"services,omitempty"`

	// doubts: rows of spec.targets that are pods of this node and that others do
	// not reach, though they reach its echo pod. While they stand here the prober
	// looks on from their own node: at their sockets, by trying them from the
	// host network, and at the kernel's route to them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:Minimum=0
	// +kubebuilder:validation:items:Maximum=2047
	Doubts []int32 `json:"doubts,omitempty"`

	// pods of this node that probes start in, and whose listeners are looked
	// at.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=512
	Pods []AssignedPod `json:"pods,omitempty"`

	// groups: what to probe, one or more for each path of each check.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=2048
	Groups []ProbeGroup `json:"groups,omitempty"`

	// caBundles: the certificate authorities of paths, in PEM. Paths of one
	// application mostly share them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:MaxLength=8192
	CABundles []string `json:"caBundles,omitempty"`

	// heartbeat: how often the prober reports when nothing changes.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=25
	// +kubebuilder:validation:Pattern=`^([0-9]{1,6}h)?([0-9]{1,2}m)?([0-9]{1,3}([.][0-9]{1,9})?(s|ms|us|µs|ns))?$`
	Heartbeat metav1.Duration `json:"heartbeat,omitempty,omitzero"`
}

// AssignedNode is one node: what a mesh and a climb aim at there.
type AssignedNode struct {
	// name of the node.
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// ips of the node's own, one of each IP family; absent where only its echo
	// pod matters.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:MaxLength=45
	IPs []string `json:"ips,omitempty"`

	// echoIPs: the echo pod's addresses, one of each IP family; absent where the
	// node has no such pod.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:MaxLength=45
	EchoIPs []string `json:"echoIPs,omitempty"`

	// echoUID: the echo pod's UID; an answer from another pod is no answer.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	EchoUID string `json:"echoUID,omitempty"`

	// tunnels: the node's ends of the overlay, one of each IP family inside;
	// absent where no group tests them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=2
	Tunnels []AssignedTunnel `json:"tunnels,omitempty"`
}

// AssignedService is a Service that this prober dials, and a few of the pods
// behind it.
type AssignedService struct {
	// targets: the rows of spec.targets that are addresses of the Service.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:Minimum=0
	// +kubebuilder:validation:items:Maximum=2047
	Targets []int32 `json:"targets,omitempty"`

	// addresses of the Service that no group aims at; of the cluster's DNS only.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=4
	Addresses []AssignedTarget `json:"addresses,omitempty"`

	// endpoints: a few of those behind it, at their own port. Nothing aims at
	// them while all is well; they may be out of date by then.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Endpoints []AssignedTarget `json:"endpoints,omitempty"`

	// dns is true for the Service of the cluster's DNS: what looks up names
	// depends on it.
	// +optional
	DNS bool `json:"dns,omitempty"`
}

// AssignedTarget is an address, mostly with a port.
type AssignedTarget struct {
	// ip address, IPv4 or IPv6.
	// +kubebuilder:validation:MaxLength=45
	IP string `json:"ip"`

	// port number; absent for a target that is pinged.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// protocol of the port; absent means TCP.
	// +optional
	Protocol Protocol `json:"protocol,omitempty"`

	// node that the target is on, where it is a pod or a node, or where an
	// EndpointSlice says so.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Node string `json:"node,omitempty"`

	// uid of the pod that the target is, where it is one.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid,omitempty"`
}

// AssignedPod is a pod of this node.
type AssignedPod struct {
	// uid of the pod.
	// +kubebuilder:validation:MaxLength=64
	UID string `json:"uid"`

	// namespace of the pod.
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace"`

	// name of the pod.
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// ips of the pod, one of each IP family. Probes bind to them: an address
	// that cannot be bound means that this is not the pod's network namespace.
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=2
	// +kubebuilder:validation:items:MaxLength=45
	IPs []string `json:"ips"`

	// sandboxed is true where the pod's RuntimeClass keeps its addresses where
	// no other process can get at them: it cannot be a source.
	// +optional
	Sandboxed bool `json:"sandboxed,omitempty"`
}

// SourceKind says where the probes of a group start. The string is open: a
// prober reports one it does not know as Unsupported.
type SourceKind string

// The places where probes start.
const (
	// SourceProber is the prober pod itself.
	SourceProber SourceKind = ""
	// SourcePods are the pods that ProbeGroup.Sources lists.
	SourcePods SourceKind = "Pods"
	// SourceHost is the node's host network.
	SourceHost SourceKind = "Host"
)

// ProbeKind names a kind of probe. The string is open: a prober reports a
// kind it does not know as Unsupported.
type ProbeKind string

// The kinds of probes.
const (
	// ProbeMeshTCP dials an echo pod by TCP and checks its identity.
	ProbeMeshTCP ProbeKind = "MeshTCP"
	// ProbeMeshUDP asks an echo pod by UDP and checks its identity.
	ProbeMeshUDP ProbeKind = "MeshUDP"
	// ProbeMeshICMP pings an echo pod.
	ProbeMeshICMP ProbeKind = "MeshICMP"
	// ProbeTCP connects to a target.
	ProbeTCP ProbeKind = "TCP"
	// ProbeHTTP connects to a target and makes an HTTP request.
	ProbeHTTP ProbeKind = "HTTP"
	// ProbeTLS connects to a target and makes a TLS handshake.
	ProbeTLS ProbeKind = "TLS"
	// ProbeGRPC connects to a target and asks by the gRPC health protocol.
	ProbeGRPC ProbeKind = "GRPC"
	// ProbeDNS looks up a name by the source's resolv.conf, at its servers or at
	// those that the group's members are.
	ProbeDNS ProbeKind = "DNS"
	// ProbeTCPHalfOpen sends a SYN to a target and takes the answer for it; the
	// target's application never sees a connection.
	ProbeTCPHalfOpen ProbeKind = "TCPHalfOpen"
	// ProbeUDP sends a datagram to a target and waits for any answer.
	ProbeUDP ProbeKind = "UDP"
	// ProbeICMP pings a target.
	ProbeICMP ProbeKind = "ICMP"
	// ProbeTunnel pings a node's address inside a tunnel of the cluster's network
	// plugin, through the source node's own end of it.
	ProbeTunnel ProbeKind = "Tunnel"
	// ProbeMTU sends a target packets as large as the link they leave by, which
	// must not be fragmented on the way.
	ProbeMTU ProbeKind = "MTU"
	// ProbeIPIP asks the prober of another node by IP protocol 4, between the
	// nodes' own addresses.
	ProbeIPIP ProbeKind = "IPIP"
)

// The kinds of probes that prove a Deny: their groups stand beside the group
// whose silence they explain, and their pairs make no path Failing.
const (
	// ProbeWire is MeshTCP to the echo pods of the nodes that the targets of a
	// Deny path are on: the way there works.
	ProbeWire ProbeKind = "Wire"
	// ProbeListener looks at the sockets of a pod of this node for one that
	// listens on the target's address, port and protocol, and then tries the
	// target from the node's host network. Connected means both; for UDP, that
	// the target answered.
	ProbeListener ProbeKind = "Listener"
	// ProbeHostControl is TCP, UDP or ICMP from the source node's host network
	// to a target that is no pod: the target is there for others.
	ProbeHostControl ProbeKind = "HostControl"
)

// ProbePodRoute looks at the kernel of a node for the route to a pod of it, and
// sends nothing. It is a step of climbs only.
const ProbePodRoute ProbeKind = "PodRoute"

// ProbeGroup is the part of one path that one prober tests with one kind of
// probe. For each of its sources its pairs are: for a mesh kind, each IP of
// each of its nodes; for DNS at the source's own servers and for a hostname,
// one; for any other kind, each of its targets of the same IP family as an
// address of the source.
type ProbeGroup struct {
	// key is unique within the assignment: check namespace, check name, path
	// name and kind, separated by slashes.
	// +kubebuilder:validation:MaxLength=512
	Key string `json:"key"`

	// hash changes with what is tested: "CONTENT-PAIRS". The first part
	// covers the check's UID and the content of the path, the second the
	// pairs; while the first stays, the state of a pair that stays is kept.
	// +kubebuilder:validation:MaxLength=64
	Hash string `json:"hash"`

	// kind of probe.
	// +kubebuilder:validation:MaxLength=32
	Kind ProbeKind `json:"kind"`

	// from: where the probes start; absent means in the prober pod.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	From SourceKind `json:"from,omitempty"`

	// sources: where from is Pods, rows of spec.pods.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:Minimum=0
	// +kubebuilder:validation:items:Maximum=511
	Sources []int32 `json:"sources,omitempty"`

	// expect Deny turns the judgement of a probe round: Connected is bad, and
	// a verdict by which a filter can say no is good. Absent means Allow.
	// +optional
	Expect Expectation `json:"expect,omitempty"`

	// members: for mesh kinds rows of spec.nodes, for DNS at the source's own
	// servers and for a hostname empty, else rows of spec.targets.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:Minimum=0
	// +kubebuilder:validation:items:Maximum=2047
	Members []int32 `json:"members,omitempty"`

	// window: how many of the first members take turns; those behind them are
	// tested in every round (pairs that were bad when the window moved on).
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=256
	Window int32 `json:"window,omitempty"`

	// perRound: how many members of the window are tested in one round.
	// Round r, counted from the Unix epoch in intervals, tests the members
	// (r*perRound+i) mod window for i below perRound. A pair whose last
	// result was bad is tested in every round until it recovers.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=256
	PerRound int32 `json:"perRound,omitempty"`

	// interval between two rounds.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=25
	// +kubebuilder:validation:Pattern=`^([0-9]{1,6}h)?([0-9]{1,2}m)?([0-9]{1,3}([.][0-9]{1,9})?(s|ms|us|µs|ns))?$`
	Interval metav1.Duration `json:"interval"`

	// timeout of one probe.
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=25
	// +kubebuilder:validation:Pattern=`^([0-9]{1,6}h)?([0-9]{1,2}m)?([0-9]{1,3}([.][0-9]{1,9})?(s|ms|us|µs|ns))?$`
	Timeout metav1.Duration `json:"timeout"`

	// maxLatency: slower is Degraded.
	// +optional
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=25
	// +kubebuilder:validation:Pattern=`^([0-9]{1,6}h)?([0-9]{1,2}m)?([0-9]{1,3}([.][0-9]{1,9})?(s|ms|us|µs|ns))?$`
	MaxLatency *metav1.Duration `json:"maxLatency,omitempty"`

	// failureThreshold: bad rounds in a row until Failing.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	FailureThreshold int32 `json:"failureThreshold"`

	// successThreshold: good rounds in a row until no longer Failing.
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=100
	SuccessThreshold int32 `json:"successThreshold"`

	// port of the echo pods; mesh kinds only.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`

	// http: parameters of the kind HTTP.
	// +optional
	HTTP *HTTPLayer `json:"http,omitempty"`

	// tls: parameters of the kind TLS.
	// +optional
	TLS *TLSLayer `json:"tls,omitempty"`

	// grpc: parameters of the kind GRPC.
	// +optional
	GRPC *GRPCLayer `json:"grpc,omitempty"`

	// caBundle: the row of spec.caBundles that stands for the caBundle of http,
	// tls or grpc.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=255
	CABundle *int32 `json:"caBundle,omitempty"`

	// dns: parameters of the kind DNS.
	// +optional
	DNS *DNSTarget `json:"dns,omitempty"`

	// host: a target by name, for the kinds TCP, UDP, HTTP, TLS, GRPC and HostControl.
	// The name is resolved by the source's resolv.conf in each round.
	// +optional
	Host *HostTarget `json:"host,omitempty"`
}

// ProbeAssignment is the meeting place of the controller and one node's
// prober: the controller writes its spec, the prober of the node with the
// same name its status. Users need not touch it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,shortName=passign,categories=netladder
// +kubebuilder:printcolumn:name="Reported",type=date,JSONPath=`.status.heartbeat`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type ProbeAssignment struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec: what to probe.
	// +optional
	Spec ProbeAssignmentSpec `json:"spec,omitempty"`

	// status: what was seen.
	// +optional
	Status ProbeAssignmentStatus `json:"status,omitempty"`
}

// ProbeAssignmentList is a list of ProbeAssignments.
//
// +kubebuilder:object:root=true
type ProbeAssignmentList struct {
	metav1.TypeMeta `json:",inline"`
	// +optional
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []ProbeAssignment `json:"items"`
}
