// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Encapsulation is how an overlay wraps packets between nodes.
// +kubebuilder:validation:Enum=Auto;VXLAN;IPIP
type Encapsulation string

// The encapsulations.
const (
	// EncapsulationAuto is whatever the network plugin announces on the nodes:
	// flannel and Calico are known.
	EncapsulationAuto Encapsulation = "Auto"
	// EncapsulationVXLAN is only the tunnels that are announced as VXLAN.
	EncapsulationVXLAN Encapsulation = "VXLAN"
	// EncapsulationIPIP is only the tunnels that are announced as IP in IP, and
	// protocol 4 between the nodes' own addresses.
	EncapsulationIPIP Encapsulation = "IPIP"
)

// OverlayTarget is the tunnels of the cluster's network between the nodes that
// from.nodes selects: each tests those to the others.
type OverlayTarget struct {
	// encapsulation of the tunnels; default Auto.
	// +default="Auto"
	// +optional
	Encapsulation Encapsulation `json:"encapsulation,omitempty"`
}

// AssignedTunnel is one node's end of an overlay, as its network plugin
// announces it. What is absent is not known.
type AssignedTunnel struct {
	// encapsulation of the tunnel.
	Encapsulation Encapsulation `json:"encapsulation"`

	// ip of the node in the tunnel.
	// +kubebuilder:validation:MaxLength=45
	IP string `json:"ip"`

	// endpoint: the node's address outside of the tunnel.
	// +optional
	// +kubebuilder:validation:MaxLength=45
	Endpoint string `json:"endpoint,omitempty"`

	// mac: the hardware address of a VXLAN device.
	// +optional
	// +kubebuilder:validation:MaxLength=17
	MAC string `json:"mac,omitempty"`

	// vni of a VXLAN device.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=16777215
	VNI int32 `json:"vni,omitempty"`

	// podCIDR: the addresses of the node's pods.
	// +optional
	// +kubebuilder:validation:MaxLength=49
	PodCIDR string `json:"podCIDR,omitempty"`
}
