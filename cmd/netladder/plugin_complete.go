// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// completionTimeout is how long a shell waits at most.
const completionTimeout = 3 * time.Second

// maxCompletions that are offered; a shell shows no more in any useful way.
const maxCompletions = 200

// completeFlags offers values of the flags that all commands have.
func (p *plugin) completeFlags(cmd *cobra.Command) {
	offer := func(flag string, f cobra.CompletionFunc) {
		if cmd.Flags().Lookup(flag) != nil {
			_ = cmd.RegisterFlagCompletionFunc(flag, f) // it fails only for a flag that is not there
		}
	}
	offer("namespace", p.completeNamespaces)
	offer("netladder-namespace", p.completeNamespaces)
	offer("output", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return outputs(), cobra.ShellCompDirectiveNoFileComp
	})
	offer("context", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		config, err := p.loading.Load()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for name := range config.Contexts {
			names = append(names, name)
		}
		slices.Sort(names)
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

func (p *plugin) completeNamespaces(cmd *cobra.Command, _ []string, begin string) ([]string, cobra.ShellCompDirective) {
	return p.names(cmd.Context(), &corev1.NamespaceList{}, "", begin), cobra.ShellCompDirectiveNoFileComp
}

func (p *plugin) completeChecks(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
	names := p.names(cmd.Context(), &v1alpha1.ConnectivityCheckList{}, "", begin)
	return slices.DeleteFunc(names, func(name string) bool { return slices.Contains(args, name) }), cobra.ShellCompDirectiveNoFileComp
}

// names of the objects of a kind that begin so, after a prefix; none where the
// cluster does not answer: a completion says no more.
func (p *plugin) names(ctx context.Context, list client.ObjectList, prefix, begin string) []string {
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTimeout)
	defer cancel()
	c, namespace, err := p.connect()
	if err != nil {
		return nil
	}
	if _, cluster := list.(*corev1.NamespaceList); cluster {
		namespace = ""
	}
	if _, cluster := list.(*corev1.NodeList); cluster {
		namespace = ""
	}
	if err := c.List(ctx, list, client.InNamespace(namespace)); err != nil {
		return nil
	}
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil
	}
	var out []string
	for _, item := range items {
		object, err := meta.Accessor(item)
		if name := prefix + object.GetName(); err == nil && strings.HasPrefix(name, begin) && len(out) < maxCompletions {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// completeEnds offers FROM, and then TO.
func (p *plugin) completeEnds(cmd *cobra.Command, args []string, begin string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 1 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx := cmd.Context()
	kinds := []string{"pod/", "deploy/", "sts/", "ds/", "node/", "nodes", "probers", "pods"}
	if len(args) == 1 {
		kinds = []string{"svc/", "pod/", "deploy/", "node/", "nodes", "dns:", "apiserver", "mesh"}
	}
	kind, _, named := strings.Cut(begin, "/")
	if !named {
		kinds = slices.DeleteFunc(kinds, func(kind string) bool { return !strings.HasPrefix(kind, begin) })
		return kinds, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	lists := map[string]client.ObjectList{
		"pod": &corev1.PodList{}, "deploy": &appsv1.DeploymentList{}, "sts": &appsv1.StatefulSetList{}, "ds": &appsv1.DaemonSetList{},
		"node": &corev1.NodeList{}, "svc": &corev1.ServiceList{},
	}
	list := lists[kind]
	if list == nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	directive := cobra.ShellCompDirectiveNoFileComp
	if len(args) == 1 {
		directive |= cobra.ShellCompDirectiveNoSpace // a port follows
	}
	return p.names(ctx, list, kind+"/", begin), directive
}
