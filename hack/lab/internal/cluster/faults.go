package cluster

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/hack/lab/internal/fault"
	"github.com/netladder/netladder/hack/lab/internal/layout"
	"github.com/netladder/netladder/hack/lab/internal/state"
)

// Break puts a fault into force until it is healed; it outlives a power-off of its node.
func (c *Cluster) Break(ctx context.Context, record state.Fault) error {
	kind, err := c.checkFault(record)
	if err != nil {
		return err
	}
	if err := c.checkObject(ctx, kind, record); err != nil {
		return err
	}
	if !slices.Contains(c.state.Faults, record) {
		c.state.Faults = append(c.state.Faults, record)
		if err := c.state.Save(c.lab); err != nil {
			return err
		}
	}
	return c.progress.Step("broken: "+record.String(), func() error { return c.apply(ctx, kind, record) })
}

// Heal ends one fault; that it was not in force is no mistake, for tests heal twice.
func (c *Cluster) Heal(ctx context.Context, record state.Fault) error {
	kind, err := c.checkFault(record)
	if err != nil {
		return err
	}
	if !slices.Contains(c.state.Faults, record) {
		c.progress.Say("ok    not broken: %s (in force: %v)", record, c.state.Faults)
		return nil
	}
	return c.progress.Step("healed: "+record.String(), func() error { return c.lift(ctx, kind, record) })
}

// HealAll ends every fault.
func (c *Cluster) HealAll(ctx context.Context) error {
	if len(c.state.Faults) == 0 {
		c.progress.Say("ok    nothing is broken")
	}
	var errs []error
	for _, record := range slices.Clone(c.state.Faults) {
		errs = append(errs, c.Heal(ctx, record))
	}
	return errors.Join(errs...)
}

func (c *Cluster) checkFault(record state.Fault) (fault.Fault, error) {
	kind, err := fault.Find(record.Name)
	if err != nil {
		return fault.Fault{}, err
	}
	if err := kind.CheckArguments(record.Node, cmp.Or(record.Peer, record.Object)); err != nil {
		return fault.Fault{}, err
	}
	for _, node := range []string{record.Node, record.Peer} {
		if node == "" {
			continue
		}
		if err := c.state.CheckNode(node); err != nil {
			return fault.Fault{}, err
		}
	}
	return kind, nil
}

// checkObject refuses a Service or pod that is not there.
func (c *Cluster) checkObject(ctx context.Context, kind fault.Fault, record state.Fault) error {
	var err error
	switch {
	case kind.Wiring == fault.PodRoute:
		_, err = c.podIP(ctx, record)
	case kind.Target == fault.NodeObject:
		_, err = c.clusterIP(ctx, record.Object)
	}
	return err
}

// reapplyFaults puts the recorded faults into force where they are not: on nodes that were powered off. What was about a
// pod ended with it; a Service that is gone cannot be broken.
func (c *Cluster) reapplyFaults(ctx context.Context) error {
	for _, record := range c.state.Faults {
		kind, err := fault.Find(record.Name)
		if err != nil {
			return err
		}
		if kind.Wiring == fault.PodRoute {
			continue
		}
		if err := c.apply(ctx, kind, record); apierrors.IsNotFound(err) {
			c.progress.Say("ok    not broken again: %s: %v", record, err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// refuseIsolated says which fault keeps a node that is to start from joining.
func (c *Cluster) refuseIsolated(nodes []string) error {
	for _, record := range c.state.Faults {
		if kind, err := fault.Find(record.Name); err == nil && kind.Isolates && slices.Contains(nodes, record.Node) {
			return fmt.Errorf("%s cannot join the cluster while %q is in force: heal it first", record.Node, record)
		}
	}
	return nil
}

// apply carries a fault out on the running nodes it concerns.
func (c *Cluster) apply(ctx context.Context, kind fault.Fault, record state.Fault) error {
	sites, err := c.sites(kind, record)
	if err != nil {
		return err
	}
	if kind.Target == fault.NodeObject && kind.Chains != nil {
		ip, err := c.clusterIP(ctx, record.Object)
		if err != nil {
			return err
		}
		for i := range sites {
			sites[i].Object.IP = ip
		}
	}
	for _, site := range sites {
		if kind.Stops != "" {
			if err := c.stopDaemon(ctx, site.Node, kind.Stops); err != nil {
				return err
			}
		}
		if script := kind.BreakScript(site); script != "" {
			if err := c.nft(ctx, site.Node, []byte(script)); err != nil {
				return err
			}
		}
		// What the daemon's rules translated would go on being translated from memory.
		if kind.Stops != "" {
			if err := c.inNetns(ctx, site.Node, nil, "conntrack", "-F"); err != nil {
				return err
			}
		}
	}
	if kind.Wiring != "" {
		return c.cut(ctx, kind, record)
	}
	return nil
}

// lift undoes a fault and then forgets it: after a crash between the two it is still known.
func (c *Cluster) lift(ctx context.Context, kind fault.Fault, record state.Fault) error {
	sites, err := c.sites(kind, record)
	if err != nil {
		return err
	}
	c.state.Faults = slices.DeleteFunc(c.state.Faults, func(other state.Fault) bool { return other == record })
	if kind.Wiring != "" {
		if err := c.mend(ctx, kind, record); err != nil {
			return err
		}
	}
	for _, site := range sites {
		if script := kind.HealScript(site); script != "" {
			if err := c.nft(ctx, site.Node, []byte(script)); err != nil {
				return err
			}
		}
		if kind.Stops == kubeProxy {
			if err := c.healKubeProxy(ctx, site.Node); err != nil {
				return err
			}
		}
	}
	return c.state.Save(c.lab)
}

// healKubeProxy starts kube-proxy again and returns when its rules are back.
func (c *Cluster) healKubeProxy(ctx context.Context, node string) error {
	if err := c.startKubeProxy(node); err != nil {
		return err
	}
	return c.waitForDaemon(ctx, node, kubeProxy, kubeProxyLimit, func(ctx context.Context) error {
		return c.inNetns(ctx, node, nil, "nft", "list", "chain", "ip", "kube-proxy", "services")
	})
}

// sites lists the running nodes that must be asked about a fault: its own where it takes one alone, else all.
func (c *Cluster) sites(kind fault.Fault, record state.Fault) ([]fault.Site, error) {
	broken, err := place(record.Node)
	if err != nil {
		return nil, err
	}
	peer, err := place(record.Peer)
	if err != nil {
		return nil, err
	}
	var sites []fault.Site
	for _, node := range c.state.Running() {
		if (kind.Target == fault.NodeObject || kind.Target == fault.Node && !kind.Wide) && node != record.Node {
			continue
		}
		sites = append(sites, fault.Site{Node: node, Broken: broken, Peer: peer, Object: fault.Object{Name: record.Object}})
	}
	return sites, nil
}

// clusterIP is the address of a Service, NAMESPACE/NAME.
func (c *Cluster) clusterIP(ctx context.Context, object string) (string, error) {
	client, err := c.client()
	if err != nil {
		return "", err
	}
	namespace, name, _ := strings.Cut(object, "/")
	service, err := client.CoreV1().Services(namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("looking for Service %s: %w", object, err)
	}
	ip, err := netip.ParseAddr(service.Spec.ClusterIP)
	if err != nil || !ip.Is4() {
		return "", fmt.Errorf("the ClusterIP of Service %s is %q: want an IPv4 address", object, service.Spec.ClusterIP)
	}
	return ip.String(), nil
}

// place is a node with its address; nothing for no node.
func place(node string) (fault.Place, error) {
	if node == "" {
		return fault.Place{}, nil
	}
	ip, err := layout.NodeIP(node)
	if err != nil {
		return fault.Place{}, err
	}
	return fault.Place{Node: node, IP: ip.String()}, nil
}

// keptDown tells whether a fault in force forbids a daemon to run on a node.
func (c *Cluster) keptDown(node, daemon string) bool {
	return slices.ContainsFunc(c.state.Faults, func(record state.Fault) bool {
		kind, err := fault.Find(record.Name)
		return err == nil && record.Node == node && kind.Stops == daemon
	})
}
