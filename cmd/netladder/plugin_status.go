// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/cmd/netladder/internal/overview"
)

func statusCommand(p *plugin) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "status [CHECK...]",
		Short: "What is broken now, and for which causes",
		Long: `What is broken now, put together by cause, with the ladder of rungs: which is
broken, which are known to work, and of which nothing is known. It reads the
status of ConnectivityChecks, with your own rights, and nothing else.

Exit codes: 0 everything is as declared, 1 an error, 2 something is broken,
3 nothing is broken and of some path nothing is known.`,
		Example: `  kubectl netladder status                   # the namespace of the context
  kubectl netladder status -A                # all namespaces
  kubectl netladder status -n shop api -o json`,
		ValidArgsFunction: p.completeChecks,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.validOutput(); err != nil {
				return err
			}
			return p.status(cmd.Context(), cmd.OutOrStdout(), all, args)
		},
	}
	flags := cmd.Flags()
	p.register(flags)
	flags.BoolVarP(&all, "all-namespaces", "A", false, "the checks of all namespaces")
	p.completeFlags(cmd)
	return cmd
}

func (p *plugin) status(ctx context.Context, out io.Writer, all bool, names []string) error {
	c, namespace, err := p.connect()
	if err != nil {
		return err
	}
	if all {
		namespace = ""
	}
	var list, around v1alpha1.ConnectivityCheckList
	if err := c.List(ctx, &list, client.InNamespace(namespace)); err != nil {
		return explain(err, "listing ConnectivityChecks")
	}
	checks, err := named(list.Items, names)
	if err != nil {
		return err
	}
	if !all && namespace != p.home {
		// What the whole cluster's checks prove is worth knowing, and not everybody
		// may read it.
		_ = c.List(ctx, &around, client.InNamespace(p.home))
	}
	report := overview.Of(checks, append(around.Items, list.Items...))
	if p.output != "" {
		err = p.print(out, report)
	} else {
		style := p.style(out)
		style.Everywhere = all
		_, err = io.WriteString(out, overview.Draw(&report, style))
	}
	if err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	if code := report.ExitCode(); code != 0 {
		return exitCode(code)
	}
	return nil
}

// named are the checks of these names; without names all.
func named(checks []v1alpha1.ConnectivityCheck, names []string) ([]v1alpha1.ConnectivityCheck, error) {
	if len(names) == 0 {
		return checks, nil
	}
	var out []v1alpha1.ConnectivityCheck
	missing := slices.Clone(names)
	for i := range checks {
		if slices.Contains(names, checks[i].Name) {
			out = append(out, checks[i])
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == checks[i].Name })
		}
	}
	if len(missing) > 0 {
		return nil, fmt.Errorf("there is no ConnectivityCheck %s here; kubectl get ccheck -A lists all", strings.Join(missing, ", "))
	}
	return out, nil
}
