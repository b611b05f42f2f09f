// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package track

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/netladder/netladder/api/v1alpha1"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// rounds plays verdicts, one letter each: g good, s slow, u good but untimed,
// D Dropped, R Rejected, F Refused, L LocalError, U Unmeasured, X Unsupported,
// T Reset, P ProtocolError, W WrongIdentity, H Unreachable, E LocalDenied, B
// TooBig, N DNSNameError, K NotListening, I Intercepted, C Inconclusive, S
// Unsupported because sandboxed, O LocalError because not permitted.
func rounds(p *pairState, r Rules, play string) (changes string) {
	letters := map[rune]Observation{
		'g': {Verdict: v1alpha1.VerdictConnected, Latency: time.Millisecond, Timed: true},
		's': {Verdict: v1alpha1.VerdictConnected, Latency: time.Second, Timed: true},
		'u': {Verdict: v1alpha1.VerdictConnected, Latency: time.Second},
		'D': {Verdict: v1alpha1.VerdictDropped, Evidence: "silence"},
		'R': {Verdict: v1alpha1.VerdictRejected, Evidence: "3/13 from 10.0.0.9"},
		'F': {Verdict: v1alpha1.VerdictRefused, Evidence: "reset"},
		'L': {Verdict: v1alpha1.VerdictLocalError, Evidence: "no descriptors"},
		'U': {Verdict: v1alpha1.VerdictUnmeasured},
		'X': {Verdict: v1alpha1.VerdictUnsupported, Evidence: "set the sysctl"},
		'T': {Verdict: v1alpha1.VerdictReset},
		'P': {Verdict: v1alpha1.VerdictProtocolError},
		'W': {Verdict: v1alpha1.VerdictWrongIdentity},
		'H': {Verdict: v1alpha1.VerdictUnreachable},
		'E': {Verdict: v1alpha1.VerdictLocalDenied},
		'B': {Verdict: v1alpha1.VerdictTooBig},
		'N': {Verdict: v1alpha1.VerdictDNSNameError},
		'K': {Verdict: v1alpha1.VerdictNotListening},
		'I': {Verdict: v1alpha1.VerdictIntercepted},
		'C': {Verdict: v1alpha1.VerdictInconclusive},
		'S': {Verdict: v1alpha1.VerdictUnsupported, Reason: v1alpha1.ReasonSandboxedRuntime},
		'O': {Verdict: v1alpha1.VerdictLocalError, Reason: v1alpha1.ReasonHostNotPermitted},
		'?': {Verdict: "Smoke"},
	}
	now := epoch
	for _, l := range play {
		now = now.Add(10 * time.Second)
		if p.observe(r, letters[l], now) {
			changes += "!"
		} else {
			changes += "."
		}
	}
	return changes
}

func TestStates(t *testing.T) {
	r := Rules{FailureThreshold: 2, SuccessThreshold: 1, MaxLatency: 100 * time.Millisecond}
	patient := Rules{FailureThreshold: 3, SuccessThreshold: 2}
	for name, tc := range map[string]struct {
		rules   Rules
		play    string
		changes string
		state   v1alpha1.State
		reason  string
		verdict v1alpha1.Verdict
		streak  int32
		every   bool
	}{
		"never attempted":                    {rules: r, state: "Pending"},
		"first good":                         {rules: r, play: "g", changes: "!", state: "Passing"},
		"first bad stays Pending":            {rules: r, play: "D", changes: ".", state: "Pending", verdict: "Dropped", streak: 1, every: true},
		"threshold":                          {rules: r, play: "gDD", changes: "!.!", state: "Failing", verdict: "Dropped", streak: 2, every: true},
		"below the threshold":                {rules: r, play: "gDgDg", changes: "!....", state: "Passing", verdict: "Dropped"},
		"recovers":                           {rules: r, play: "gDDDg", changes: "!.!.!", state: "Passing", verdict: "Dropped"},
		"patient":                            {rules: patient, play: "gDDgDDDg", changes: "!.....!.", state: "Failing", verdict: "Dropped", every: true},
		"patient recovers":                   {rules: patient, play: "DDDgDgg", changes: "..!...!", state: "Passing", verdict: "Dropped"},
		"an outage is not told twice":        {rules: r, play: "gDDDDDDDDDDgggggggggggg", changes: "!.!........!...........", state: "Passing", verdict: "Dropped"},
		"Rejected and Dropped are one fault": {rules: r, play: "gDRDRDDRRD", changes: "!.!.......", state: "Failing", verdict: "Rejected", streak: 9, every: true},
		"Rejected long ago becomes Dropped":  {rules: r, play: "RDDDDD", changes: ".!....", state: "Failing", verdict: "Dropped", streak: 6, every: true},
		"another fault is a change":          {rules: r, play: "DDF", changes: ".!!", state: "Failing", verdict: "Refused", streak: 3, every: true},
		"equal faults do not flap":           {rules: r, play: "FFRFRFR", changes: ".!.....", state: "Failing", verdict: "Refused", streak: 7, every: true},
		"Unmeasured is neither":              {rules: r, play: "gUg", changes: "!..", state: "Passing"},
		"Unmeasured ends no streak":          {rules: r, play: "gDUD", changes: "!..!", state: "Failing", verdict: "Dropped", streak: 2, every: true},
		"Unmeasured for long":                {rules: r, play: "gUU", changes: "!.!", state: "Unknown", reason: "Unmeasured", verdict: "Unmeasured"},
		"Unsupported":                        {rules: r, play: "XX", changes: ".!", state: "Unknown", reason: "Unsupported", verdict: "Unsupported"},
		"doubtful is asked again":            {rules: r, play: "X", changes: ".", state: "Pending", every: true},
		"LocalError":                         {rules: r, play: "gLL", changes: "!.!", state: "Unknown", reason: "ProbeFailed", verdict: "LocalError"},
		"Unknown recovers":                   {rules: r, play: "gLLg", changes: "!.!!", state: "Passing", verdict: "LocalError"},
		"Unknown fails":                      {rules: r, play: "gLLDD", changes: "!.!.!", state: "Failing", verdict: "Dropped", streak: 2, every: true},
		"Failing stays Failing unmeasured":   {rules: r, play: "DDLLLLUUXX", changes: ".!........", state: "Failing", verdict: "Dropped", streak: 2, every: true},
		"Inconclusive for long":              {rules: r, play: "gDDCCCCC", changes: "!.!....!", state: "Unknown", reason: "Inconclusive", verdict: "Inconclusive"},
		"Inconclusive, and bad again":        {rules: r, play: "DDCCCCCDD", changes: ".!....!.!", state: "Failing", verdict: "Dropped", streak: 2, every: true},
		"Inconclusive, then good":            {rules: r, play: "DDCCCCCg", changes: ".!....!!", state: "Passing", verdict: "Inconclusive"},
		"Inconclusive now and then":          {rules: r, play: "DDCCCCDCCCCD", changes: ".!..........", state: "Failing", verdict: "Dropped", streak: 4, every: true},
		"Inconclusive and unmeasured":        {rules: r, play: "DDCCUCUUC", changes: ".!.......", state: "Failing", verdict: "Dropped", streak: 2, every: true},
		"Inconclusive after a single bad":    {rules: r, play: "DCCCCC", changes: "..!...", state: "Unknown", reason: "Inconclusive", verdict: "Inconclusive"},
		"too big, and silent at times":       {rules: r, play: "BBDDDDB", changes: ".!.....", state: "Failing", verdict: "TooBig", streak: 7, every: true},
		"silent, then too big":               {rules: r, play: "DDB", changes: ".!!", state: "Failing", verdict: "TooBig", streak: 3, every: true},
		"two of three slow":                  {rules: r, play: "gss", changes: "!.!", state: "Degraded"},
		"one of three slow":                  {rules: r, play: "ggsggs", changes: "!.....", state: "Passing"},
		"slow needs three samples":           {rules: r, play: "ss", changes: "!.", state: "Passing"},
		"fast again":                         {rules: r, play: "sssgg", changes: "!.!.!", state: "Passing"},
		"untimed is not slow":                {rules: r, play: "uuuuu", changes: "!....", state: "Passing"},
		"one loss of ten is not a tenth":     {rules: r, play: "gggggDgggggg", changes: "!...........", state: "Passing", verdict: "Dropped"},
		"a tenth lost":                       {rules: r, play: "gggggDggggDg", changes: "!.........!.", state: "Degraded", verdict: "Dropped"},
		"losses leave the window":            {rules: r, play: "gggggDggggD" + strings.Repeat("g", 15), changes: "!.........!" + strings.Repeat(".", 14) + "!", state: "Passing", verdict: "Dropped"},
		"few samples do not count":           {rules: r, play: "gDgDgDgD", changes: "!.......", state: "Passing", verdict: "Dropped", streak: 1, every: true},
	} {
		t.Run(name, func(t *testing.T) {
			p := &pairState{state: v1alpha1.StatePending}
			if got := rounds(p, tc.rules, tc.play); got != tc.changes {
				t.Errorf("changes %s: %s, want %s", tc.play, got, tc.changes)
			}
			if p.state != tc.state || p.reason != tc.reason || p.fault.verdict != tc.verdict || p.bad != tc.streak {
				t.Errorf("%s gives %s %q %s streak %d, want %s %q %s streak %d",
					tc.play, p.state, p.reason, p.fault.verdict, p.bad, tc.state, tc.reason, tc.verdict, tc.streak)
			}
			if p.everyRound() != tc.every {
				t.Errorf("everyRound %v", p.everyRound())
			}
		})
	}
}

func TestSinceIsWhenTheStateBegan(t *testing.T) {
	p := &pairState{state: v1alpha1.StatePending}
	rounds(p, Rules{FailureThreshold: 2, SuccessThreshold: 1}, "gDDRF")
	if want := epoch.Add(30 * time.Second); !p.since.Equal(want) {
		t.Errorf("since %s, want %s", p.since, want)
	}
}

// What holds for every history.
func TestStateProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rules{
			FailureThreshold: rapid.Int32Range(1, 4).Draw(t, "failureThreshold"),
			SuccessThreshold: rapid.Int32Range(1, 4).Draw(t, "successThreshold"),
			MaxLatency:       100 * time.Millisecond,
		}
		play := rapid.StringOfN(rapid.SampledFrom([]rune("ggggsuDDRFLUXCCCC")), 0, 60, -1).Draw(t, "play")
		p := &pairState{state: v1alpha1.StatePending}
		badRun, goodRun, doubtRun := int32(0), int32(0), int32(0)
		for i, l := range play {
			before := p.state
			rounds(p, r, string(l))
			switch {
			case strings.ContainsRune("DRF", l):
				badRun, goodRun, doubtRun = badRun+1, 0, 0
			case strings.ContainsRune("gsu", l):
				badRun, goodRun, doubtRun = 0, goodRun+1, 0
			case l == 'C':
				doubtRun++
			}
			if doubted := doubtRun >= verdictMemory; doubted {
				if p.state != v1alpha1.StateUnknown || p.everyRound() {
					t.Fatalf("%s: %d rounds in doubt and %s", play[:i+1], doubtRun, p.state)
				}
				badRun = 0
			} else if before == v1alpha1.StateFailing && p.state == v1alpha1.StateUnknown {
				t.Fatalf("%s: no more Failing after %d rounds in doubt", play[:i+1], doubtRun)
			}
			if badRun >= r.FailureThreshold && p.state != v1alpha1.StateFailing {
				t.Fatalf("%s: %d bad rounds and %s", play[:i+1], badRun, p.state)
			}
			if p.state == v1alpha1.StateFailing && goodRun >= r.SuccessThreshold {
				t.Fatalf("%s: %d good rounds and Failing", play[:i+1], goodRun)
			}
			if p.state == v1alpha1.StateFailing && before != p.state && badRun < r.FailureThreshold {
				t.Fatalf("%s: Failing after %d bad rounds", play[:i+1], badRun)
			}
			if p.state == v1alpha1.StateUnknown && p.reason == "" || p.state != v1alpha1.StateUnknown && p.reason != "" {
				t.Fatalf("%s: %s with reason %q", play[:i+1], p.state, p.reason)
			}
			if p.bad > 0 && !p.everyRound() {
				t.Fatalf("%s: a bad pair waits for its turn", play[:i+1])
			}
		}
	})
}
