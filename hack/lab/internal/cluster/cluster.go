// Package cluster starts, stops, breaks and removes a lab.
//
// Every step looks at what is there first, so that `up` twice is fine and `up` after a crash repairs.
package cluster

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/netladder/netladder/hack/lab/internal/cgroup"
	"github.com/netladder/netladder/hack/lab/internal/filelock"
	"github.com/netladder/netladder/hack/lab/internal/layout"
	"github.com/netladder/netladder/hack/lab/internal/progress"
	"github.com/netladder/netladder/hack/lab/internal/state"
)

// Cluster is one lab. Its methods that change the lab are to be called under Lock.
type Cluster struct {
	lab      layout.Lab
	progress *progress.Printer
	state    *state.State // nil until loaded
}

// New returns a lab by name, whether it is up or not.
func New(lab layout.Lab, p *progress.Printer) *Cluster { return &Cluster{lab: lab, progress: p} }

// Load returns a lab that has been started; the error is state.ErrNoLab if it was not.
func Load(lab layout.Lab, p *progress.Printer) (*Cluster, error) {
	s, err := state.Load(lab)
	if err != nil {
		return nil, err
	}
	return &Cluster{lab: lab, progress: p, state: s}, nil
}

// Lock keeps other commands from changing the same lab until unlock is called.
func Lock(ctx context.Context, lab layout.Lab, p *progress.Printer) (unlock func(), err error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("the lab makes namespaces and cgroups: run as root")
	}
	if err := os.MkdirAll(filepath.Dir(lab.LockFile()), 0o755); err != nil {
		return nil, fmt.Errorf("making the directory of locks: %w", err)
	}
	return filelock.Lock(ctx, lab.LockFile(), func() { p.Say("wait  another command changes lab %s", lab.Name) })
}

// Kubeconfig is a file for clients on this machine.
func (c *Cluster) Kubeconfig() string { return c.lab.Path("kubeconfig") }

// Binary is the path of a component that the lab runs on.
func (c *Cluster) Binary(name string) string { return filepath.Join(c.state.Binaries, name) }

// client returns a client of the API server with all rights.
func (c *Cluster) client() (*kubernetes.Clientset, error) {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig())
	if err != nil {
		return nil, fmt.Errorf("reading the lab's kubeconfig: %w", err)
	}
	config.QPS = -1 // no client-side limit: there is one lab and one command
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client: %w", err)
	}
	return client, nil
}

// nodePID returns the first process of a running node, whose namespaces are the node's.
func (c *Cluster) nodePID(node string) (int, error) {
	pids, err := cgroup.Pids(c.lab.DaemonCgroup(node, nodeInitDaemon))
	if err != nil {
		return 0, err
	}
	if len(pids) == 0 {
		return 0, fmt.Errorf("node %s is not running: start it with `lab start %s`", node, node)
	}
	return pids[0], nil
}
