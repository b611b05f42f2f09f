// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Limits of the pairs that status shows.
const (
	maxWorstOfPath  = 10
	maxWorstOfCheck = 40
)

// worst is a pair that may be shown, with what it is ordered by.
type worst struct {
	rank, strength int
	since          time.Time
	show           v1alpha1.WorstPair
	// key tells pairs apart that are shown alike.
	key string
	// dialled is how it was probed.
	dialled dialled
}

// rankOf orders states, the worst first.
func rankOf(s v1alpha1.State) int {
	switch s {
	case v1alpha1.StateFailing:
		return 0
	case v1alpha1.StateDegraded:
		return 1
	case v1alpha1.StateUnknown:
		return 2
	}
	return 3
}

// strengthOf orders verdicts by how much they prove, the strongest first: an
// answer that names what is wrong before an answer, before silence.
func strengthOf(v v1alpha1.Verdict) int {
	switch v {
	case v1alpha1.VerdictRejected, v1alpha1.VerdictTooBig, v1alpha1.VerdictProtocolUnreachable:
		return 0
	case v1alpha1.VerdictUnreachable, v1alpha1.VerdictLocalDenied:
		return 1
	case v1alpha1.VerdictRefused, v1alpha1.VerdictReset, v1alpha1.VerdictWrongIdentity,
		v1alpha1.VerdictProtocolError, v1alpha1.VerdictTLSError, v1alpha1.VerdictDNSNameError, v1alpha1.VerdictDNSServerFailure,
		v1alpha1.VerdictDNSNoAnswer, v1alpha1.VerdictDNSWrongAnswer, v1alpha1.VerdictDNSTruncated:
		return 2
	case v1alpha1.VerdictDropped, v1alpha1.VerdictDNSTimeout:
		return 3
	}
	return 4
}

func compareWorst(a, b *worst) int {
	if c := cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.strength, b.strength), a.since.Compare(b.since)); c != 0 {
		return c
	}
	return cmp.Or(cmp.Compare(a.show.Source, b.show.Source), cmp.Compare(a.show.Target, b.show.Target), cmp.Compare(a.key, b.key))
}

// addWorst keeps a pair if it is among the worst so far.
func (t *tally) addWorst(b *bad) {
	verdict := verdictOf(b.verdict)
	w := worst{rank: rankOf(b.state), strength: strengthOf(verdict), since: b.since, key: b.pair.key}
	w.show.Source, w.show.SourceNode, w.show.Target, w.show.TargetNode = b.source, b.sourceNode, b.target, b.targetNode
	at := len(t.worst)
	for at > 0 && compareWorst(&w, &t.worst[at-1]) < 0 {
		at--
	}
	if at == maxWorstOfPath {
		return
	}
	w.show.State, w.show.Verdict, w.show.Reason = b.state, verdict, b.reason
	w.show.Evidence = printable(b.evidence, maxEvidence)
	w.show.Since = metav1.NewTime(w.since)
	w.dialled = dialled{pair: *b.pair, group: b.group, node: b.node, hidden: b.hidden, streak: b.streak, cause: b.cause, said: b.said, badSince: b.badSince, began: b.began}
	if len(t.worst) == maxWorstOfPath {
		t.worst = t.worst[:maxWorstOfPath-1]
	}
	t.worst = slices.Insert(t.worst, at, w)
}

// shareWorst divides the check's room among its paths: the worst pairs of
// each path in turn, Failing ones of all paths before any other.
func shareWorst(paths []*tally) {
	room, taken := maxWorstOfCheck, make([]int, len(paths))
	for rank := range 3 {
		for range maxWorstOfPath {
			for i, t := range paths {
				if room > 0 && taken[i] < len(t.worst) && t.worst[taken[i]].rank == rank {
					taken[i]++
					room--
				}
			}
		}
	}
	for i, t := range paths {
		for k := range taken[i] {
			t.status.WorstPairs = append(t.status.WorstPairs, t.worst[k].show)
		}
	}
}
