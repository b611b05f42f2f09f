// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/netladder/netladder/hack/lab/internal/cluster"
	"github.com/netladder/netladder/hack/lab/internal/policy"
)

func newPolicyCommand(flag *labFlag) *cobra.Command {
	var words []string
	for _, each := range policy.Treatments() {
		words = append(words, string(each))
	}
	return &cobra.Command{
		Use:   "policy " + strings.Join(words, "|") + " NODE|" + cluster.AllNodes,
		Short: "Say what becomes of packets that NetworkPolicies deny on a node; off: nothing is denied",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			treatment, err := policy.Parse(args[0])
			if err != nil {
				return err
			}
			return flag.change(cmd, func(c *cluster.Cluster) error { return c.SetPolicy(cmd.Context(), treatment, args[1]) })
		},
	}
}

func newMetadataCommand(flag *labFlag) *cobra.Command {
	return &cobra.Command{
		Use:   "metadata start|stop NODE|" + cluster.AllNodes,
		Short: "Start or stop a node's server at 169.254.169.254",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "start" && args[0] != "stop" {
				return fmt.Errorf("metadata %s: want start or stop", args[0])
			}
			return flag.change(cmd, func(c *cluster.Cluster) error { return c.SetMetadata(cmd.Context(), args[0] == "start", args[1]) })
		},
	}
}
