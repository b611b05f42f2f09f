// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
)

// ladderBound is the stated time from a fault to its diagnosis: the checks of
// the shop are the slowest, and a climb takes up to 3.5 s.
const ladderBound = shopInterval*failureThreshold + timeout + 4*time.Second

// maxUndetermined is how many faults of the table may end without an answer.
const maxUndetermined = 2

// expectation is what must stand in status.
type expectation struct {
	// at are the paths of which one must say so.
	at []pathRef
	// rung, and the reasons that fit.
	rung    v1alpha1.Rung
	reasons []string
	// names are in the message.
	names []string
}

// injected is a fault in force.
type injected struct {
	heal func()
	want []expectation
	// also are rungs that other paths may name, because they tell the truth too.
	also []v1alpha1.Rung
	// where is the place that was drawn, for people.
	where string
}

// ladderCase is one fault of the table.
type ladderCase struct {
	name   string
	inject func(t *testing.T, s *shop, d *draw) injected
	// waits is what the diagnosis waits for beside the bound, such as the grace
	// for a Service without endpoints.
	waits time.Duration
}

// outcome is a row of the table of results.
type outcome struct {
	fault, where    string
	expected, found string
	took            time.Duration
	message         string
	right           bool
	undetermined    bool
	// named counts the diagnoses of all paths that failed by the fault, by rung.
	named map[v1alpha1.Rung]int
	want  v1alpha1.Rung
}

// TestFullLadder injects one fault after the other and holds what the status
// says against what was broken. NETLADDER_SEED repeats a run.
func TestFullLadder(t *testing.T) {
	seed := uint64(time.Now().UnixNano()) % 1_000_000
	if text := os.Getenv("NETLADDER_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("NETLADDER_SEED: %v", err)
		}
	}
	say("seed %d", seed)
	s := openShop(t)
	calm(t)
	var outcomes []outcome
	for _, c := range ladderCases() {
		t.Run(c.name, func(t *testing.T) {
			s.well(t)
			outcomes = append(outcomes, runLadderCase(t, s, newDraw(seed, c.name), c))
		})
	}
	tell(outcomes)
	undetermined := 0
	for i := range outcomes {
		if outcomes[i].undetermined {
			undetermined++
		}
	}
	if undetermined > maxUndetermined {
		t.Errorf("%d faults ended Undetermined, want at most %d", undetermined, maxUndetermined)
	}
}

func runLadderCase(t *testing.T, s *shop, d *draw, c ladderCase) outcome {
	t.Helper()
	in := c.inject(t, s, d)
	start := time.Now()
	healed := false
	defer func() {
		if !healed {
			in.heal()
		}
	}()
	t.Logf("broken: %s", in.where)
	o := outcome{fault: c.name, where: in.where, expected: expected(in.want), want: in.want[0].rung, named: map[v1alpha1.Rung]int{}}
	var last []string
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, slack*ladderBound+c.waits, true, func(ctx context.Context) (bool, error) {
		var missing []string
		o.found, o.message = "", ""
		for i := range in.want {
			d, err := in.want[i].stands(ctx)
			if err != nil {
				missing = append(missing, err.Error())
				continue
			}
			o.add(d)
		}
		if ctx.Err() == nil {
			last = missing // an error of the deadline itself would say nothing
		}
		return len(missing) == 0, nil
	})
	o.took = time.Since(start)
	pause(t, 2*shopInterval) // until what fails by it later has failed
	seen := diagnoses(t)
	o.settle(t, in, seen, err == nil, last)
	in.heal()
	healed = true
	s.recovers(t)
	return o
}

// settle judges what the paths say while the fault is in force.
func (o *outcome) settle(t *testing.T, in injected, seen []diagnosed, right bool, last []string) {
	t.Helper()
	allowed := slices.Clone(in.also)
	for _, w := range in.want {
		allowed = append(allowed, w.rung)
	}
	var said []string
	for _, d := range seen {
		t.Logf("%s: %s", d.at, d.text())
		o.named[d.rung()]++
		said = append(said, fmt.Sprintf("%s/%s", d.rung(), d.reason()))
		if d.rung() != v1alpha1.RungUndetermined && d.rung() != noRung && !slices.Contains(allowed, d.rung()) {
			t.Errorf("%s: a confident wrong answer: %s", d.at, d.text())
		}
	}
	slices.Sort(said)
	switch {
	case right:
		o.right = true
		for _, w := range in.want {
			if _, err := w.stands(t.Context()); err != nil {
				o.found += " (later another)"
				t.Logf("it did not keep standing: %v", err)
			}
		}
	case o.named[v1alpha1.RungUndetermined] > 0:
		o.undetermined, o.found, o.message = true, string(v1alpha1.RungUndetermined), ""
		t.Logf("not told apart within %s: %s", slack*ladderBound, strings.Join(last, "; "))
	default:
		o.found, o.message = "not as expected: "+strings.Join(slices.Compact(said), " "), ""
		t.Errorf("no right diagnosis within %s: %s", o.took.Round(time.Second), strings.Join(last, "; "))
		dump(t)
	}
}

// add is an answer that is right.
func (o *outcome) add(d *v1alpha1.PathDiagnosis) {
	if o.found != "" {
		o.found, o.message = o.found+" and ", o.message+" — "
	}
	o.found += fmt.Sprintf("%s/%s", d.Rung, d.Reason)
	o.message += d.Message
}

// stands returns what one of the paths says, if that is what is expected.
func (e expectation) stands(ctx context.Context) (*v1alpha1.PathDiagnosis, error) {
	var errs []string
	for _, at := range e.at {
		p, err := at.get(ctx)
		if err != nil {
			return nil, err
		}
		d := p.Diagnosis
		switch {
		case d == nil:
			errs = append(errs, fmt.Sprintf("%s is %s, without a diagnosis", at, p.State))
		case d.Rung != e.rung || len(e.reasons) > 0 && !slices.Contains(e.reasons, d.Reason):
			errs = append(errs, fmt.Sprintf("%s says %s/%s (%s), want %s %v", at, d.Rung, d.Reason, d.Message, e.rung, e.reasons))
		default:
			i := slices.IndexFunc(e.names, func(name string) bool { return !strings.Contains(d.Message, name) })
			if i < 0 {
				return d, nil
			}
			errs = append(errs, fmt.Sprintf("%s does not name %s: %s", at, e.names[i], d.Message))
		}
	}
	return nil, errors.New(strings.Join(errs, "; "))
}

func expected(want []expectation) string {
	var out []string
	for _, w := range want {
		text := string(w.rung)
		if len(w.reasons) > 0 {
			text += "/" + strings.Join(w.reasons, " or ")
		}
		out = append(out, text)
	}
	return strings.Join(out, " and ")
}

// noRung stands for a path that fails without a diagnosis.
const noRung v1alpha1.Rung = "none"

// diagnosed is a path that fails and what is said of it.
type diagnosed struct {
	at pathRef
	it *v1alpha1.PathDiagnosis
}

func (d diagnosed) rung() v1alpha1.Rung {
	if d.it == nil {
		return noRung
	}
	return d.it.Rung
}

func (d diagnosed) reason() string {
	if d.it == nil {
		return ""
	}
	return d.it.Reason
}

func (d diagnosed) text() string {
	if d.it == nil {
		return "fails, without a diagnosis"
	}
	return fmt.Sprintf("%s/%s: %s", d.it.Rung, d.it.Reason, d.it.Message)
}

// diagnoses are those of all paths that fail now.
func diagnoses(t *testing.T) []diagnosed {
	t.Helper()
	checks := &v1alpha1.ConnectivityCheckList{}
	if err := kube.List(t.Context(), checks); err != nil {
		t.Fatal(err)
	}
	var out []diagnosed
	for i := range checks.Items {
		c := &checks.Items[i]
		for j := range c.Status.Paths {
			if p := &c.Status.Paths[j]; p.State == v1alpha1.StateFailing {
				out = append(out, diagnosed{pathRef{c.Namespace, c.Name, p.Name}, p.Diagnosis})
			}
		}
	}
	return out
}

// draw picks where a fault strikes, from the seed and the fault's name alone,
// so that a fault by itself strikes where it did in the whole table.
type draw struct {
	*rand.Rand
}

func newDraw(seed uint64, name string) *draw {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return &draw{rand.New(rand.NewPCG(seed, h.Sum64()))} //nolint:gosec // no secret
}

// node is one of the lab's, none of those named.
func (d *draw) node(but ...string) string {
	nodes := slices.DeleteFunc(slices.Clone(shopNodes), func(n string) bool { return slices.Contains(but, n) })
	return nodes[d.IntN(len(nodes))]
}

// leader is the node of the controller that writes the status: cut off, it
// would tell nothing until another takes over.
func leader(t *testing.T) string {
	t.Helper()
	pods, err := podsOf(t.Context(), "controller")
	if err != nil {
		t.Fatal(err)
	}
	lease := &coordinationv1.Lease{}
	if err := kube.Get(t.Context(), client.ObjectKey{Namespace: namespace, Name: "netladder-controller"}, lease); err != nil {
		t.Fatal(err)
	}
	holder := ptr.Deref(lease.Spec.HolderIdentity, "")
	for node, pod := range pods {
		if strings.HasPrefix(holder, pod.Name) {
			return node
		}
	}
	t.Fatalf("the Lease is held by %q, which is no pod of the controller", holder)
	return ""
}
