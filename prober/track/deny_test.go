// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package track

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
)

func TestDenyTurnsTheJudgement(t *testing.T) {
	r := Rules{FailureThreshold: 2, SuccessThreshold: 1, Expect: v1alpha1.ExpectDeny}
	slow := Rules{FailureThreshold: 2, SuccessThreshold: 1, Expect: v1alpha1.ExpectDeny, MaxLatency: time.Millisecond}
	patient := Rules{FailureThreshold: 3, SuccessThreshold: 2, Expect: v1alpha1.ExpectDeny}
	for name, tc := range map[string]struct {
		rules   Rules
		play    string
		changes string
		state   v1alpha1.State
		reason  string
		verdict v1alpha1.Verdict
		denial  v1alpha1.Verdict
		streak  int32
		every   bool
	}{
		"never attempted":                   {rules: r, state: "Pending"},
		"dropped":                           {rules: r, play: "D", changes: "!", state: "Passing", denial: "Dropped"},
		"rejected":                          {rules: r, play: "R", changes: "!", state: "Passing", denial: "Rejected"},
		"refused":                           {rules: r, play: "F", changes: "!", state: "Passing", denial: "Refused"},
		"flapping between them":             {rules: r, play: "DRDFRDDRFD", changes: "!.........", state: "Passing", denial: "Rejected"},
		"the strongest is forgotten":        {rules: r, play: "RDDDDD", changes: "!.....", state: "Passing", denial: "Dropped"},
		"open once":                         {rules: r, play: "Dg", changes: "!.", state: "Passing", verdict: "Connected", denial: "Dropped", streak: 1, every: true},
		"open":                              {rules: r, play: "Dgg", changes: "!.!", state: "Failing", verdict: "Connected", denial: "Dropped", streak: 2, every: true},
		"open at first is Pending":          {rules: r, play: "g", changes: ".", state: "Pending", verdict: "Connected", streak: 1, every: true},
		"a reset after the handshake":       {rules: r, play: "TT", changes: ".!", state: "Failing", verdict: "Reset", streak: 2, every: true},
		"an answer of the application":      {rules: r, play: "PP", changes: ".!", state: "Failing", verdict: "ProtocolError", streak: 2, every: true},
		"somebody else answers":             {rules: r, play: "WW", changes: ".!", state: "Failing", verdict: "WrongIdentity", streak: 2, every: true},
		"closed again":                      {rules: r, play: "ggR", changes: ".!!", state: "Passing", verdict: "Connected", denial: "Rejected"},
		"patience":                          {rules: patient, play: "gDgggDD", changes: ".!..!.!", state: "Passing", verdict: "Connected", denial: "Dropped"},
		"an open path is never slow":        {rules: slow, play: "sss", changes: ".!.", state: "Failing", verdict: "Connected", streak: 3, every: true},
		"now and then open":                 {rules: r, play: "DDDDDgDDDDg", changes: "!.........!", state: "Degraded", verdict: "Connected", denial: "Dropped", streak: 1, every: true},
		"unreachable proves nothing":        {rules: r, play: "HH", changes: ".!", state: "Unknown", reason: "NotProvable", verdict: "Unreachable"},
		"denied by its own host":            {rules: r, play: "EE", changes: ".!", state: "Unknown", reason: "NotProvable", verdict: "LocalDenied"},
		"too big proves nothing":            {rules: r, play: "BB", changes: ".!", state: "Unknown", reason: "NotProvable", verdict: "TooBig"},
		"no such name":                      {rules: r, play: "NN", changes: ".!", state: "Unknown", reason: "NotProvable", verdict: "DNSNameError"},
		"a verdict of the future":           {rules: r, play: "??", changes: ".!", state: "Unknown", reason: "NotProvable", verdict: "Smoke"},
		"unreachable after denied":          {rules: r, play: "DHH", changes: "!.!", state: "Unknown", reason: "NotProvable", verdict: "Unreachable", denial: "Dropped"},
		"what is open stays so":             {rules: r, play: "ggHHH", changes: ".!...", state: "Failing", verdict: "Connected", streak: 2, every: true},
		"intercepted":                       {rules: r, play: "II", changes: ".!", state: "Unknown", reason: "Intercepted", verdict: "Intercepted"},
		"unmeasured ends no streak":         {rules: r, play: "gUg", changes: "..!", state: "Failing", verdict: "Connected", streak: 2, every: true},
		"silence of who need not answer":    {rules: r, play: "CC", changes: ".!", state: "Unknown", reason: "Inconclusive", verdict: "Inconclusive"},
		"sandboxed":                         {rules: r, play: "SS", changes: ".!", state: "Unknown", reason: "SandboxedRuntime", verdict: "Unsupported"},
		"a name that must not be dialled":   {rules: r, play: "OO", changes: ".!", state: "Unknown", reason: "HostNotPermitted", verdict: "LocalError"},
		"unsupported":                       {rules: r, play: "XX", changes: ".!", state: "Unknown", reason: "Unsupported", verdict: "Unsupported"},
		"doubt becomes proof":               {rules: r, play: "HHD", changes: ".!!", state: "Passing", verdict: "Unreachable", denial: "Dropped"},
		"a listener's verdict, if it comes": {rules: r, play: "KK", changes: ".!", state: "Unknown", reason: "NotProvable", verdict: "NotListening"},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pairState{state: v1alpha1.StatePending}
			if got := rounds(p, tc.rules, tc.play); got != tc.changes {
				t.Errorf("changes %s: %s, want %s", tc.play, got, tc.changes)
			}
			if p.state != tc.state || p.reason != tc.reason || p.fault.verdict != tc.verdict || p.denial.verdict != tc.denial || p.bad != tc.streak {
				t.Errorf("%s gives %s %q %s, denied by %q, streak %d; want %s %q %s, denied by %q, streak %d",
					tc.play, p.state, p.reason, p.fault.verdict, p.denial.verdict, p.bad,
					tc.state, tc.reason, tc.verdict, tc.denial, tc.streak)
			}
			if p.everyRound() != tc.every {
				t.Errorf("everyRound %v", p.everyRound())
			}
		})
	}
}

// What a path that must work makes of the verdicts that came with pods.
func TestAllowOfPods(t *testing.T) {
	r := Rules{FailureThreshold: 1, SuccessThreshold: 1}
	for play, want := range map[string]struct {
		state  v1alpha1.State
		reason string
	}{
		"K": {state: v1alpha1.StateFailing}, // nobody listens
		"I": {state: v1alpha1.StateUnknown, reason: v1alpha1.ReasonIntercepted},
		"C": {state: v1alpha1.StateUnknown, reason: v1alpha1.ReasonInconclusive},
		"S": {state: v1alpha1.StateUnknown, reason: v1alpha1.ReasonSandboxedRuntime},
		"O": {state: v1alpha1.StateUnknown, reason: v1alpha1.ReasonHostNotPermitted},
		"H": {state: v1alpha1.StateFailing},
	} {
		p := &pairState{state: v1alpha1.StatePending}
		rounds(p, r, play)
		if p.state != want.state || p.reason != want.reason {
			t.Errorf("%s gives %s %q, want %s %q", play, p.state, p.reason, want.state, want.reason)
		}
		if rounds(p, r, "g"); p.denial != (telling{}) {
			t.Errorf("%s: denied by %+v on a path that must work", play, p.denial)
		}
	}
}

// What holds for every history of a path that must not work.
func TestDenyProperties(t *testing.T) {
	const denies, opens, proves, all = "DRF", "gsuTPW", "DRFgsuTPW", "DDRRFFgsuTPWHEBNLUXICSO"
	rapid.Check(t, func(t *rapid.T) {
		r := Rules{
			FailureThreshold: rapid.Int32Range(1, 4).Draw(t, "failureThreshold"),
			SuccessThreshold: rapid.Int32Range(1, 4).Draw(t, "successThreshold"),
			MaxLatency:       100 * time.Millisecond, Expect: v1alpha1.ExpectDeny,
		}
		play := rapid.StringOfN(rapid.SampledFrom([]rune(all)), 0, 60, -1).Draw(t, "play")
		p := &pairState{state: v1alpha1.StatePending}
		open, denied := int32(0), int32(0)
		for i, l := range play {
			before := p.state
			changes := rounds(p, r, string(l))
			switch {
			case strings.ContainsRune(opens, l):
				open, denied = open+1, 0
			case strings.ContainsRune(denies, l):
				open, denied = 0, denied+1
			}
			if open >= r.FailureThreshold && p.state != v1alpha1.StateFailing {
				t.Fatalf("%s: open %d times and %s", play[:i+1], open, p.state)
			}
			if p.state == v1alpha1.StateFailing && denied >= r.SuccessThreshold {
				t.Fatalf("%s: denied %d times and Failing", play[:i+1], denied)
			}
			// Nothing but a denial may come to be called good.
			if p.state != before && p.state == v1alpha1.StatePassing && denied == 0 && before != v1alpha1.StateDegraded {
				t.Fatalf("%s: %s became Passing without a denial", play[:i+1], before)
			}
			if !strings.ContainsRune(proves, l) && p.state != before && p.state != v1alpha1.StateUnknown {
				t.Fatalf("%s: what proves nothing made it %s", play[:i+1], p.state)
			}
			if denied > 1 && p.state == before && changes != "." {
				t.Fatalf("%s: another kind of denial was reported", play[:i+1])
			}
			if (p.state == v1alpha1.StateUnknown) != (p.reason != "") {
				t.Fatalf("%s: %s with reason %q", play[:i+1], p.state, p.reason)
			}
		}
	})
}

// Each verdict means exactly one of the three, and never good both ways.
func TestEveryVerdictIsJudged(t *testing.T) {
	allow, deny := Rules{}, Rules{Expect: v1alpha1.ExpectDeny}
	for _, v := range v1alpha1.Verdicts() {
		a, d := allow.judge(v), deny.judge(v)
		if a == judgedGood && d == judgedGood {
			t.Errorf("%s is good whatever the path is to do", v)
		}
		if v.IsNeutral() && (a != judgedNeutral || d != judgedNeutral) {
			t.Errorf("%s says something", v)
		}
	}
	explicit := Rules{Expect: v1alpha1.ExpectAllow}
	if explicit.judge(v1alpha1.VerdictDropped) != judgedBad || explicit.judge(v1alpha1.VerdictConnected) != judgedGood {
		t.Error("Allow, said in words, is judged otherwise")
	}
}

func TestDenyInTheReport(t *testing.T) {
	var changes []Change
	tr := New(func(c Change) { changes = append(changes, c) })
	spec := assignment("a-1", 1, 2)
	spec.Groups[0].Expect = v1alpha1.ExpectDeny
	tr.Update(spec, nil, epoch)
	denied, open := tr.Pair("g", target(1)), tr.Pair("g", target(2))
	for i := range 4 {
		denied.Observe([]Observation{bad, {Verdict: v1alpha1.VerdictRejected, Evidence: "3/13 from 10.0.0.9"}}[i%2], epoch)
		open.Observe(good, epoch)
	}
	if v, evidence := denied.Denial(); v != v1alpha1.VerdictRejected || evidence != "3/13 from 10.0.0.9" {
		t.Errorf("denied by %s: %s", v, evidence)
	}
	groups, not := tr.Snapshot()
	if diff := cmp.Diff(v1alpha1.PairCounts{Passing: 1, Failing: 1}, groups[0].Pairs); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
	if len(not) != 1 || not[0].Target != target(2) || not[0].Verdict != v1alpha1.VerdictConnected {
		t.Errorf("not passing: %+v", not)
	}
	if groups[0].P50Microseconds != 0 {
		t.Error("a connection that must not be has a latency to be proud of")
	}
	// Attempted and denied; attempted; open. Another kind of denial is no news.
	if want := []Change{Progress, Progress, Transition}; !slices.Equal(changes, want) {
		t.Errorf("changes %v, want %v", changes, want)
	}
}
