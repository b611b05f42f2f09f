// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package oracle proves controllers/policy. It makes up clusters, policies and
// connections from a seed, asks our evaluator and the engine of
// kube-network-policies about each, and compares what they say, direction by
// direction. Where the two may differ is a closed list with the sentence of the
// specification that decides. It is a module of its own, so that the engine is
// no dependency of what ships.
package oracle
