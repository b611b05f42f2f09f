// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package policy

func (q *question) nearest([]*compiled) *Miss { return nil }
