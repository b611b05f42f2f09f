// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package track

import (
	"testing"
	"time"

	"github.com/netladder/netladder/api/v1alpha1"
)

// A pair that fails for another reason than before soon says so; a hop that
// rejects and is silent at times does not flap.
func TestAnotherFaultIsTold(t *testing.T) {
	for name, tc := range map[string]struct {
		first, then v1alpha1.Verdict
		rounds      int
		want        v1alpha1.Verdict
	}{
		"once is chance":            {v1alpha1.VerdictProtocolError, v1alpha1.VerdictDropped, 1, v1alpha1.VerdictProtocolError},
		"twice is another":          {v1alpha1.VerdictProtocolError, v1alpha1.VerdictDropped, 2, v1alpha1.VerdictDropped},
		"a stronger one at once":    {v1alpha1.VerdictDropped, v1alpha1.VerdictProtocolError, 1, v1alpha1.VerdictProtocolError},
		"silence of a hop, four":    {v1alpha1.VerdictRejected, v1alpha1.VerdictDropped, 4, v1alpha1.VerdictRejected},
		"silence of a hop, lasting": {v1alpha1.VerdictRejected, v1alpha1.VerdictDropped, 5, v1alpha1.VerdictDropped},
	} {
		t.Run(name, func(t *testing.T) {
			rules := Rules{FailureThreshold: 1, SuccessThreshold: 1}
			p := pairState{state: v1alpha1.StatePending}
			p.observe(rules, Observation{Verdict: tc.first}, time.Unix(1, 0))
			for i := range tc.rounds {
				p.observe(rules, Observation{Verdict: tc.then}, time.Unix(int64(2+i), 0))
			}
			if p.fault.verdict != tc.want {
				t.Errorf("tells %s, want %s", p.fault.verdict, tc.want)
			}
		})
	}
}
