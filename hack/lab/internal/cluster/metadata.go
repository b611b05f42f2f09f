// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
	"strings"

	"github.com/netladder/netladder/hack/lab/internal/layout"
	"github.com/netladder/netladder/hack/lab/internal/network"
)

// metadataAddress is where every node's metadata server listens: the node reaches its own, and so do its pods.
const metadataAddress = layout.MetadataIP + ":80"

// SetMetadata starts or stops the metadata server of a node or of all; it stays so over a power-off.
func (c *Cluster) SetMetadata(ctx context.Context, on bool, node string) error {
	nodes, err := c.nodesOf(node)
	if err != nil {
		return err
	}
	for _, each := range nodes {
		c.state.SetMetadata(each, on)
	}
	if err := c.state.Save(c.lab); err != nil {
		return err
	}
	what := map[bool]string{true: "answers", false: "stopped"}[on]
	return c.progress.Step(fmt.Sprintf("metadata server %s on %s", what, strings.Join(nodes, ", ")), func() error {
		for _, each := range nodes {
			if c.state.IsStopped(each) {
				continue
			}
			if err := c.switchMetadata(ctx, on, each); err != nil {
				return err
			}
		}
		return nil
	})
}

func (c *Cluster) switchMetadata(ctx context.Context, on bool, node string) error {
	if !on {
		return c.stopDaemon(ctx, node, metadata)
	}
	if err := c.startMetadata(node); err != nil {
		return err
	}
	return c.waitForMetadata(ctx, node)
}

// waitForMetadata returns when the node's metadata server answers, if it is to.
func (c *Cluster) waitForMetadata(ctx context.Context, node string) error {
	if !c.state.HasMetadata(node) {
		return nil
	}
	return c.waitForDaemon(ctx, node, metadata, metadataLimit, func(ctx context.Context) error {
		return c.inNode(ctx, node, nil, c.nodeBinary(podtool), "get", "http://"+metadataAddress+"/latest/meta-data/")
	})
}

// startMetadata starts the node's metadata server unless it is to be down. Its address stays either way: connections to it
// are then refused, as by a node where nothing listens.
func (c *Cluster) startMetadata(node string) error {
	if err := network.EnsureMetadataAddress(c.lab, node); err != nil {
		return err
	}
	if !c.state.HasMetadata(node) {
		return nil
	}
	_, err := c.ensureDaemon(daemon{member: node, name: metadata, inNode: true, args: []string{
		c.nodeBinary(podtool), "metadata", metadataAddress,
	}})
	return err
}
