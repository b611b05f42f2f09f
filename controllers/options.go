// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/client-go/rest"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// Options of the controller process.
type Options struct {
	// RESTConfig of the cluster; nil means the pod's own, or KUBECONFIG and
	// ~/.kube/config outside of a cluster.
	RESTConfig *rest.Config

	// Namespace Netladder is installed in: the controller's own. Checks there
	// may aim at anything. Required.
	Namespace string

	// Image of the DaemonSets, normally the controller's own.
	// Required.
	Image string

	// Level of the probers. Empty means Restricted. Full needs a namespace in
	// which Pod Security admits privileged pods, and for the controller the
	// rights of config/full.
	Level v1alpha1.Level

	// DisableCanary keeps the canary pods, which show whether nodes enforce
	// NetworkPolicies, from being installed, and removes them.
	DisableCanary bool

	// ImagePullPolicy of the DaemonSets: Always, IfNotPresent or Never. Empty
	// is Kubernetes' default for the image's tag.
	ImagePullPolicy corev1.PullPolicy

	// ImagePullSecrets of the DaemonSets: names of Secrets in Namespace.
	ImagePullSecrets []string

	// DeploymentName is the name of the controller's own Deployment in
	// Namespace. It owns what the controller installs, so that deleting it
	// uninstalls the probers. Required, and it must exist.
	DeploymentName string

	// NodeSelector restricts the DaemonSets to nodes with these labels. Empty
	// means every Linux node.
	NodeSelector map[string]string

	// Tolerations of the DaemonSets' pods. Nil tolerates every taint, because a
	// node that is left out is not tested; an empty list tolerates what every
	// DaemonSet does.
	Tolerations []corev1.Toleration

	// PodLabels and PodAnnotations of the DaemonSets' pods, beside their own.
	PodLabels, PodAnnotations map[string]string

	// PriorityClassName of the DaemonSets. Empty is the cluster's default.
	PriorityClassName string

	// ProberResources, EchoResources and CanaryResources of the containers; what
	// is not set here comes from DefaultProberResources, DefaultEchoResources and
	// DefaultCanaryResources, nil lists as a whole.
	ProberResources, EchoResources, CanaryResources corev1.ResourceRequirements

	// ClusterRoleName is the name of the controller's own ClusterRole. It owns
	// what the controller writes outside of its namespace, so that deleting it
	// removes that. Empty, or where there is no such role or it may not be read,
	// these objects have no owner and stay.
	ClusterRoleName string

	// Identity of this controller in the Lease and on its events; empty means
	// the host's name, which in a pod is the pod's. A container that is
	// restarted in its pod so finds its own Lease, and need not wait for it to
	// run out. No two controllers that run at once may share it.
	Identity string

	// LeaderElection by a Lease in Namespace. Without it there must be at most
	// one controller in the cluster, for example on a developer's machine.
	LeaderElection bool

	// MetricsBindAddress is where /metrics is served, for example ":8443".
	// Empty or "0" serves no metrics.
	MetricsBindAddress string

	// MetricsInsecure serves metrics by plain HTTP to everybody, for labs.
	// Otherwise they are served by HTTPS, with a self-signed certificate if
	// MetricsCertDir is empty, to those who may "get" the URL /metrics.
	MetricsInsecure bool

	// MetricsCertDir is a directory with tls.crt and tls.key.
	MetricsCertDir string

	// HealthProbeBindAddress is where /healthz and /readyz are served, for
	// example ":8081". Empty or "0" serves none.
	HealthProbeBindAddress string

	// AssignmentSizeLimit of one ProbeAssignment's spec as JSON, in bytes. 0
	// means 64 KiB.
	AssignmentSizeLimit int

	// Audit says whether NetworkPolicies are audited; nil means at level Full
	// only. At level Restricted the controller needs the rights of config/audit.
	Audit *bool

	// Budgets of probes per second; zero fields mean the defaults of plan.
	Budgets plan.Budgets
}

// DefaultProberResources of a prober: room for some hundred probes a second.
func DefaultProberResources() corev1.ResourceRequirements { return resources("10m", "32Mi", "128Mi") }

// DefaultEchoResources of an echo pod.
func DefaultEchoResources() corev1.ResourceRequirements { return resources("5m", "16Mi", "64Mi") }

// DefaultCanaryResources of a canary pod, which is dialled a few times a minute.
func DefaultCanaryResources() corev1.ResourceRequirements { return resources("1m", "16Mi", "64Mi") }

// resources without a CPU limit: throttling would look like a slow network.
func resources(cpu, memory, memoryLimit string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{
		Requests: corev1.ResourceList{
			corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
		},
		Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse(memoryLimit)},
	}
}

// Validate says everything that is wrong with the options, in one error whose
// parts name the fields.
func (o *Options) Validate() error {
	var problems []error
	label := func(field, value string) {
		for _, problem := range validation.IsDNS1123Label(value) {
			problems = append(problems, fmt.Errorf("%s %q: %s", field, value, problem))
		}
	}
	subdomain := func(field, value string) {
		for _, problem := range validation.IsDNS1123Subdomain(value) {
			problems = append(problems, fmt.Errorf("%s %q: %s", field, value, problem))
		}
	}
	label("Namespace", o.Namespace)
	subdomain("DeploymentName", o.DeploymentName)
	if o.Image == "" {
		problems = append(problems, errors.New("the Image of the probers and echo pods must be set"))
	}
	switch o.Level {
	case "", v1alpha1.LevelRestricted, v1alpha1.LevelFull:
	default:
		problems = append(problems, fmt.Errorf("the Level %q: must be %s, or %s for checks as the pods and nodes themselves and for Deny",
			o.Level, v1alpha1.LevelRestricted, v1alpha1.LevelFull))
	}
	switch o.ImagePullPolicy {
	case "", corev1.PullAlways, corev1.PullIfNotPresent, corev1.PullNever:
	default:
		problems = append(problems, fmt.Errorf("ImagePullPolicy %q: must be Always, IfNotPresent or Never", o.ImagePullPolicy))
	}
	for _, secret := range o.ImagePullSecrets {
		subdomain("ImagePullSecrets", secret)
	}
	if o.PriorityClassName != "" {
		subdomain("PriorityClassName", o.PriorityClassName)
	}
	problems = append(problems, o.validatePods()...)
	if o.AssignmentSizeLimit < 0 {
		problems = append(problems, fmt.Errorf("AssignmentSizeLimit %d: must not be negative", o.AssignmentSizeLimit))
	}
	for _, b := range []struct {
		field string
		value float64
	}{{"Target", o.Budgets.Target}, {"Namespace", o.Budgets.Namespace}, {"Node", o.Budgets.Node}} {
		if !(b.value >= 0 && b.value <= plan.MaxBudget) {
			problems = append(problems, fmt.Errorf("the Budgets.%s %v: must be from 0, which means the default, to %d probes per second", b.field, b.value, plan.MaxBudget))
		}
	}
	return errors.Join(problems...)
}

// validatePods says what is wrong with what all pods of the DaemonSets have.
func (o *Options) validatePods() (problems []error) {
	for field, labels := range map[string]map[string]string{"NodeSelector": o.NodeSelector, "PodLabels": o.PodLabels} {
		for key, value := range labels {
			for _, problem := range append(validation.IsQualifiedName(key), validation.IsValidLabelValue(value)...) {
				problems = append(problems, fmt.Errorf("%s %s=%s: %s", field, key, value, problem))
			}
		}
	}
	for _, key := range []string{v1alpha1.LabelName, v1alpha1.LabelComponent} {
		if _, ok := o.PodLabels[key]; ok {
			problems = append(problems, fmt.Errorf("PodLabels %s: this label is Netladder's own, leave it out", key))
		}
	}
	for key := range o.PodAnnotations {
		for _, problem := range validation.IsQualifiedName(strings.ToLower(key)) {
			problems = append(problems, fmt.Errorf("PodAnnotations %s: %s", key, problem))
		}
	}
	for i := range o.Tolerations {
		problems = append(problems, tolerationProblems(&o.Tolerations[i])...)
	}
	return problems
}

func tolerationProblems(t *corev1.Toleration) (problems []error) {
	bad := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("the Tolerations, %q: "+format, append([]any{t.Key}, args...)...))
	}
	switch t.Operator {
	case corev1.TolerationOpExists:
		if t.Value != "" {
			bad("the operator Exists takes no value")
		}
	case "", corev1.TolerationOpEqual:
		if t.Key == "" {
			bad("without a key, which means all taints, the operator must be Exists")
		}
	default:
		bad("operator %q: must be Exists or Equal", t.Operator)
	}
	switch t.Effect {
	case "", corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute:
	default:
		bad("effect %q: must be NoSchedule, PreferNoSchedule, NoExecute, or empty for all", t.Effect)
	}
	return problems
}

// withDefaults fills what may be left empty.
func (o Options) withDefaults() Options {
	o.ProberResources = defaultResources(o.ProberResources, DefaultProberResources())
	o.EchoResources = defaultResources(o.EchoResources, DefaultEchoResources())
	o.CanaryResources = defaultResources(o.CanaryResources, DefaultCanaryResources())
	o.NodeSelector = maps.Clone(o.NodeSelector)
	if o.Level == "" {
		o.Level = v1alpha1.LevelRestricted
	}
	if o.MetricsBindAddress == "" {
		o.MetricsBindAddress = "0" // where empty would mean a default port
	}
	return o
}

func defaultResources(r, defaults corev1.ResourceRequirements) corev1.ResourceRequirements {
	if r.Requests == nil {
		r.Requests = defaults.Requests
	}
	if r.Limits == nil {
		r.Limits = defaults.Limits
	}
	return r
}

// audits says whether NetworkPolicies are audited.
func (o *Options) audits() bool {
	if o.Audit != nil {
		return *o.Audit
	}
	return o.Level == v1alpha1.LevelFull
}

// watchesWorkloads says whether pods, namespaces and policies are watched in the
// whole cluster.
func (o *Options) watchesWorkloads() bool { return o.Level == v1alpha1.LevelFull || o.audits() }

// names of what is shared by all controllers of one installation.
const leaseName = v1alpha1.FieldOwnerController
