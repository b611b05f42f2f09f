// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"strconv"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	networkingv1ac "k8s.io/client-go/applyconfigurations/networking/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// Canary is the DaemonSet of the canary pods. They are what echo pods are, and
// hold no token either; what differs is that CanaryPolicy isolates them. They
// are Ready while their kubelet, which no policy keeps out, connects to the
// very port that the probers must not reach.
func Canary(s Settings) *appsv1ac.DaemonSetApplyConfiguration {
	container := container(s, ComponentCanary, s.Canary,
		"--node-name=$(NODE_NAME)",
		"--pod-uid=$(POD_UID)",
		"--bind-address=:"+strconv.Itoa(plan.EchoPort),
		"--http-bind-address=:"+strconv.Itoa(EchoHTTPPort),
		"--health-probe-bind-address=:"+strconv.Itoa(HealthPort),
		"--metrics-bind-address=", // nobody could read them
	).
		WithPorts(
			port("echo-tcp", plan.EchoPort, corev1.ProtocolTCP),
			port("health", HealthPort, corev1.ProtocolTCP)).
		WithLivenessProbe(liveness("health")).
		WithReadinessProbe(corev1ac.Probe().
			WithTCPSocket(corev1ac.TCPSocketAction().WithPort(intstr.FromString("echo-tcp"))).
			WithPeriodSeconds(5).WithFailureThreshold(2))
	container.Args[0] = ComponentEcho
	spec := podSpec(s, container, 5).
		WithServiceAccountName(v1alpha1.CanaryName).
		WithAutomountServiceAccountToken(false)
	strategy := appsv1ac.RollingUpdateDaemonSet().WithMaxUnavailable(intstr.FromString("5%"))
	return daemonSet(s, v1alpha1.CanaryName, ComponentCanary, spec, strategy)
}

// CanaryPolicy isolates the canary pods in both directions: it has no rules.
// The controller applies it before the pods and keeps it, for without it every
// node would seem to enforce nothing.
func CanaryPolicy(s Settings) *networkingv1ac.NetworkPolicyApplyConfiguration {
	labels := Labels(ComponentCanary)
	return networkingv1ac.NetworkPolicy(v1alpha1.CanaryName, s.Namespace).
		WithLabels(labels).
		// Canary pods look nothing up.
		WithAnnotations(map[string]string{v1alpha1.AnnotationSilence: string(v1alpha1.FindingEgressWithoutDNS)}).
		WithOwnerReferences(s.Owner.reference()).
		WithSpec(networkingv1ac.NetworkPolicySpec().
			WithPodSelector(metav1ac.LabelSelector().WithMatchLabels(labels)).
			WithPolicyTypes(networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress))
}
