// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package fromstatus

import (
	"slices"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/controllers/diagnosis/causes"
)

// Told are the causes of paths that a status tells as whoever judged them would:
// nodes, and pairs of nodes, with the sentence about them, and the servers of the
// cluster's DNS as a whole. What else is broken has other words there. A pair of
// nodes of which one is hidden is left out where the rung is known to be broken
// elsewhere, for it is probably that.
func Told(paths []Path) []causes.Found {
	nodes := Nodes(paths)
	var out []causes.Found
	known := map[v1alpha1.Rung]bool{}
	for i := range paths {
		for _, f := range Found(&paths[i], nodes) {
			switch {
			case f.Rung == v1alpha1.RungUndetermined:
				continue
			case len(f.Nodes) > 0:
				known[f.Rung] = true
			case f.Rung == v1alpha1.RungDNS && f.Object == ClusterDNS, hides(&f):
			default:
				continue
			}
			if f.Rung != v1alpha1.RungDNS {
				_, f.Text = around(paths[i].Status.Diagnosis.Message)
			}
			out = append(out, f)
		}
	}
	return slices.DeleteFunc(out, func(f causes.Found) bool { return known[f.Rung] && hides(&f) })
}
