// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package workload describes what the controller installs beside itself: the
// prober, echo and canary DaemonSets, the canary's NetworkPolicy and the fleet
// ConfigMap. It is pure: settings
// in, apply configurations out.
package workload

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// The ports of Netladder's own pods.
const (
	// MetricsPort of both.
	MetricsPort = 8443
	// HealthPort of both: /healthz, and /readyz of the prober.
	HealthPort = 8081
	// EchoHTTPPort of the echo pods, which probes of ClusterIPs aim at.
	EchoHTTPPort = 8442
)

// The components, as in the label v1alpha1.LabelComponent.
const (
	ComponentProber = "prober"
	ComponentEcho   = "echo"
	ComponentCanary = "canary"
)

// program is what all of these pods run: the small one of the image's two.
const program = "/netladder-prober"

// FleetDir is where the fleet ConfigMap is mounted in the prober.
const FleetDir = "/etc/netladder"

// Settings of the workloads.
type Settings struct {
	// Namespace of all objects.
	Namespace string
	// Owner is the Deployment of the controller: when it is deleted, the
	// workloads are collected.
	Owner Owner
	// Level of the probers; empty means Restricted.
	Level v1alpha1.Level
	// Image of all DaemonSets.
	Image string
	// ImagePullPolicy; empty is Kubernetes' default for the image's tag.
	ImagePullPolicy corev1.PullPolicy
	// ImagePullSecrets in the namespace.
	ImagePullSecrets []string
	// NodeSelector beside kubernetes.io/os=linux, which always applies.
	NodeSelector map[string]string
	// Tolerations of all pods. Nil tolerates every taint, because a node that is
	// left out is not tested; an empty list tolerates what every DaemonSet does.
	Tolerations []corev1.Toleration
	// PodLabels and PodAnnotations of all pods, beside their own.
	PodLabels, PodAnnotations map[string]string
	// PriorityClassName of all DaemonSets; empty is the cluster's default.
	PriorityClassName string
	// Prober, Echo and Canary are the resources of each container.
	Prober, Echo, Canary corev1.ResourceRequirements
}

// Owner identifies a Deployment.
type Owner struct {
	// Name of the Deployment.
	Name string
	// UID of the Deployment.
	UID types.UID
}

func (o Owner) reference() *metav1ac.OwnerReferenceApplyConfiguration {
	return metav1ac.OwnerReference().
		WithAPIVersion("apps/v1").WithKind("Deployment").WithName(o.Name).WithUID(o.UID)
}

// Labels of one component's objects, and the selector of its pods.
func Labels(component string) map[string]string {
	return map[string]string{v1alpha1.LabelName: "netladder", v1alpha1.LabelComponent: component}
}
