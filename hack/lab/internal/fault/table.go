package fault

import (
	"strconv"

	"github.com/netladder/netladder/hack/lab/internal/layout"
)

// SmallMTU is what the underlay takes under mtu and pmtu, in bytes of an IP packet.
const SmallMTU = 1400

// Table lists the faults. To add one, add a row here (and one in README.md).
func Table() []Fault {
	return []Fault{
		{
			Name: "vxlan", Target: NodePeer, Effect: "the tunnel's UDP port 8472 is lost from and to the node (with a peer: only between the two)",
			Chains: vxlanChains,
		},
		{
			Name: "vxlan-oneway", Target: NodeToPeer, Effect: "the tunnel's packets from the node to the peer are lost; those back arrive",
			Chains: arrivingAtPeer("udp dport 8472 drop"),
		},
		{Name: "fdb", Target: NodeToPeer, Effect: "the tunnel's forwarding entry for the peer is missing on the node", Wiring: Forward},
		{Name: "route", Target: NodeToPeer, Effect: "the route to the peer's pods is missing on the node", Wiring: Route},
		{Name: "neighbour", Target: NodeToPeer, Effect: "the tunnel's neighbour entry for the peer has a wrong hardware address on the node", Wiring: Neighbour},
		{
			Name: "ipip", Target: NodeToPeer, Effect: "packets of IP protocol 4 from the node to the peer are lost",
			Chains: arrivingAtPeer("ip protocol 4 drop"),
		},
		{Name: "underlay", Target: Node, Effect: "the node's link is down; it is NotReady after 20 s", Wiring: Link, Isolates: true},
		{
			Name: "mtu", Target: Node, Effect: "packets of more than 1400 bytes between the node and the others are lost without a word",
			Chains: mtuChains, Wide: true,
		},
		{
			Name: "pmtu", Target: Node, Effect: "a router between the node and the others takes 1400 bytes, and says so by ICMP",
			Wiring: Hop, Chains: unfragmentedChains, Wide: true,
		},
		{
			Name: "dns", Target: Everywhere, Effect: "nobody gets an answer from CoreDNS; its pods stay Ready",
			Chains: dnsChains,
		},
		{
			Name: "coredns-one", Target: Node, Effect: "nobody gets an answer from the CoreDNS replica on the node; it stays Ready",
			Chains: ownDNSChains,
		},
		{
			Name: "kubeproxy", Target: Node, Effect: "kube-proxy is stopped on the node and its rules are gone: ClusterIPs lead nowhere",
			Stops: "kube-proxy", Deletes: []string{"ip kube-proxy", "ip6 kube-proxy"},
		},
		{
			Name: "kubeproxy-service", Target: NodeObject, Object: "SERVICE", Effect: "the ClusterIP of one Service leads nowhere from the node",
			Chains: serviceChains,
		},
		{Name: "podroute", Target: NodeObject, Object: "POD", Effect: "the route to one pod is missing on its own node", Wiring: PodRoute},
		{
			Name: "apiserver", Target: Node, Effect: "new connections from the node and its pods to the API server are lost; those that are open go on",
			Chains: apiServerChains, Isolates: true,
		},
	}
}

// vxlanChains drops where the tunnel's packets arrive, in both directions: a drop where they leave would make sendmsg
// fail with EPERM, which is not what a firewall on the way does.
func vxlanChains(site Site) []Chain {
	const tunnel = "udp dport 8472 drop"
	var rule string
	switch {
	case site.Node == site.Broken.Node && site.Peer.IP != "":
		rule = "ip saddr " + site.Peer.IP + " " + tunnel
	case site.Node == site.Broken.Node:
		rule = tunnel
	case site.Node == site.Peer.Node || site.Peer.Node == "":
		rule = "ip saddr " + site.Broken.IP + " " + tunnel
	default:
		return nil
	}
	return arriving(rule)
}

// arriving is a chain that sees what arrives at a node, before conntrack does.
func arriving(rules ...string) []Chain {
	return []Chain{{Hook: "prerouting", Priority: "raw", Rules: rules}}
}

// arrivingAtPeer drops at the peer what comes from the broken node.
func arrivingAtPeer(rule string) func(Site) []Chain {
	return func(site Site) []Chain {
		if site.Node != site.Peer.Node {
			return nil
		}
		return arriving("ip saddr " + site.Broken.IP + " " + rule)
	}
}

// mtuChains drops what is large where it arrives, as a switch does that is in the way. It looks before fragments are put
// together, for each of them would have passed. The way to the API server is another one: a node that cannot tell its
// status is a different fault.
func mtuChains(site Site) []Chain {
	from := "ip saddr " + site.Broken.IP
	if site.Node == site.Broken.Node {
		from = "ip saddr " + layout.Underlay + " ip saddr != " + layout.ControlPlaneIP
	}
	return []Chain{{Hook: "prerouting", Priority: "-450", Rules: []string{from + " meta length > " + strconv.Itoa(SmallMTU) + " drop"}}}
}

// unfragmentedChains forbids to fragment the tunnel's packets, as the tunnels of some network plugins do. Those of flannel
// would get through the router in pieces, and nothing would be lost but speed.
func unfragmentedChains(site Site) []Chain {
	to := "ip daddr " + site.Broken.IP
	if site.Node == site.Broken.Node {
		to = "ip daddr " + layout.Underlay
	}
	return []Chain{{Hook: "output", Priority: "mangle", Rules: []string{to + " udp dport 8472 ip frag-off set 0x4000"}}}
}

// dnsChains drops the answers of every DNS server in the pod network as they leave its pod, and questions of pods on
// their way: by port and not by CoreDNS's addresses, which change when its pods move. Health checks use other ports.
func dnsChains(Site) []Chain {
	const pods = layout.PodCIDR
	return []Chain{
		{Hook: "prerouting", Priority: "raw", Rules: []string{
			"ip saddr " + pods + " udp sport 53 drop", "ip saddr " + pods + " tcp sport 53 drop",
		}},
		{Hook: "forward", Priority: "raw", Rules: []string{
			"ip daddr " + pods + " udp dport 53 drop", "ip daddr " + pods + " tcp dport 53 drop",
		}},
	}
}

// ownDNSChains drops what a DNS server answers as it leaves its pod: what arrives from other nodes comes by the tunnel.
func ownDNSChains(Site) []Chain {
	const local = `iifname "veth*" ip saddr ` + layout.PodCIDR
	return arriving(local+" udp sport 53 drop", local+" tcp sport 53 drop")
}

// serviceChains keeps packets to a Service from being translated, and leaves kube-proxy's rules alone: it would put back
// what is missing. What is not tracked is not translated, and goes where the ClusterIP leads by itself: nowhere.
func serviceChains(site Site) []Chain {
	rules := []string{"ip daddr " + site.Object.IP + " notrack"}
	return []Chain{{Hook: "prerouting", Priority: "raw", Rules: rules}, {Hook: "output", Priority: "raw", Rules: rules}}
}

// apiServerChains drops the API server's answers to new connections: those of the kubelet and of the node's prober stay,
// as behind a firewall that remembers them, so that there is somebody to tell it.
func apiServerChains(Site) []Chain {
	return arriving("ip saddr " + layout.ControlPlaneIP + " tcp sport " + strconv.Itoa(layout.APIServerPort) +
		" tcp flags & (syn | ack) == syn | ack drop")
}
