// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/util/intstr"
	appsv1ac "k8s.io/client-go/applyconfigurations/apps/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/plan"
)

// userID of both containers: nobody in particular, and not root.
const userID = 65532

// Prober is the DaemonSet of the probers.
func Prober(s Settings) *appsv1ac.DaemonSetApplyConfiguration {
	container := container(s, ComponentProber, s.Prober,
		"--node-name=$(NODE_NAME)",
		"--pod-uid=$(POD_UID)",
		"--fleet-file="+FleetDir+"/"+v1alpha1.FleetFile,
		"--metrics-bind-address=:"+strconv.Itoa(MetricsPort),
		"--health-probe-bind-address=:"+strconv.Itoa(HealthPort),
	).
		WithPorts(port("metrics", MetricsPort, corev1.ProtocolTCP), port("health", HealthPort, corev1.ProtocolTCP)).
		WithVolumeMounts(corev1ac.VolumeMount().WithName("fleet").WithMountPath(FleetDir).WithReadOnly(true)).
		WithLivenessProbe(liveness("health")).
		WithReadinessProbe(probe("/readyz", "health").WithPeriodSeconds(5).WithFailureThreshold(2))
	if s.Level == v1alpha1.LevelFull {
		raiseContainer(container)
	}
	// A prober may start before the fleet is known: it then uses the Service.
	fleet := corev1ac.Volume().WithName("fleet").
		WithConfigMap(corev1ac.ConfigMapVolumeSource().WithName(v1alpha1.FleetName).WithOptional(true))
	spec := podSpec(s, container, 10).
		WithServiceAccountName(v1alpha1.ProberName).
		WithVolumes(fleet)
	// Lets every group open ping sockets, so that no capability is needed.
	spec.SecurityContext.WithSysctls(
		corev1ac.Sysctl().WithName("net.ipv4.ping_group_range").WithValue("0 2147483647"))
	if s.Level == v1alpha1.LevelFull {
		// To find the processes of pods, and by them their network namespaces.
		spec.WithHostPID(true)
		spec.SecurityContext.WithRunAsNonRoot(false).WithRunAsUser(0).WithRunAsGroup(0)
	}
	// Few at a time: every replaced pod is a blind spot for a while.
	strategy := appsv1ac.RollingUpdateDaemonSet().WithMaxUnavailable(intstr.FromString("5%"))
	return daemonSet(s, v1alpha1.ProberName, ComponentProber, spec, strategy)
}

// raiseContainer gives a prober's container what level Full takes: to enter
// the network namespaces of its node and of the pods on it, and nothing else.
func raiseContainer(c *corev1ac.ContainerApplyConfiguration) {
	c.WithArgs("--level=" + string(v1alpha1.LevelFull))
	c.SecurityContext.
		// By its documentation SYS_ADMIN implies it, and the API refuses false
		// beside CAP_SYS_ADMIN. That it overlooks the other spelling is nothing to
		// rely on.
		WithAllowPrivilegeEscalation(true).
		WithCapabilities(corev1ac.Capabilities().WithDrop("ALL").
			// To enter a namespace; to open that of a process of another user; to
			// make raw sockets in it.
			WithAdd("SYS_ADMIN", "SYS_PTRACE", "NET_RAW")).
		// The runtime's AppArmor profile denies ptrace of the processes of other
		// containers, without which their namespaces cannot be opened; SELinux
		// does so by the type of the process.
		WithAppArmorProfile(corev1ac.AppArmorProfile().WithType(corev1.AppArmorProfileTypeUnconfined)).
		WithSELinuxOptions(corev1ac.SELinuxOptions().WithType("spc_t"))
}

// Echo is the DaemonSet of the echo pods. They hold no token: they only
// answer, and whoever takes one over gains nothing in the cluster.
func Echo(s Settings) *appsv1ac.DaemonSetApplyConfiguration {
	container := container(s, ComponentEcho, s.Echo,
		"--node-name=$(NODE_NAME)",
		"--pod-uid=$(POD_UID)",
		"--bind-address=:"+strconv.Itoa(plan.EchoPort),
		"--http-bind-address=:"+strconv.Itoa(EchoHTTPPort),
		"--health-probe-bind-address=:"+strconv.Itoa(HealthPort),
		"--metrics-bind-address=:"+strconv.Itoa(MetricsPort),
	).
		WithPorts(
			port("metrics", MetricsPort, corev1.ProtocolTCP),
			port("echo-tcp", plan.EchoPort, corev1.ProtocolTCP),
			port("echo-udp", plan.EchoPort, corev1.ProtocolUDP),
			port("http", EchoHTTPPort, corev1.ProtocolTCP),
			port("health", HealthPort, corev1.ProtocolTCP)).
		WithLivenessProbe(liveness("health")).
		WithReadinessProbe(probe("/healthz", "health").WithPeriodSeconds(5).WithFailureThreshold(2))
	spec := podSpec(s, container, 5).
		WithServiceAccountName(v1alpha1.EchoName).
		WithAutomountServiceAccountToken(false)
	// A node's echo pod is the only endpoint that the echo Service has there: it
	// goes when its successor is Ready, and not before its image is pulled.
	strategy := appsv1ac.RollingUpdateDaemonSet().
		WithMaxUnavailable(intstr.FromInt32(0)).WithMaxSurge(intstr.FromString("5%"))
	return daemonSet(s, v1alpha1.EchoName, ComponentEcho, spec, strategy)
}

func daemonSet(
	s Settings, name, component string, spec *corev1ac.PodSpecApplyConfiguration, strategy *appsv1ac.RollingUpdateDaemonSetApplyConfiguration,
) *appsv1ac.DaemonSetApplyConfiguration {
	labels := Labels(component)
	return appsv1ac.DaemonSet(name, s.Namespace).
		WithLabels(labels).
		WithOwnerReferences(s.Owner.reference()).
		WithSpec(appsv1ac.DaemonSetSpec().
			WithSelector(metav1ac.LabelSelector().WithMatchLabels(labels)).
			WithUpdateStrategy(appsv1ac.DaemonSetUpdateStrategy().
				WithType("RollingUpdate").
				WithRollingUpdate(strategy)).
			WithTemplate(corev1ac.PodTemplateSpec().
				WithLabels(s.PodLabels).WithLabels(labels). // ours win
				WithAnnotations(s.PodAnnotations).WithSpec(spec)))
}

// NodeSelector of all pods, with what was asked for.
func NodeSelector(also map[string]string) map[string]string {
	selector := map[string]string{corev1.LabelOSStable: "linux"}
	maps.Copy(selector, also)
	return selector
}

// tolerations of every pod: of everything, or what is said instead.
func tolerations(s Settings) []*corev1ac.TolerationApplyConfiguration {
	if s.Tolerations == nil {
		return []*corev1ac.TolerationApplyConfiguration{corev1ac.Toleration().WithOperator(corev1.TolerationOpExists)}
	}
	out := make([]*corev1ac.TolerationApplyConfiguration, len(s.Tolerations))
	for i, t := range s.Tolerations {
		out[i] = corev1ac.Toleration()
		if t.Key != "" {
			out[i].WithKey(t.Key)
		}
		if t.Operator != "" {
			out[i].WithOperator(t.Operator)
		}
		if t.Value != "" {
			out[i].WithValue(t.Value)
		}
		if t.Effect != "" {
			out[i].WithEffect(t.Effect)
		}
		out[i].TolerationSeconds = t.TolerationSeconds
	}
	return out
}

// podSpec holds what all have in common: Pod Security "restricted", and by default
// every node whatever its taints.
func podSpec(s Settings, container *corev1ac.ContainerApplyConfiguration, grace int64) *corev1ac.PodSpecApplyConfiguration {
	spec := corev1ac.PodSpec().
		WithContainers(container).
		WithNodeSelector(NodeSelector(s.NodeSelector)).
		WithTolerations(tolerations(s)...).
		WithTerminationGracePeriodSeconds(grace).
		WithEnableServiceLinks(false).
		WithHostNetwork(false).
		WithSecurityContext(corev1ac.PodSecurityContext().
			WithRunAsNonRoot(true).WithRunAsUser(userID).WithRunAsGroup(userID).
			WithSeccompProfile(corev1ac.SeccompProfile().WithType(corev1.SeccompProfileTypeRuntimeDefault)))
	if s.PriorityClassName != "" {
		spec.WithPriorityClassName(s.PriorityClassName)
	}
	for _, name := range slices.Sorted(slices.Values(s.ImagePullSecrets)) {
		spec.WithImagePullSecrets(corev1ac.LocalObjectReference().WithName(name))
	}
	return spec
}

func container(s Settings, component string, resources corev1.ResourceRequirements, args ...string) *corev1ac.ContainerApplyConfiguration {
	c := corev1ac.Container().WithName(component).WithImage(s.Image).
		WithCommand(program).
		WithArgs(append([]string{component}, args...)...).
		WithEnv(
			fieldEnv("NODE_NAME", "spec.nodeName"),
			fieldEnv("POD_UID", "metadata.uid")).
		WithResources(corev1ac.ResourceRequirements().WithRequests(resources.Requests).WithLimits(resources.Limits)).
		WithTerminationMessagePolicy(corev1.TerminationMessageFallbackToLogsOnError).
		WithSecurityContext(corev1ac.SecurityContext().
			WithAllowPrivilegeEscalation(false).
			WithReadOnlyRootFilesystem(true).
			WithCapabilities(corev1ac.Capabilities().WithDrop("ALL")))
	if s.ImagePullPolicy != "" {
		c.WithImagePullPolicy(s.ImagePullPolicy)
	}
	if limit, ok := resources.Limits[corev1.ResourceMemory]; ok {
		c.WithEnv(corev1ac.EnvVar().WithName("GOMEMLIMIT").WithValue(goMemLimit(limit)))
	}
	return c
}

// goMemLimit leaves a fifth of a memory limit to what the Go runtime does not
// count, so that the garbage collector works harder before the kernel kills.
func goMemLimit(limit resource.Quantity) string {
	return strconv.FormatInt(limit.Value()/5*4, 10)
}

func fieldEnv(name, path string) *corev1ac.EnvVarApplyConfiguration {
	return corev1ac.EnvVar().WithName(name).WithValueFrom(
		corev1ac.EnvVarSource().WithFieldRef(corev1ac.ObjectFieldSelector().WithAPIVersion("v1").WithFieldPath(path)))
}

func port(name string, number int32, protocol corev1.Protocol) *corev1ac.ContainerPortApplyConfiguration {
	return corev1ac.ContainerPort().WithName(name).WithContainerPort(number).WithProtocol(protocol)
}

// liveness is patient: to restart a pod that merely gets no CPU helps nobody.
func liveness(port string) *corev1ac.ProbeApplyConfiguration {
	return probe("/healthz", port).WithPeriodSeconds(20).WithTimeoutSeconds(10).WithFailureThreshold(6)
}

func probe(path, port string) *corev1ac.ProbeApplyConfiguration {
	return corev1ac.Probe().WithHTTPGet(corev1ac.HTTPGetAction().WithPath(path).WithPort(intstr.FromString(port)))
}
