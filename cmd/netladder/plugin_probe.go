// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/cmd/netladder/internal/attempt"
	"github.com/netladder/netladder/cmd/netladder/internal/overview"
)

// spareTTL is how much longer than it is waited for a check may live.
const spareTTL = 2 * time.Minute

// probeFlags are those of `probe` alone.
type probeFlags struct {
	expect  string
	http    string
	timeout time.Duration
}

func probeCommand(p *plugin) *cobra.Command {
	var f probeFlags
	cmd := &cobra.Command{
		Use:   "probe FROM TO",
		Short: "Try one path now, and say which rung is broken",
		Long: `Tries one path: makes a ConnectivityCheck for a moment, shows what the probers
see, says which rung of the network is broken and why, and removes the check.
Should it be killed, Netladder removes the check itself some minutes later.

FROM: pod/NAME, deploy/NAME (or sts, ds, rs, job), labels such as app=web, pods
(all of the namespace), node/NAME, nodes, or probers.
TO: svc/NAME:PORT, pod/NAME:PORT, deploy/NAME:PORT, labels such as app=db:5432,
HOST:PORT, dns:NAME, node/NAME, apiserver, or mesh. Write PORT/UDP for UDP,
svc/NAME.NAMESPACE:PORT or NAMESPACE/pod/NAME:PORT for another namespace.

A pod is found by its labels, so that other pods with the same are tried too.
Outside of Netladder's namespace probes start in the pods of the check's own
namespace; probers and nodes need the right to make checks in Netladder's.

Exit codes: 0 the path is as expected, 1 an error, 2 it is not, 3 nothing can be
said.`,
		Example: `  kubectl netladder probe -n commerce deploy/order-validator svc/inventory-service:8080 --http /healthz
  kubectl netladder probe -n commerce role=frontend app=db:5432 --expect deny
  kubectl netladder probe probers dns:kubernetes.default.svc.cluster.local.
  kubectl netladder probe node/node1 node/node2`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return errors.New("write FROM and TO, such as: kubectl netladder probe deploy/web svc/api:8080")
			}
			return nil
		},
		ValidArgsFunction: p.completeEnds,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := p.validOutput(); err != nil {
				return err
			}
			return p.probe(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr(), args, f)
		},
	}
	flags := cmd.Flags()
	p.register(flags)
	flags.StringVar(&f.expect, "expect", "allow", "allow: TO must be reachable; deny: it must not be, and that has to be proven")
	flags.StringVar(&f.http, "http", "", "path of an HTTP request to make, such as /healthz; default is the connection alone")
	flags.DurationVar(&f.timeout, "timeout", 40*time.Second, "how long to wait for an answer")
	p.completeFlags(cmd)
	_ = cmd.RegisterFlagCompletionFunc("expect", cobra.FixedCompletions([]string{"allow", "deny"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

func (f *probeFlags) expectation() (v1alpha1.Expectation, error) {
	switch strings.ToLower(f.expect) {
	case "allow":
		return v1alpha1.ExpectAllow, nil
	case "deny":
		return v1alpha1.ExpectDeny, nil
	}
	return "", fmt.Errorf("--expect %q: use allow or deny", f.expect)
}

// Attempt is what came of a probe. Its JSON is what `-o json` prints.
type Attempt struct {
	From   string               `json:"from"`
	To     string               `json:"to"`
	Expect v1alpha1.Expectation `json:"expect"`
	// Result is AsExpected, NotAsExpected or Unknown.
	Result string `json:"result"`
	// Check that tried it, which is gone by now.
	Check string `json:"check"`
	// Took is how long it took until enough was known.
	Took string `json:"took"`
	// Status of the path.
	Status *v1alpha1.PathStatus `json:"status,omitempty"`
	// Ladder from the top to the bottom, and what to look at next.
	Ladder []overview.Step `json:"ladder,omitempty"`
	Next   []string        `json:"next,omitempty"`
}

// Results of an Attempt.
const (
	resultExpected    = "AsExpected"
	resultNotExpected = "NotAsExpected"
	resultUnknown     = "Unknown"
)

func (p *plugin) probe(ctx context.Context, out, errOut io.Writer, args []string, f probeFlags) error {
	expect, err := f.expectation()
	if err != nil {
		return err
	}
	from, err := attempt.ParseFrom(args[0])
	if err != nil {
		return err
	}
	to, err := attempt.ParseTo(args[1])
	if err != nil {
		return err
	}
	c, namespace, err := p.connect()
	if err != nil {
		return err
	}
	plan := attempt.Plan{
		From: from, To: to, Namespace: namespace, Home: p.home, Expect: expect, HTTP: f.http,
		TTL: (f.timeout + spareTTL).Truncate(time.Second),
	}
	found := finder{reader: c, namespace: namespace, note: func(text string) { tell(errOut, "%s\n", text) }}
	if err := errors.Join(found.resolve(ctx, &plan.From, false), found.resolve(ctx, &plan.To, true)); err != nil {
		return err
	}
	check, err := plan.Check("probe-" + rand.String(5))
	if err != nil {
		return err
	}
	start := p.now()
	if err := c.Create(ctx, check); err != nil {
		if ctx.Err() != nil { // it may be there all the same
			p.remove(ctx, c, check, errOut)
		}
		return explain(err, "making a ConnectivityCheck in namespace "+check.Namespace)
	}
	defer p.remove(ctx, c, check, errOut)
	key := client.ObjectKeyFromObject(check)
	tell(errOut, "check %s, from %s to %s, expect %s\n", key, args[0], args[1], expect)
	waiting, cancel := context.WithTimeout(ctx, f.timeout)
	defer cancel()
	last, err := p.follow(waiting, c, check, errOut)
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	a := Attempt{From: args[0], To: args[1], Expect: expect, Check: key.String(), Took: p.now().Sub(start).Round(100 * time.Millisecond).String()}
	cause := a.conclude(last, p.around(ctx, c), p.climbed(ctx, c, last))
	if p.output != "" {
		err = p.print(out, a)
	} else {
		_, err = io.WriteString(out, a.text(cause, p.style(out), f.timeout))
	}
	if err != nil {
		return fmt.Errorf("printing: %w", err)
	}
	return a.exit()
}

// remove the check, also when the context has ended.
func (p *plugin) remove(ctx context.Context, c client.Client, check *v1alpha1.ConnectivityCheck, errOut io.Writer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if err := c.Delete(ctx, check); client.IgnoreNotFound(err) != nil {
		tell(errOut, "could not remove check %s/%s (%v): Netladder does so %s after its creation\n",
			check.Namespace, check.Name, err, check.Annotations[v1alpha1.AnnotationTTL])
	}
}

// around are the checks of the whole cluster, for what they prove; none where
// the user may not read them.
func (p *plugin) around(ctx context.Context, c client.Client) []v1alpha1.ConnectivityCheck {
	var list v1alpha1.ConnectivityCheckList
	if err := c.List(ctx, &list, client.InNamespace(p.home)); err != nil {
		return nil
	}
	return list.Items
}

// climbed is what the prober of the first bad pair saw when it climbed; empty
// where the user may not read assignments, as tenants may not.
func (p *plugin) climbed(ctx context.Context, c client.Client, check *v1alpha1.ConnectivityCheck) map[v1alpha1.Rung]string {
	status := attempt.PathOf(check)
	if status == nil || status.State != v1alpha1.StateFailing || len(status.WorstPairs) == 0 {
		return nil
	}
	var a v1alpha1.ProbeAssignment
	if err := c.Get(ctx, types.NamespacedName{Name: status.WorstPairs[0].SourceNode}, &a); err != nil {
		return nil
	}
	return attempt.Climbed(&a, &status.WorstPairs[0])
}

// follow shows how the check comes along until enough is known, and returns it
// as it was last.
func (p *plugin) follow(ctx context.Context, c client.WithWatch, check *v1alpha1.ConnectivityCheck, errOut io.Writer) (*v1alpha1.ConnectivityCheck, error) {
	f := follower{plugin: p, client: c, errOut: errOut, start: p.now(), last: check.DeepCopy()}
	for {
		// A watch ends now and then, with nothing wrong.
		if done, err := f.watch(ctx); done || err != nil {
			return f.last, err
		}
	}
}

// follower is how far a check is followed.
type follower struct {
	*plugin
	client   client.WithWatch
	errOut   io.Writer
	progress attempt.Progress
	start    time.Time
	last     *v1alpha1.ConnectivityCheck
}

// watch the check until enough is known, or until the watch ends.
func (f *follower) watch(ctx context.Context) (done bool, err error) {
	key := client.ObjectKeyFromObject(f.last)
	events, err := f.client.Watch(ctx, &v1alpha1.ConnectivityCheckList{}, client.InNamespace(key.Namespace),
		client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", key.Name)})
	if err == nil {
		defer events.Stop()
		err = f.client.Get(ctx, key, f.last) // what came before the watch
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		return false, explain(err, "watching the check")
	}
	for {
		done, again := f.tell()
		if done {
			return true, nil
		}
		select {
		case <-ctx.Done():
			return false, ctx.Err()
		case <-after(again):
		case event, open := <-events.ResultChan():
			if !open {
				return false, nil
			}
			now, ok := event.Object.(*v1alpha1.ConnectivityCheck)
			switch {
			case !ok:
				return false, explain(apierrors.FromObject(event.Object), "watching the check")
			case event.Type == watch.Deleted:
				return false, errors.New("somebody deleted the check")
			}
			f.last = now
		}
	}
}

// tell what is new of the check; again is when to look even if nothing happens.
func (f *follower) tell() (done bool, again time.Duration) {
	news, done, again := f.progress.News(f.last, f.now())
	for _, line := range news {
		tell(f.errOut, "%6.1fs  %s\n", f.now().Sub(f.start).Seconds(), overview.Clean(line))
	}
	return done, again
}

// after is a channel that never says anything for 0.
func after(d time.Duration) <-chan time.Time {
	if d <= 0 {
		return nil
	}
	return time.After(d)
}
