package cluster

import (
	"context"
	"errors"
	"slices"

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
	if err := kind.CheckArguments(record.Node, record.Peer); err != nil {
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

// reapplyFaults puts the recorded faults into force where they are not: on nodes that were powered off.
func (c *Cluster) reapplyFaults(ctx context.Context) error {
	for _, record := range c.state.Faults {
		kind, err := fault.Find(record.Name)
		if err != nil {
			return err
		}
		if err := c.apply(ctx, kind, record); err != nil {
			return err
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
	for _, site := range sites {
		if kind.Stops != "" {
			if err := c.stopDaemon(ctx, site.Node, kind.Stops); err != nil {
				return err
			}
		}
		if err := c.nft(ctx, site.Node, []byte(kind.BreakScript(site))); err != nil {
			return err
		}
		// What the daemon's rules translated would go on being translated from memory.
		if kind.Stops != "" {
			if err := c.inNetns(ctx, site.Node, nil, "conntrack", "-F"); err != nil {
				return err
			}
		}
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
		if kind.Target == fault.Node && node != record.Node {
			continue
		}
		sites = append(sites, fault.Site{Node: node, Broken: broken, Peer: peer})
	}
	return sites, nil
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
