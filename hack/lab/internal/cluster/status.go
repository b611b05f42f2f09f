package cluster

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/hack/lab/internal/cgroup"
	"github.com/netladder/netladder/hack/lab/internal/layout"
)

const statusTimeout = 2 * time.Second

// Status writes what runs, what is Ready and what is broken on purpose.
func (c *Cluster) Status(ctx context.Context, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	ready, podCIDRs := map[string]string{}, map[string]string{}
	if client, err := c.client(); err == nil {
		list, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		if err != nil {
			if _, err := fmt.Fprintf(out, "API server: %v\n", err); err != nil {
				return err
			}
		} else {
			for _, node := range list.Items {
				podCIDRs[node.Name] = node.Spec.PodCIDR
				for _, condition := range node.Status.Conditions {
					if condition.Type == "Ready" {
						ready[node.Name] = string(condition.Status)
					}
				}
			}
		}
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "MEMBER\tADDRESS\tPOD CIDR\tREADY\tPOLICY\tRUNNING")
	_, _ = fmt.Fprintf(table, "%s\t%s\t-\t-\t-\t%s\n", layout.ControlPlane, layout.ControlPlaneIP, c.runningDaemons(layout.ControlPlane))
	for _, node := range c.state.Nodes {
		ip, err := layout.NodeIP(node)
		if err != nil {
			return err
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n",
			node, ip, orDash(podCIDRs[node]), orDash(ready[node]), c.state.PolicyOf(node), c.runningDaemons(node))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	faults := "none"
	if len(c.state.Faults) > 0 {
		var lines []string
		for _, record := range c.state.Faults {
			lines = append(lines, record.String())
		}
		faults = strings.Join(lines, "; ")
	}
	_, err := fmt.Fprintf(out, "faults: %s\nCoreDNS: %s\nAPI server: https://127.0.0.1:%d\nkubeconfig: %s\n",
		faults, strings.Join(c.state.DNSNodes, ", "), c.state.Port, c.Kubeconfig())
	return err
}

// runningDaemons names the daemons of a member that have a process.
func (c *Cluster) runningDaemons(member string) string {
	entries, _ := os.ReadDir(filepath.Join("/sys/fs/cgroup/pids", c.lab.Cgroup(member, "daemons")))
	var names []string
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		if pids, err := cgroup.Pids(c.lab.DaemonCgroup(member, entry.Name())); err == nil && len(pids) > 0 {
			names = append(names, entry.Name())
		}
	}
	if len(names) == 0 {
		return "nothing (stopped)"
	}
	return strings.Join(names, " ")
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
