// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

// Package index turns Kubernetes objects into the values that plan and
// diagnosis know, and trims objects to what these values need before they
// enter the informer caches. It is pure: no client, no clock.
package index
