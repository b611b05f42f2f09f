package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/hack/lab/internal/fault"
	"github.com/netladder/netladder/hack/lab/internal/layout"
	"github.com/netladder/netladder/hack/lab/internal/network"
	"github.com/netladder/netladder/hack/lab/internal/state"
)

// cut carries out a fault of links and routes, whether it is in force or not.
func (c *Cluster) cut(ctx context.Context, kind fault.Fault, record state.Fault) error {
	switch kind.Wiring {
	case fault.Forward, fault.Route, fault.Neighbour:
		peers, err := c.peers(ctx)
		if err != nil {
			return err
		}
		return c.miswire(peers)
	case fault.Link:
		if c.state.IsStopped(record.Node) {
			return nil
		}
		return network.SetCable(c.lab, record.Node, false)
	case fault.Hop:
		return c.insertHop(record.Node)
	case fault.PodRoute:
		return c.takePodRoute(ctx, record)
	default:
		return fmt.Errorf("fault %s: unknown wiring %q", kind.Name, kind.Wiring)
	}
}

// mend undoes what cut did; the fault is not among those in force any more.
func (c *Cluster) mend(ctx context.Context, kind fault.Fault, record state.Fault) error {
	switch kind.Wiring {
	case fault.Forward, fault.Route, fault.Neighbour:
		return c.syncOverlay(ctx)
	case fault.Link:
		if c.state.IsStopped(record.Node) {
			return nil
		}
		return network.SetCable(c.lab, record.Node, true)
	case fault.Hop:
		return c.removeHop(record.Node)
	case fault.PodRoute:
		return c.givePodRoute(record)
	default:
		return fmt.Errorf("fault %s: unknown wiring %q", kind.Name, kind.Wiring)
	}
}

// miswire takes away from running nodes what faults in force say that they lack for a peer.
func (c *Cluster) miswire(peers []network.Peer) error {
	for _, record := range c.state.Faults {
		kind, err := fault.Find(record.Name)
		if err != nil {
			return err
		}
		take := map[fault.Wiring]func(layout.Lab, string, network.Peer) error{
			fault.Forward: network.TakeForward, fault.Route: network.TakeRoute, fault.Neighbour: network.SpoilNeighbour,
		}[kind.Wiring]
		at := slices.IndexFunc(peers, func(peer network.Peer) bool { return peer.Node == record.Peer })
		if take == nil || at < 0 || c.state.IsStopped(record.Node) {
			continue
		}
		if err := take(c.lab, record.Node, peers[at]); err != nil {
			return fmt.Errorf("breaking %s: %w", record, err)
		}
	}
	return nil
}

// insertHop leads what a node and the others send to each other through a router.
func (c *Cluster) insertHop(node string) error {
	if err := network.EnsureHop(c.lab, fault.SmallMTU); err != nil {
		return err
	}
	return c.eachWay(node, network.RouteByHop)
}

// removeHop leads it straight again. The router goes with the last node behind it.
func (c *Cluster) removeHop(node string) error {
	if err := c.eachWay(node, network.RouteStraight); err != nil {
		return err
	}
	var behind []string
	for _, record := range c.state.Faults {
		if kind, err := fault.Find(record.Name); err == nil && kind.Wiring == fault.Hop {
			behind = append(behind, record.Node)
		}
	}
	if len(behind) == 0 {
		return network.Unplug(c.lab, layout.Hop)
	}
	// Two nodes behind the router share the way between them.
	for _, other := range behind {
		if err := c.insertHop(other); err != nil {
			return err
		}
	}
	return nil
}

// eachWay routes from a node to every other, and back, on those that run.
func (c *Cluster) eachWay(node string, route func(lab layout.Lab, from, to string) error) error {
	for _, other := range c.state.Nodes {
		if other == node {
			continue
		}
		for from, to := range map[string]string{node: other, other: node} {
			if c.state.IsStopped(from) {
				continue
			}
			if err := route(c.lab, from, to); err != nil {
				return err
			}
		}
	}
	return nil
}

// takePodRoute removes the route to a pod on its own node, and remembers it first.
func (c *Cluster) takePodRoute(ctx context.Context, record state.Fault) error {
	ip, err := c.podIP(ctx, record)
	if err != nil {
		return err
	}
	link, err := network.PodLink(c.lab, record.Node, ip)
	if err != nil || link == "" {
		return err // without a link it is in force already
	}
	if c.state.PodRoutes == nil {
		c.state.PodRoutes = map[string]state.PodRoute{}
	}
	c.state.PodRoutes[record.String()] = state.PodRoute{IP: ip, Link: link}
	if err := c.state.Save(c.lab); err != nil {
		return err
	}
	return network.TakePodRoute(c.lab, record.Node, ip)
}

// podIP is the address of a fault's pod, which must be on the fault's node.
func (c *Cluster) podIP(ctx context.Context, record state.Fault) (string, error) {
	client, err := c.client()
	if err != nil {
		return "", err
	}
	namespace, name, _ := strings.Cut(record.Object, "/")
	pod, err := client.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("looking for pod %s: %w", record.Object, err)
	}
	if pod.Spec.NodeName != record.Node || pod.Spec.HostNetwork || pod.Status.PodIP == "" {
		return "", fmt.Errorf("pod %s is on node %q, with address %q: want one that runs on %s in the pod network",
			record.Object, pod.Spec.NodeName, pod.Status.PodIP, record.Node)
	}
	return pod.Status.PodIP, nil
}

// givePodRoute puts the route back unless the pod has gone meanwhile, and its link with it.
func (c *Cluster) givePodRoute(record state.Fault) error {
	route, taken := c.state.PodRoutes[record.String()]
	delete(c.state.PodRoutes, record.String())
	if !taken || c.state.IsStopped(record.Node) {
		return nil
	}
	return network.GivePodRoute(c.lab, record.Node, route.IP, route.Link)
}
