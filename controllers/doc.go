// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package controllers is the controller process. It observes the cluster,
// lets plan say what each node's prober has to do and writes that into
// ProbeAssignments, lets diagnosis say what the probers' reports mean and
// writes that into the status of ConnectivityChecks, and installs the probers
// and echo pods.
//
// Three queues do the work, each a short shell around a pure core:
// observe.go (objects into the world, which says what they touch),
// assign.go (one node's ProbeAssignment.spec) and report.go (one check's
// status and events). install.go and fleet.go keep what Netladder installs.
// What they share is the world: the plan's engine and the facts about nodes,
// reports and checks, guarded by one mutex and never by I/O.
package controllers
