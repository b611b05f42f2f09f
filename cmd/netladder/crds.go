// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	clientconfig "sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/netladder/netladder/config/crd"
)

func crdsCommand() *cobra.Command {
	var options crd.ApplyOptions
	cmd := &cobra.Command{
		Use:   "crds",
		Short: "Apply the CustomResourceDefinitions of this version, and wait until the API server serves them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			config, err := clientconfig.GetConfig()
			if err != nil {
				return fmt.Errorf("finding the API server: %w", err)
			}
			return crd.Apply(cmd.Context(), config, options, cmd.OutOrStdout())
		},
	}
	flags := cmd.Flags()
	// Helm's own name, so that a later "helm install", which applies the chart's
	// folder crds/, meets no other owner.
	flags.StringVar(&options.FieldManager, "field-manager", "helm", "who owns the fields of the CRDs then")
	flags.DurationVar(&options.Timeout, "timeout", 2*time.Minute, "how long the API server may take")
	return cmd
}
