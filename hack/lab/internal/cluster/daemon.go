package cluster

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/netladder/netladder/hack/lab/internal/cgroup"
	"github.com/netladder/netladder/hack/lab/internal/launch"
)

const (
	pollEvery = 100 * time.Millisecond
	// startGrace is how long a daemon may take to appear in its cgroup before it counts as ended.
	startGrace = 2 * time.Second
	logTail    = 15 // lines of a log that an error shows
)

// daemon is one long-running program of a member.
type daemon struct {
	member string
	name   string
	args   []string
	env    []string
	inNode bool // in the node's mount, PID and UTS namespaces
	fork   bool // it makes those namespaces
	files  []*os.File
}

// ensureDaemon starts the daemon unless it runs, and tells whether it did.
func (c *Cluster) ensureDaemon(d daemon) (started bool, err error) {
	group := c.lab.DaemonCgroup(d.member, d.name)
	if pids, err := cgroup.Pids(group); err != nil || len(pids) > 0 {
		return false, err
	}
	if err := cgroup.Create(group); err != nil {
		return false, err
	}
	process := launch.Process{
		Cgroup: group, Netns: c.lab.Netns(d.member), Fork: d.fork, Args: d.args, Env: d.env, Files: d.files,
		Log: c.lab.LogFile(d.member, d.name),
	}
	if d.inNode {
		if process.Join, err = c.nodePID(d.member); err != nil {
			return false, err
		}
	}
	return true, launch.Start(process)
}

// stopDaemon kills a daemon and what it has started, and waits until they are gone.
func (c *Cluster) stopDaemon(ctx context.Context, member, name string) error {
	return cgroup.Kill(ctx, c.lab.DaemonCgroup(member, name))
}

// waitForDaemon polls until check succeeds. It gives up when the daemon ends or the time is over, with the end of its log.
func (c *Cluster) waitForDaemon(ctx context.Context, member, name string, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	start := time.Now()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		pids, pidErr := cgroup.Pids(c.lab.DaemonCgroup(member, name))
		if pidErr != nil {
			return pidErr
		}
		if len(pids) == 0 && time.Since(start) > startGrace {
			return fmt.Errorf("%s of %s has ended (%w); its log ends with:\n%s", name, member, err, c.tail(member, name, logTail))
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s of %s not ready after %s (%w); its log ends with:\n%s", name, member, limit, err, c.tail(member, name, logTail))
		case <-time.After(pollEvery):
		}
	}
}

// waitFor polls until check succeeds or the time is over.
func waitFor(ctx context.Context, what string, limit time.Duration, check func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not so after %s: %w", what, limit, err)
		case <-time.After(pollEvery):
		}
	}
}

// tail returns the last lines of a daemon's log, indented.
func (c *Cluster) tail(member, name string, lines int) string {
	content, err := os.ReadFile(c.lab.LogFile(member, name))
	if err != nil {
		return "  (" + err.Error() + ")"
	}
	all := strings.Split(string(bytes.TrimSpace(content)), "\n")
	return "  " + strings.Join(all[max(0, len(all)-lines):], "\n  ")
}

// Log returns the last lines of a daemon's log; member is a node or layout.ControlPlane.
func (c *Cluster) Log(member, name string, lines int) (string, error) {
	if _, err := os.Stat(c.lab.LogFile(member, name)); err != nil {
		entries, _ := os.ReadDir(c.lab.Path("logs", member))
		var names []string
		for _, entry := range entries {
			names = append(names, strings.TrimSuffix(entry.Name(), ".log"))
		}
		return "", fmt.Errorf("%s has no log of %q; it has %v", member, name, names)
	}
	return c.tail(member, name, lines), nil
}
