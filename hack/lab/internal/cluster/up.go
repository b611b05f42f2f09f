package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/netladder/netladder/hack/lab/internal/layout"
	"github.com/netladder/netladder/hack/lab/internal/network"
	"github.com/netladder/netladder/hack/lab/internal/state"
)

const defaultNodes = 3

// defaultDNSNodes leaves node2 without CoreDNS, so that there is a node to which DNS always is remote.
var defaultDNSNodes = []string{"node1", "node3"}

// UpOptions says which lab to have; what is zero stays as it is or gets its default.
type UpOptions struct {
	Nodes    int
	DNSNodes []string
	Binaries string // directory of the components
}

// Up makes the lab run: it starts what is not running and leaves alone what is.
func (c *Cluster) Up(ctx context.Context, options UpOptions) error {
	if err := c.plan(options); err != nil {
		return err
	}
	if err := c.refuseIsolated(c.state.Nodes); err != nil {
		return err
	}
	if err := c.progress.Step("certificates and images", func() error {
		return errors.Join(c.ensureCredentials(), c.buildImages())
	}); err != nil {
		return err
	}
	if err := network.EnsureSwitch(c.lab); err != nil {
		return err
	}
	// Containerd and its images do not wait for the API server.
	parallel, parallelCtx := errgroup.WithContext(ctx)
	parallel.Go(func() error {
		if err := c.progress.Step("control plane ready", func() error { return c.ensureControlPlane(parallelCtx) }); err != nil {
			return err
		}
		return c.progress.Step("CoreDNS installed", func() error { return c.applyManifests(parallelCtx) })
	})
	for _, node := range c.state.Nodes {
		parallel.Go(func() error {
			return c.progress.Step(node+" booted: containerd, images", func() error { return c.bootNode(parallelCtx, node) })
		})
	}
	if err := parallel.Wait(); err != nil {
		return err
	}
	if err := c.progress.Step(fmt.Sprintf("%d nodes Ready", len(c.state.Nodes)), func() error {
		return c.joinNodes(ctx, c.state.Nodes)
	}); err != nil {
		return err
	}
	if err := c.reapplyFaults(ctx); err != nil {
		return err
	}
	return c.progress.Step(fmt.Sprintf("CoreDNS ready on %v", c.state.DNSNodes), func() error { return c.waitForDNS(ctx) })
}

// plan decides what the lab is to be and records it before anything is made.
func (c *Cluster) plan(options UpOptions) error {
	previous, err := state.Load(c.lab)
	if err != nil && !errors.Is(err, state.ErrNoLab) {
		return err
	}
	next, err := planState(previous, options)
	if err != nil {
		return err
	}
	if next.Port == 0 {
		if next.Port, err = freePort(); err != nil {
			return err
		}
	}
	c.state = next
	return c.state.Save(c.lab)
}

// planState works out the lab's state from what it was (nil: it was not) and what is asked for. All nodes are to run.
func planState(previous *state.State, options UpOptions) (*state.State, error) {
	next := &state.State{Nodes: layout.NodeNames(defaultNodes), Binaries: options.Binaries}
	if previous != nil {
		*next = *previous
		next.Stopped = nil
	}
	if next.Binaries != options.Binaries {
		return nil, errors.New("the components have changed since this lab was started: `lab down` first")
	}
	if options.Nodes < 0 || options.Nodes > layout.MaxNodes {
		return nil, fmt.Errorf("--nodes %d: want 1 to %d", options.Nodes, layout.MaxNodes)
	}
	if options.Nodes > 0 {
		if previous != nil && options.Nodes < len(previous.Nodes) {
			return nil, fmt.Errorf("--nodes %d: the lab has %d and cannot shrink: `lab down` first", options.Nodes, len(previous.Nodes))
		}
		next.Nodes = layout.NodeNames(options.Nodes)
	}
	for _, node := range options.DNSNodes {
		if err := next.CheckNode(node); err != nil {
			return nil, fmt.Errorf("--dns-nodes: %w", err)
		}
	}
	switch {
	case len(options.DNSNodes) > 0:
		next.DNSNodes = options.DNSNodes
	case len(next.DNSNodes) == 0:
		next.DNSNodes = slices.DeleteFunc(slices.Clone(defaultDNSNodes), func(node string) bool { return next.CheckNode(node) != nil })
	}
	return next, nil
}
