// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types of a ConnectivityCheck.
const (
	// ConditionAccepted is False when at least one path cannot be probed as
	// it is written; the other paths run.
	ConditionAccepted = "Accepted"
	// ConditionReady is False when a path is Failing, Unknown when a path is
	// Unknown or Pending or the results are not fresh, else True.
	ConditionReady = "Ready"
	// ConditionFresh is False when a prober that holds pairs of this check
	// has not reported for longer than its heartbeat allows.
	ConditionFresh = "Fresh"
	// ConditionThrottled is True while a path is tested less often than
	// spec.interval says, because more is asked of its target or of a node than
	// the budgets of probes allow; the message says which path and why. It is
	// absent while no path is.
	ConditionThrottled = "Throttled"
)

// Reasons of conditions.
const (
	// ReasonAllPathsAccepted: every path is planned.
	ReasonAllPathsAccepted = "AllPathsAccepted"
	// ReasonPathsNotAccepted: the message lists the paths that are not.
	ReasonPathsNotAccepted = "PathsNotAccepted"
	// ReasonAllPathsPassing: every path passes.
	ReasonAllPathsPassing = "AllPathsPassing"
	// ReasonDegraded: every path works, at least one slowly or with losses.
	ReasonDegraded = "Degraded"
	// ReasonPathsFailing: the message lists the paths that fail.
	ReasonPathsFailing = "PathsFailing"
	// ReasonPathsUnknown: the message lists the paths about which nothing can
	// be said.
	ReasonPathsUnknown = "PathsUnknown"
	// ReasonPending: at least one path has not been attempted yet.
	ReasonPending = "Pending"
	// ReasonSuspended: spec.suspend is true.
	ReasonSuspended = "Suspended"
	// ReasonReportsFresh: every prober concerned reported in time.
	ReasonReportsFresh = "ReportsFresh"
	// ReasonReportsStale: the message names the nodes that did not report.
	ReasonReportsStale = "ReportsStale"
	// ReasonIntervalStretched: the message lists the paths that are tested less
	// often, and the budgets that ask for it.
	ReasonIntervalStretched = "IntervalStretched"
)

// Reasons of a path, and of a pair that is Unknown.
const (
	// ReasonSourceNotPermitted: outside Netladder's own namespace this source
	// must not be aimed at this target.
	ReasonSourceNotPermitted = "SourceNotPermitted"
	// ReasonNoSources: nothing matches the source, or no node with a prober has
	// it. For its first 30 s such a path is Pending: its pods may be starting.
	ReasonNoSources = "NoSources"
	// ReasonNoTargets: nothing matches the target.
	ReasonNoTargets = "NoTargets"
	// ReasonNoOverlay: no network plugin announces an overlay on the nodes, so
	// that to.overlay has nothing to test. Such a path does not count in Ready.
	ReasonNoOverlay = "NoOverlay"
	// ReasonNoClusterDNS: no Service of the cluster's DNS is known, so that to.dns
	// with resolver EachReplica has nobody to ask. Such a path does not count in
	// Ready.
	ReasonNoClusterDNS = "NoClusterDNS"
	// ReasonServiceNotFound: the Service of to.service does not exist, or for
	// to.dns with resolver ClusterDNS none of the cluster's DNS is known.
	ReasonServiceNotFound = "ServiceNotFound"
	// ReasonPortNotFound: the Service has no such port or no nodePort for it, or
	// no selected pod has a container port of that name.
	ReasonPortNotFound = "PortNotFound"
	// ReasonNoEndpoints: the Service has had no ready endpoints for longer
	// than the grace period.
	ReasonNoEndpoints = "NoEndpoints"
	// ReasonInvalidSelector: a label selector cannot be parsed.
	ReasonInvalidSelector = "InvalidSelector"
	// ReasonInvalidCABundle: a caBundle holds no certificates that can be
	// parsed.
	ReasonInvalidCABundle = "InvalidCABundle"
	// ReasonAssignmentTooLarge: a node's assignment is at its size limit, so
	// this path is not assigned there.
	ReasonAssignmentTooLarge = "AssignmentTooLarge"
	// ReasonUnsupportedService: the Service has a type that does not go with
	// to.service.via, such as ExternalName with NodePort.
	ReasonUnsupportedService = "UnsupportedService"

	// ReasonCanaryDisabled: the controller was started with --canary=false, so
	// there are no canary pods.
	ReasonCanaryDisabled = "CanaryDisabled"

	// ReasonNodeNotReady: the source's or the target's node is not Ready.
	ReasonNodeNotReady = "NodeNotReady"
	// ReasonNodeGone: the source's or the target's node left the cluster.
	ReasonNodeGone = "NodeGone"
	// ReasonProberNotReady: the source's prober pod is missing, terminating,
	// not Ready or just replaced.
	ReasonProberNotReady = "ProberNotReady"
	// ReasonTargetReplaced: the target's pod was replaced, is terminating or
	// is younger than the grace period.
	ReasonTargetReplaced = "TargetReplaced"
	// ReasonReportInconsistent: a prober's report does not add up.
	ReasonReportInconsistent = "ReportInconsistent"
	// ReasonUnmeasured: the prober was too late to measure.
	ReasonUnmeasured = "Unmeasured"
	// ReasonUnsupported: the prober cannot make this kind of probe.
	ReasonUnsupported = "Unsupported"
	// ReasonProbeFailed: the probe could not be made (LocalError).
	ReasonProbeFailed = "ProbeFailed"
	// ReasonSourceReplaced: the source pod was replaced, is terminating or is
	// younger than the grace period.
	ReasonSourceReplaced = "SourceReplaced"
	// ReasonSandboxedRuntime: the source pod's RuntimeClass keeps its addresses
	// where the prober cannot get at them.
	ReasonSandboxedRuntime = "SandboxedRuntime"
	// ReasonIntercepted: something in the source pod takes every connection.
	ReasonIntercepted = "Intercepted"
	// ReasonInconclusive: the target need not answer, and did not; or what came
	// proves nothing, such as a reply by IP in IP where hosts track connections.
	ReasonInconclusive = "Inconclusive"
	// ReasonHostNotPermitted: a target that must not be dialled, such as a
	// loopback address that a hostname resolved to.
	ReasonHostNotPermitted = "HostNotPermitted"
)

// Reasons why nothing can be said about a Deny path that nothing got through:
// why that is no proof.
const (
	// ReasonTargetNotListening: the target pod does not listen on the port.
	ReasonTargetNotListening = "TargetNotListening"
	// ReasonPathNotProven: the way to the target's node does not work for
	// Netladder's own echo pods, or its node cannot reach it.
	ReasonPathNotProven = "PathNotProven"
	// ReasonControlUnavailable: the node of the target did not say whether the
	// target listens: no prober there, or one of level Restricted.
	ReasonControlUnavailable = "ControlUnavailable"
	// ReasonControlNotPermitted: the target's namespace does not disclose to
	// the check's namespace whether its pods listen; label it
	// netladder.io/disclose-to.
	ReasonControlNotPermitted = "ControlNotPermitted"
	// ReasonNoControl: the target does not answer the source's node either.
	ReasonNoControl = "NoControl"
	// ReasonNotProvable: nothing on this path can be proven to be blocked, such
	// as from a node to a pod on it, which no policy applies to.
	ReasonNotProvable = "NotProvable"
	// ReasonCanaryNotReady: the canary pod of a node is missing, or not Ready,
	// so that it may be silent for another reason than a policy.
	ReasonCanaryNotReady = "CanaryNotReady"
	// ReasonCanaryNotIsolated: another NetworkPolicy in Netladder's namespace
	// selects the canary pods too and has rules, so that what gets through may be
	// what it admits.
	ReasonCanaryNotIsolated = "CanaryNotIsolated"
)

// Reasons of a path's diagnosis on the rung Policy.
const (
	// ReasonPolicyDenies: a path that must work does not, and the declared
	// NetworkPolicies deny it.
	ReasonPolicyDenies = "PolicyDenies"
	// ReasonNoPolicyIsolates: a path that must be blocked is open, and no
	// NetworkPolicy selects the pod at either end for this direction.
	ReasonNoPolicyIsolates = "NoPolicyIsolates"
	// ReasonPolicyAdmits: a path that must be blocked is open, because a rule of
	// a NetworkPolicy admits it.
	ReasonPolicyAdmits = "PolicyAdmits"
	// ReasonPolicyNotEnforced: a path that must be blocked is open although the
	// declared NetworkPolicies deny it, and did so for some time.
	ReasonPolicyNotEnforced = "PolicyNotEnforced"
	// ReasonPolicyProgrammingSlow: what is seen is not what the declared
	// NetworkPolicies say, and one of them, a pod or a namespace that decides
	// changed a moment ago: the network plugin may be yet to follow.
	ReasonPolicyProgrammingSlow = "PolicyProgrammingSlow"
)

// Causes of a pair of an overlay that fails, as the prober of its source finds
// them: what that node's kernel lacks for the peer, or from where it hears
// nothing.
const (
	// CauseTunnelDeviceMissing: no device makes the tunnel.
	CauseTunnelDeviceMissing = "TunnelDeviceMissing"
	// CauseTunnelDeviceDown: the device is down.
	CauseTunnelDeviceDown = "TunnelDeviceDown"
	// CauseTunnelDeviceDiffers: the device is not as the node announces it.
	CauseTunnelDeviceDiffers = "TunnelDeviceDiffers"
	// CauseTunnelRouteMissing: no route leads to the peer through the tunnel.
	CauseTunnelRouteMissing = "TunnelRouteMissing"
	// CauseTunnelNeighbourMissing: the peer's hardware address is not known.
	CauseTunnelNeighbourMissing = "TunnelNeighbourMissing"
	// CauseTunnelNeighbourWrong: another hardware address is known.
	CauseTunnelNeighbourWrong = "TunnelNeighbourWrong"
	// CauseTunnelForwardMissing: no forwarding entry says where the peer is.
	CauseTunnelForwardMissing = "TunnelForwardMissing"
	// CauseTunnelForwardWrong: the forwarding entry leads elsewhere.
	CauseTunnelForwardWrong = "TunnelForwardWrong"
	// CauseTunnelMTUTooLarge: with its headers a full packet of the device does
	// not fit into the link that it leaves by.
	CauseTunnelMTUTooLarge = "TunnelMTUTooLarge"
	// CauseTunnelWayThere: the peer is heard through the tunnel, and does not
	// answer: the way there is broken.
	CauseTunnelWayThere = "TunnelWayThere"
	// CauseTunnelNotHeard: nothing has been heard of the peer through the tunnel
	// since the pair began to fail: at least the way from there is broken.
	CauseTunnelNotHeard = "TunnelNotHeard"
)

// Reasons of a path's diagnosis on the other rungs. On the rung Node they are
// NodeNotReady and NodeGone, on the rung Endpoints NoEndpoints too; on the rung
// Overlay they may also be what the source's kernel lacks, such as
// TunnelForwardMissing.
const (
	// ReasonSelectorMatchesNothing: the Service has no endpoints because its
	// selector matches no pod.
	ReasonSelectorMatchesNothing = "SelectorMatchesNothing"
	// ReasonPodsNotReady: the Service has no endpoints because none of the pods
	// behind it is ready.
	ReasonPodsNotReady = "PodsNotReady"
	// ReasonNoLocalEndpoint: the Service has internalTrafficPolicy Local and no
	// endpoint on the source's node.
	ReasonNoLocalEndpoint = "NoLocalEndpoint"
	// ReasonEndpointUnreachable: an endpoint that is no pod, such as the API
	// server, does not answer by its own address.
	ReasonEndpointUnreachable = "EndpointUnreachable"
	// ReasonNodeUnreachable: the two nodes do not reach each other, outside of
	// any pod network.
	ReasonNodeUnreachable = "NodeUnreachable"
	// ReasonTunnelBroken: the nodes reach each other, and what is sent through
	// the tunnel between them does not arrive.
	ReasonTunnelBroken = "TunnelBroken"
	// ReasonCrossNodeBroken: the nodes reach each other, the pods of each reach
	// pods of their own, and those of the one do not reach those of the other.
	// Which tunnels there are is not known.
	ReasonCrossNodeBroken = "CrossNodeBroken"
	// ReasonPacketsTooBig: a hop says that large packets do not fit.
	ReasonPacketsTooBig = "PacketsTooBig"
	// ReasonLargePacketsLost: small packets get through, large ones do not, and
	// no hop says why.
	ReasonLargePacketsLost = "LargePacketsLost"
	// ReasonSameNodeBroken: pods on one node do not reach each other there.
	ReasonSameNodeBroken = "SameNodeBroken"
	// ReasonPodRouteMissing: the node of the target itself says that it has no
	// way to it, or its kernel has no route to it as it has to other pods there.
	ReasonPodRouteMissing = "PodRouteMissing"
	// ReasonServiceNotProgrammed: all endpoints of the Service answer the source,
	// and its own address does not; other Services work there.
	ReasonServiceNotProgrammed = "ServiceNotProgrammed"
	// ReasonProxyBroken: the same of more than one Service that is tested from
	// this node, and they began to fail at about the same time.
	ReasonProxyBroken = "ProxyBroken"
	// ReasonLoadBalancerBroken: all endpoints of the Service answer the source,
	// and the address of its load balancer does not.
	ReasonLoadBalancerBroken = "LoadBalancerBroken"
	// ReasonDNSNoServers: the cluster's DNS has no ready server.
	ReasonDNSNoServers = "DNSNoServers"
	// ReasonDNSServersDown: none of the servers answers by its own address,
	// though other pods on their nodes do.
	ReasonDNSServersDown = "DNSServersDown"
	// ReasonDNSServerDown: some of them do not.
	ReasonDNSServerDown = "DNSServerDown"
	// ReasonDNSNameNotFound: the name does not exist.
	ReasonDNSNameNotFound = "DNSNameNotFound"
	// ReasonDNSNoRecord: the name exists, without a record of this type.
	ReasonDNSNoRecord = "DNSNoRecord"
	// ReasonDNSWrongAnswer: the servers answer, and not what to.dns.answers expects.
	ReasonDNSWrongAnswer = "DNSWrongAnswer"
	// ReasonDNSServerFailure: a server answers that it cannot tell.
	ReasonDNSServerFailure = "DNSServerFailure"
	// ReasonDNSTruncated: the answer is too large for UDP, and TCP does not work.
	ReasonDNSTruncated = "DNSTruncated"
	// ReasonDNSServersDisagree: the servers do not give the same answer.
	ReasonDNSServersDisagree = "DNSServersDisagree"
	// ReasonNothingListens: the target answers that nothing listens there.
	ReasonNothingListens = "NothingListens"
	// ReasonUnexpectedAnswer: the application answers, and not as it should.
	ReasonUnexpectedAnswer = "UnexpectedAnswer"
	// ReasonTLSFailed: the certificate is not one to trust, or the handshake fails.
	ReasonTLSFailed = "TLSFailed"
	// ReasonUnexplained: what was seen does not tell the candidates apart.
	ReasonUnexplained = "Unexplained"
)

// LabelDiscloseTo on a namespace names the namespace whose checks may see what
// Netladder learns of this one's pods and policies.
const LabelDiscloseTo = "netladder.io/disclose-to"

// AnnotationTTL on a ConnectivityCheck is a duration, such as 5m: so long after
// its creation the controller deletes the check. One that cannot be read, or is
// not above zero, is as none.
const AnnotationTTL = "netladder.io/ttl"

// AnnotationSilence on a NetworkPolicy, or on a namespace, lists the codes of
// findings that are not to be reported about it, separated by commas.
const AnnotationSilence = "netladder.io/silence"
