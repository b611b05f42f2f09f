// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// FleetFile is the key of the fleet ConfigMap, and the name of the file that
// probers read.
const FleetFile = "fleet.json"

// Fleet holds the facts that are the same for every prober. It is no API
// object: it travels as JSON in a ConfigMap that is mounted into the probers,
// so that one that starts while ClusterIPs are broken still finds the API
// server.
//
// +kubebuilder:object:generate=false
type Fleet struct {
	// APIServers: host:port of each endpoint of the Service default/kubernetes.
	// The TLS server name is kubernetes.default.svc.
	APIServers []string `json:"apiServers,omitempty"`
}

// EchoPort is the port on which echo pods answer TCP and UDP probes.
const EchoPort = 8441

// Names of what Netladder installs; the namespace is the installer's choice.
const (
	// ProberName is the name of the prober DaemonSet and its ServiceAccount.
	ProberName = "netladder-prober"
	// EchoName is the name of the echo DaemonSet and its ServiceAccount.
	EchoName = "netladder-echo"
	// CanaryName is the name of the canary DaemonSet, its ServiceAccount and the
	// NetworkPolicy that isolates its pods.
	CanaryName = "netladder-canary"
	// FleetName is the name of the fleet ConfigMap.
	FleetName = "netladder-fleet"
	// LabelName and LabelComponent are on all of Netladder's objects; the
	// components are controller, prober, echo and canary.
	LabelName      = "app.kubernetes.io/name"
	LabelComponent = "app.kubernetes.io/component"
)

// Server-side apply field owners, one for each writer.
const (
	// FieldOwnerController owns ProbeAssignment.spec, ConnectivityCheck.status
	// and the objects that the controller creates.
	FieldOwnerController = "netladder-controller"
	// FieldOwnerProber owns ProbeAssignment.status.
	FieldOwnerProber = "netladder-prober"
	// FieldOwnerAudit owns NetworkPolicyAudits.
	FieldOwnerAudit = "netladder-audit"
)

// Level says what the probers may do on their nodes.
type Level string

const (
	// LevelRestricted: probers are ordinary pods, without any capability. They
	// probe from the pod network of their node.
	LevelRestricted Level = "Restricted"
	// LevelFull: probers enter the network namespaces of pods and of their
	// node, and look at the listening sockets of pods.
	LevelFull Level = "Full"
)
