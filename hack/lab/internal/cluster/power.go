package cluster

import (
	"context"
	"fmt"

	"github.com/netladder/netladder/hack/lab/internal/layout"
)

// APIServer is what Stop and Start accept beside node names.
const APIServer = "apiserver"

// Stop powers a node off, or ends the API server only.
func (c *Cluster) Stop(ctx context.Context, what string) error {
	if what == APIServer {
		return c.progress.Step("API server stopped", func() error { return c.stopDaemon(ctx, layout.ControlPlane, kubeAPIServer) })
	}
	if err := c.state.CheckNode(what); err != nil {
		return fmt.Errorf("%w; the API server is %q", err, APIServer)
	}
	c.state.SetStopped(what, true)
	if err := c.state.Save(c.lab); err != nil {
		return err
	}
	return c.progress.Step(what+" stopped", func() error { return c.killNode(ctx, what) })
}

// Start undoes Stop, also if the Node object was deleted meanwhile: the node then registers anew with another pod CIDR.
func (c *Cluster) Start(ctx context.Context, what string) error {
	if what == APIServer {
		return c.progress.Step("API server ready", func() error { return c.ensureAPIServer(ctx) })
	}
	if err := c.state.CheckNode(what); err != nil {
		return fmt.Errorf("%w; the API server is %q", err, APIServer)
	}
	if err := c.refuseIsolated([]string{what}); err != nil {
		return err
	}
	c.state.SetStopped(what, false)
	if err := c.state.Save(c.lab); err != nil {
		return err
	}
	if err := c.progress.Step(what+" booted: containerd, images", func() error { return c.bootNode(ctx, what) }); err != nil {
		return err
	}
	if err := c.reapplyFaults(ctx); err != nil {
		return err
	}
	return c.progress.Step(what+" Ready", func() error { return c.joinNodes(ctx, []string{what}) })
}
