// Package layout is the plan of a lab: what everything is called, where it lies and which address it has. Everything
// else derives names from here, so that a lab can be found and removed by its name alone.
package layout

import (
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// Addresses that every lab uses; labs do not meet, for each has network namespaces of its own.
const (
	UnderlayPrefix = 24
	Underlay       = "172.30.0.0/24"
	Gateway        = "172.30.0.1" // the switch: a default gateway that forwards nothing
	ControlPlaneIP = "172.30.0.2"
	HopIP          = "172.30.0.3" // a router between nodes, where a fault puts one
	APIServerPort  = 6443
	PodCIDR        = "10.244.0.0/16"
	PodCIDRBits    = 24 // of each node's share
	ServiceCIDR    = "10.96.0.0/16"
	KubernetesIP   = "10.96.0.1"
	DNSServiceIP   = "10.96.0.10"
	ClusterDomain  = "cluster.local"
	MetadataIP     = "169.254.169.254" // of every node, for itself and its pods
)

// The members of a lab that are no nodes. Each has a network namespace.
const (
	Switch       = "switch"
	ControlPlane = "control-plane"
	Hop          = "hop"
)

const (
	// StateRoot holds one directory per lab.
	StateRoot = "/var/lib/netladder-lab"
	// runRoot holds one directory of network namespaces per lab.
	runRoot = "/run/netladder-lab"
	// NetnsLinks is where `ip netns` and nsenter users look: it gets links to the namespaces. The namespaces themselves are
	// mounted elsewhere, for the first `ip netns add` mounts this directory over itself and with it copies of what is mounted
	// in it, which nobody can unmount any more.
	NetnsLinks = "/run/netns"
	// MaxNodes is bounded by the underlay, whose node addresses start at 172.30.0.11.
	MaxNodes        = 200
	firstNodeOctet  = 11
	cgroupPrefix    = "netladder-lab-"
	nodePrefix      = "node"
	underlayNetwork = "172.30.0."
)

// Lab is the name of a lab, checked by New.
type Lab struct{ Name string }

// Names carry no dash, so that "NAME-" is a prefix of one lab's network namespaces only.
var validName = regexp.MustCompile(`^[a-z][a-z0-9]{0,9}$`)

// New checks a lab's name.
func New(name string) (Lab, error) {
	if !validName.MatchString(name) {
		return Lab{}, fmt.Errorf("lab name %q: want a lower-case letter and up to 9 letters or digits", name)
	}
	return Lab{Name: name}, nil
}

// Dir is the lab's state directory.
func (l Lab) Dir() string { return filepath.Join(StateRoot, l.Name) }

// Path is a file in the state directory.
func (l Lab) Path(parts ...string) string {
	return filepath.Join(append([]string{l.Dir()}, parts...)...)
}

// LockFile serialises the commands that change the lab. It outlives the lab: a lock file that goes away locks nobody out.
func (l Lab) LockFile() string { return filepath.Join("/run/lock", cgroupPrefix+l.Name) }

// NetnsDir holds the lab's network namespaces.
func (l Lab) NetnsDir() string { return filepath.Join(runRoot, l.Name) }

// Netns is the path of a member's network namespace.
func (l Lab) Netns(member string) string { return filepath.Join(l.NetnsDir(), member) }

// NetnsLink is the link to a member's network namespace.
func (l Lab) NetnsLink(member string) string {
	return filepath.Join(NetnsLinks, l.NetnsPrefix()+member)
}

// NetnsPrefix starts the name of every link to a network namespace of the lab.
func (l Lab) NetnsPrefix() string { return l.Name + "-" }

// Cgroup is a cgroup of the lab, below each hierarchy's root.
func (l Lab) Cgroup(parts ...string) string {
	return "/" + filepath.Join(append([]string{cgroupPrefix + l.Name}, parts...)...)
}

// DaemonCgroup is the cgroup of one daemon of a member: whatever runs in it is that daemon.
func (l Lab) DaemonCgroup(member, daemon string) string { return l.Cgroup(member, "daemons", daemon) }

// PodsCgroup is the kubelet's cgroup root on a node.
func (l Lab) PodsCgroup(node string) string { return l.Cgroup(node, "pods") }

// LogFile is where a daemon of a member writes.
func (l Lab) LogFile(member, daemon string) string { return l.Path("logs", member, daemon+".log") }

// NodeNames returns node1 to nodeN.
func NodeNames(count int) []string {
	names := make([]string, 0, count)
	for i := 1; i <= count; i++ {
		names = append(names, nodePrefix+strconv.Itoa(i))
	}
	return names
}

// NodeIP is the underlay address of a node.
func NodeIP(node string) (netip.Addr, error) {
	number, err := strconv.Atoi(strings.TrimPrefix(node, nodePrefix))
	if err != nil || number < 1 || number > MaxNodes || node != nodePrefix+strconv.Itoa(number) {
		return netip.Addr{}, fmt.Errorf("node name %q: want node1 to node%d", node, MaxNodes)
	}
	return netip.MustParseAddr(underlayNetwork + strconv.Itoa(firstNodeOctet+number-1)), nil
}

// VTEPMAC is the address of a node's VXLAN device: derived from the node's, so that peers know it without asking.
func VTEPMAC(nodeIP netip.Addr) net.HardwareAddr {
	ip := nodeIP.As4()
	return net.HardwareAddr{0x02, 0x6e, ip[0], ip[1], ip[2], ip[3]}
}
