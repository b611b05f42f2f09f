// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/cmd/internal/process"
	"github.com/netladder/netladder/controllers"
	"github.com/netladder/netladder/controllers/plan"
	"github.com/netladder/netladder/prober/apiaccess"
)

func controllerCommand() *cobra.Command {
	var (
		opts           controllers.Options
		logs           process.LogFlags
		fleetFile      string
		level          string
		pullPolicy     string
		canary         bool
		audit          bool
		tolerations    string
		podLabels      string
		podAnnotations string
		prober, echo   resourceFlags
		canaryPods     resourceFlags
	)
	cmd := &cobra.Command{
		Use:   "controller",
		Short: "Plan what the probers do, judge what they report, and install them",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctrl.SetLogger(logs.Logger())
			opts.Level = v1alpha1.Level(level)
			opts.DisableCanary = !canary
			if cmd.Flags().Changed("audit") {
				opts.Audit = &audit
			}
			opts.ImagePullPolicy = corev1.PullPolicy(pullPolicy)
			var err error
			if err := errors.Join(
				parseJSON("tolerations", tolerations, &opts.Tolerations),
				parseJSON("pod-labels", podLabels, &opts.PodLabels),
				parseJSON("pod-annotations", podAnnotations, &opts.PodAnnotations),
			); err != nil {
				return err
			}
			if opts.ProberResources, err = prober.requirements(controllers.DefaultProberResources()); err != nil {
				return fmt.Errorf("--prober-*: %w", err)
			}
			if opts.EchoResources, err = echo.requirements(controllers.DefaultEchoResources()); err != nil {
				return fmt.Errorf("--echo-*: %w", err)
			}
			if opts.CanaryResources, err = canaryPods.requirements(controllers.DefaultCanaryResources()); err != nil {
				return fmt.Errorf("--canary-*: %w", err)
			}
			// The controller must hear of a broken ClusterIP on its own node too.
			// Outside of a pod the usual kubeconfig is used.
			if access, err := apiaccess.InCluster(fleetFile); err == nil {
				opts.RESTConfig = access.Config()
			}
			if err := metrics.Registry.Register(build().Info("controller")); err != nil {
				return fmt.Errorf("registering metrics: %w", err)
			}
			return controllers.Run(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	logs.Register(flags)
	flags.StringVar(&opts.Namespace, "namespace", "", "the namespace Netladder is installed in (required)")
	flags.StringVar(&opts.Image, "image", "", "image of what the controller installs (required)")
	flags.StringVar(&opts.DeploymentName, "deployment-name", "netladder-controller", "the controller's own Deployment, which owns what the controller installs")
	flags.StringVar(&opts.ClusterRoleName, "cluster-role-name", "netladder-controller", "the controller's own ClusterRole, which owns what the controller writes outside of its namespace")
	flags.StringVar(&level, "level", string(v1alpha1.LevelRestricted), "what probers may do: Restricted (ordinary pods) or Full (they enter the network namespaces of pods and nodes; the namespace must admit privileged pods, see config/full)")
	flags.BoolVar(&audit, "audit", false, "look for mistakes in NetworkPolicies, see docs/findings.md; without the flag at level Full only. At level Restricted it needs the rights of config/audit")
	flags.StringVar(&fleetFile, "fleet-file", "/etc/netladder/fleet.json", "file with the API server's endpoints, for when its ClusterIP does not work")
	flags.StringVar(&pullPolicy, "image-pull-policy", "", "Always, IfNotPresent or Never; default as Kubernetes' for the tag")
	flags.StringSliceVar(&opts.ImagePullSecrets, "image-pull-secret", nil, "name of a Secret to pull the image with; may be repeated")
	flags.StringToStringVar(&opts.NodeSelector, "node-selector", nil, "run what the controller installs only on nodes with these labels: key=value,…")
	flags.StringVar(&tolerations, "tolerations", "", `taints that what the controller installs tolerates, as a pod's tolerations in JSON, such as '[{"operator":"Exists"}]' for all, which is the default; [] for those that every DaemonSet tolerates`)
	flags.StringVar(&podLabels, "pod-labels", "", "labels of these pods beside their own, as a JSON object")
	flags.StringVar(&podAnnotations, "pod-annotations", "", "annotations of these pods, as a JSON object")
	flags.StringVar(&opts.PriorityClassName, "priority-class", "", "priority class of what the controller installs")
	flags.BoolVar(&canary, "canary", true, "run on each node a tiny pod that a NetworkPolicy isolates, to prove whether the node enforces policies; false removes them")
	prober.register(flags, "prober")
	echo.register(flags, "echo")
	canaryPods.register(flags, "canary")
	flags.BoolVar(&opts.LeaderElection, "leader-elect", true, "elect one of several controllers by a Lease; without it there must be only one")
	flags.StringVar(&opts.MetricsBindAddress, "metrics-bind-address", ":8443", "address of /metrics; 0 turns it off")
	flags.BoolVar(&opts.MetricsInsecure, "metrics-insecure", false, "serve metrics by plain HTTP to everybody, for labs")
	flags.StringVar(&opts.MetricsCertDir, "metrics-cert-dir", "", "directory with tls.crt and tls.key for the metrics; default self-signed")
	flags.StringVar(&opts.HealthProbeBindAddress, "health-probe-bind-address", ":8081", "address of /healthz and /readyz; 0 turns it off")
	flags.IntVar(&opts.AssignmentSizeLimit, "assignment-size-limit", 64<<10, "largest ProbeAssignment spec in bytes of JSON; above it sampling shrinks")
	flags.Float64Var(&opts.Budgets.Target, "target-budget", plan.DefaultTargetBudget, "probes per second that one address and port gets from all checks together; a Service counts once for each endpoint. Over any of the budgets intervals are stretched; 0 means the default")
	flags.Float64Var(&opts.Budgets.Namespace, "namespace-budget", plan.DefaultNamespaceBudget, "probes per second that the checks of one namespace start on one node, Netladder's own namespace excepted")
	flags.Float64Var(&opts.Budgets.Node, "node-budget", plan.DefaultNodeBudget, "probes per second that all checks together start on one node")
	return cmd
}

// parseJSON strictly decodes the value of a flag; an empty one leaves out as it is.
func parseJSON(flag, text string, out any) error {
	if text == "" {
		return nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(out); err != nil {
		return fmt.Errorf("--%s %s: %w", flag, text, err)
	}
	return nil
}

// resourceFlags are the resources of a DaemonSet's container.
type resourceFlags struct {
	cpuRequest, memoryRequest, memoryLimit string
}

func (f *resourceFlags) register(flags *pflag.FlagSet, role string) {
	flags.StringVar(&f.cpuRequest, role+"-cpu-request", "", "CPU request of "+role+" pods; there is no limit, for throttling would look like a slow network")
	flags.StringVar(&f.memoryRequest, role+"-memory-request", "", "memory request of "+role+" pods")
	flags.StringVar(&f.memoryLimit, role+"-memory-limit", "", "memory limit of "+role+" pods")
}

// requirements puts what was given on top of the defaults.
func (f *resourceFlags) requirements(r corev1.ResourceRequirements) (corev1.ResourceRequirements, error) {
	for _, q := range []struct {
		text string
		list corev1.ResourceList
		name corev1.ResourceName
	}{
		{f.cpuRequest, r.Requests, corev1.ResourceCPU},
		{f.memoryRequest, r.Requests, corev1.ResourceMemory},
		{f.memoryLimit, r.Limits, corev1.ResourceMemory},
	} {
		if q.text == "" {
			continue
		}
		quantity, err := resource.ParseQuantity(q.text)
		if err != nil {
			return r, fmt.Errorf("%s %q: %w", q.name, q.text, err)
		}
		q.list[q.name] = quantity
	}
	return r, nil
}
