// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/cmd/netladder/internal/draft"
)

func suggestCommand(p *plugin) *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "suggest",
		Short: "Write checks from the NetworkPolicies of a namespace, to review",
		Long: `Writes ConnectivityChecks from the NetworkPolicies of a namespace: what they
allow, and what they mean to deny, each path with the policy and the clause it
comes from. It changes nothing in the cluster: read what it prints, and apply it.

What cannot be tested is listed with the reason, above the checks. What a policy
says need not be what was meant: a path that is denied by accident is suggested
as one that must be.

It reads the pods, Services, NetworkPolicies and checks of the namespace, and of
others as far as you may.`,
		Example: `  kubectl netladder suggest -n shop > checks.yaml
  kubectl netladder suggest -n shop -o json | kubectl apply --dry-run=server -f -`,
		Args:              cobra.NoArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := p.validOutput(); err != nil {
				return err
			}
			if problems := validation.IsDNS1123Label(name); len(problems) > 0 || len(name) > 40 {
				return fmt.Errorf("--name %q: use at most 40 lower case letters, digits and '-', such as network-policies", name)
			}
			return p.suggest(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), name)
		},
	}
	flags := cmd.Flags()
	p.register(flags)
	flags.Lookup("output").Usage = "json (a List to apply, without the comments) or yaml, the default"
	flags.StringVar(&name, "name", "network-policies", "name of the checks; more than one get a suffix")
	p.completeFlags(cmd)
	return cmd
}

func (p *plugin) suggest(ctx context.Context, out, errOut io.Writer, name string) error {
	c, namespace, err := p.connect()
	if err != nil {
		return err
	}
	// Who may not read namespaces is not asked to.
	if err := c.Get(ctx, client.ObjectKey{Name: namespace}, &corev1.Namespace{}); apierrors.IsNotFound(err) {
		return fmt.Errorf("there is no namespace %s", namespace)
	}
	in, err := readable(ctx, c, namespace)
	if err != nil {
		return err
	}
	in.Namespace, in.Home, in.Name = namespace, p.home, name
	d := draft.Of(in)
	if p.output == "json" {
		err = p.print(out, map[string]any{"apiVersion": "v1", "kind": "List", "items": d.Objects(namespace)})
	} else {
		var text string
		if text, err = d.YAML(namespace); err == nil {
			_, err = io.WriteString(out, text)
		}
	}
	if err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	switch {
	case d.Policies == 0:
		tell(errOut, "namespace %s has no NetworkPolicies, so nothing is meant to be denied; docs/examples of Netladder has policies to begin with\n", namespace)
	case len(d.Checks) == 0:
		tell(errOut, "nothing of the NetworkPolicies in namespace %s can be tested; the comments say why\n", namespace)
	}
	return nil
}

// readable is what the user may read: of the namespace all that is needed, of
// others what can be had.
func readable(ctx context.Context, c client.Reader, namespace string) (*draft.Input, error) {
	var (
		pods       corev1.PodList
		services   corev1.ServiceList
		policies   networkingv1.NetworkPolicyList
		checks     v1alpha1.ConnectivityCheckList
		namespaces corev1.NamespaceList
	)
	for _, each := range []struct {
		list client.ObjectList
		what string
	}{{&pods, "pods"}, {&services, "Services"}, {&policies, "NetworkPolicies"}, {&checks, "ConnectivityChecks"}} {
		err := c.List(ctx, each.list)
		if apierrors.IsForbidden(err) {
			err = c.List(ctx, each.list, client.InNamespace(namespace))
		}
		if err != nil {
			return nil, explain(err, "listing "+each.what)
		}
	}
	if err := c.List(ctx, &namespaces); err != nil {
		var one corev1.Namespace
		if err := c.Get(ctx, client.ObjectKey{Name: namespace}, &one); err == nil {
			namespaces.Items = append(namespaces.Items, one)
		}
	}
	return &draft.Input{Pods: pods.Items, Services: services.Items, Policies: policies.Items, Checks: checks.Items, Namespaces: namespaces.Items}, nil
}
