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
)

// Reasons of a path, and of a pair that is Unknown.
const (
	// ReasonSourceNotPermitted: outside Netladder's own namespace this source
	// must not be aimed at this target.
	ReasonSourceNotPermitted = "SourceNotPermitted"
	// ReasonNoSources: no node with a prober matches from.probers.
	ReasonNoSources = "NoSources"
	// ReasonNoTargets: nothing matches the target.
	ReasonNoTargets = "NoTargets"
	// ReasonServiceNotFound: the Service of to.service does not exist.
	ReasonServiceNotFound = "ServiceNotFound"
	// ReasonPortNotFound: the Service has no such TCP port.
	ReasonPortNotFound = "PortNotFound"
	// ReasonNoEndpoints: the Service has had no ready endpoints for longer
	// than the grace period.
	ReasonNoEndpoints = "NoEndpoints"
	// ReasonInvalidSelector: a label selector cannot be parsed.
	ReasonInvalidSelector = "InvalidSelector"
	// ReasonAssignmentTooLarge: a node's assignment is at its size limit, so
	// this path is not assigned there.
	ReasonAssignmentTooLarge = "AssignmentTooLarge"
	// ReasonUnsupportedService: the Service has a type that cannot be probed,
	// such as ExternalName.
	ReasonUnsupportedService = "UnsupportedService"

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
)
