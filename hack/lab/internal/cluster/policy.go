// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/netladder/netladder/hack/lab/internal/cgroup"
	"github.com/netladder/netladder/hack/lab/internal/policy"
)

// AllNodes is what SetPolicy and SetMetadata accept instead of a node.
const AllNodes = "all"

// policyAgentUser is whom the policy agents are to the API server; files/policy-agent.yaml says what they may do.
const policyAgentUser = "lab:" + policyAgent

// SetPolicy says what becomes of denied packets on a node or on all; it outlives a power-off.
func (c *Cluster) SetPolicy(ctx context.Context, treatment policy.Treatment, node string) error {
	nodes, err := c.nodesOf(node)
	if err != nil {
		return err
	}
	for _, each := range nodes {
		c.state.SetPolicy(each, treatment)
	}
	if err := c.state.Save(c.lab); err != nil {
		return err
	}
	return c.progress.Step(fmt.Sprintf("policy %s on %s", treatment, strings.Join(nodes, ", ")), func() error {
		for _, each := range nodes {
			if c.state.IsStopped(each) {
				continue
			}
			if err := c.nft(ctx, each, []byte(treatment.Script())); err != nil {
				return err
			}
		}
		return nil
	})
}

// nodesOf is one node or, for AllNodes, all of them.
func (c *Cluster) nodesOf(node string) ([]string, error) {
	if node == AllNodes {
		return c.state.Nodes, nil
	}
	if err := c.state.CheckNode(node); err != nil {
		return nil, fmt.Errorf("%w; %q means all of them", err, AllNodes)
	}
	return []string{node}, nil
}

// applyPolicy queues new flows for the node's policy agent and says what becomes of those that it denies.
func (c *Cluster) applyPolicy(ctx context.Context, node string) error {
	return errors.Join(
		c.nft(ctx, node, []byte(c.state.PolicyOf(node).Script())),
		c.inNetns(ctx, node, []byte(policy.QueueRules()), "iptables-restore", "--noflush"))
}

// startPolicyAgent starts what judges a node's new flows.
func (c *Cluster) startPolicyAgent(node string) error {
	_, err := c.ensureDaemon(daemon{member: node, name: policyAgent, inNode: true, args: []string{
		c.nodeBinary(policyAgent), "--kubeconfig=" + c.kubeconfigOf(policyAgent), "--node=" + node,
		"--queue=" + strconv.Itoa(policy.Queue), "--mark=" + strconv.Itoa(policy.Mark),
	}})
	return err
}

// waitForPolicyAgent returns when the node's agent serves the queue; before that everything passes.
func (c *Cluster) waitForPolicyAgent(ctx context.Context, node string) error {
	return c.waitForDaemon(ctx, node, policyAgent, agentLimit, func(context.Context) error {
		pids, err := cgroup.Pids(c.lab.DaemonCgroup(node, policyAgent))
		if err != nil || len(pids) == 0 {
			return errors.Join(errors.New("it does not run"), err)
		}
		// The queues of the network namespace that the process is in, one a line, by their number.
		queues, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pids[0]), "net/netfilter/nfnetlink_queue"))
		if err != nil {
			return fmt.Errorf("looking for its queue: %w", err)
		}
		if !slices.ContainsFunc(strings.Split(string(queues), "\n"), isPolicyQueue) {
			return fmt.Errorf("it does not serve queue %d yet", policy.Queue)
		}
		return nil
	})
}

func isPolicyQueue(line string) bool {
	fields := strings.Fields(line)
	return len(fields) > 0 && fields[0] == strconv.Itoa(policy.Queue)
}
