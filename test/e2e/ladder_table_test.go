// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
)

// say prints a line that hack/e2e-table.sh finds.
func say(format string, args ...any) { fmt.Printf("ladder: "+format+"\n", args...) }

// tell prints the results: each fault, and which rung was named for which.
func tell(outcomes []outcome) {
	say("| fault | where | expected | found | s | says |")
	say("|---|---|---|---|---|---|")
	var took []time.Duration
	for _, o := range outcomes {
		say("| %s | %s | %s | %s | %.1f | %s |", o.fault, o.where, o.expected, o.found, o.took.Seconds(), strings.ReplaceAll(o.message, "|", "/"))
		if o.right {
			took = append(took, o.took)
		}
	}
	say("")
	rungs := []v1alpha1.Rung{
		v1alpha1.RungDNS, v1alpha1.RungEndpoints, v1alpha1.RungService, v1alpha1.RungPolicy, v1alpha1.RungListener, v1alpha1.RungApplication,
		v1alpha1.RungPodNetwork, v1alpha1.RungOverlay, v1alpha1.RungMTU, v1alpha1.RungUnderlay, v1alpha1.RungNode, v1alpha1.RungUndetermined, noRung,
	}
	header, line := "| broken \\ named, paths |", "|---|"
	for _, r := range rungs {
		header, line = header+" "+string(r)+" |", line+"---|"
	}
	say("%s", header)
	say("%s", line)
	for _, want := range rungs {
		sum, any := map[v1alpha1.Rung]int{}, false
		for _, o := range outcomes {
			if o.want == want {
				any = true
				for r, n := range o.named {
					sum[r] += n
				}
			}
		}
		if !any {
			continue
		}
		row := "| " + string(want) + " |"
		for _, r := range rungs {
			cell := ""
			if sum[r] > 0 {
				cell = strconv.Itoa(sum[r])
			}
			row += " " + cell + " |"
		}
		say("%s", row)
	}
	if len(took) > 0 {
		slices.Sort(took)
		say("")
		say("From the fault to the diagnosis in status: median %.1f s, longest %.1f s; the bound is %.1f s.",
			took[len(took)/2].Seconds(), took[len(took)-1].Seconds(), ladderBound.Seconds())
	}
}
