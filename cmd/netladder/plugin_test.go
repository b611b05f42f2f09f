// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/test/builders"
)

func TestCommandFor(t *testing.T) {
	for _, c := range []struct {
		argv []string
		name string
		args string
	}{
		{[]string{"/netladder", "controller", "--level=Full"}, "netladder", "controller --level=Full"},
		{[]string{"/usr/local/bin/kubectl-netladder", "status"}, pluginName, "status"},
		{[]string{`kubectl-netladder.exe`}, pluginName, ""},
		{[]string{"kubectl_complete-netladder", "status", "-n", ""}, pluginName, "__complete status -n "},
	} {
		cmd, args := commandFor(c.argv)
		if cmd.Name() != c.name || strings.Join(args, " ") != c.args {
			t.Errorf("%q: %s %q", c.argv, cmd.Name(), args)
		}
	}
}

// newFake is the plugin before a cluster in which these objects are, and in
// which a controller judges each new check by a status.
func newFake(t *testing.T, status v1alpha1.PathStatus, objects ...client.Object) (*plugin, client.WithWatch) {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&v1alpha1.ConnectivityCheck{}, "metadata.name", func(o client.Object) []string { return []string{o.GetName()} }).
		WithInterceptorFuncs(interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if check, ok := o.(*v1alpha1.ConnectivityCheck); ok && status.State != "" {
				status.Name = check.Spec.Paths[0].Name
				check.Status.Paths = []v1alpha1.PathStatus{status}
			}
			return c.Create(ctx, o, opts...)
		}}).Build()
	p := newPlugin()
	p.home = "netladder-system"
	p.connect = func() (client.WithWatch, string, error) { return c, "shop", nil }
	return p, c
}

func deployment(name string) (*appsv1.Deployment, *corev1.Pod) {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name},
			Spec:       appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}},
		}, &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name + "-0", Labels: labels},
		}
}

func TestProbe(t *testing.T) {
	web, pod := deployment("web")
	denied := v1alpha1.PathStatus{
		State: v1alpha1.StateFailing, Accepted: true,
		Diagnosis: &v1alpha1.PathDiagnosis{Rung: v1alpha1.RungPolicy, Reason: v1alpha1.ReasonPolicyDenies, Message: "denied by shop/nobody"},
	}
	for name, c := range map[string]struct {
		status  v1alpha1.PathStatus
		args    []string
		flags   probeFlags
		code    int
		says    string
		problem string
	}{
		"works":         {v1alpha1.PathStatus{State: v1alpha1.StatePassing, Accepted: true}, []string{"deploy/web", "svc/api:80"}, probeFlags{}, 0, "As expected: it works", ""},
		"denied":        {denied, []string{"pod/web-0", "app=db:5432"}, probeFlags{}, 2, "Policy is broken (PolicyDenies)", ""},
		"open":          {denied, []string{"app=web", "web:1"}, probeFlags{expect: "Deny"}, 2, "it is open", ""},
		"not permitted": {v1alpha1.PathStatus{State: v1alpha1.StateUnknown, Reason: v1alpha1.ReasonSourceNotPermitted, Message: "use from.pods"}, []string{"probers", "svc/api:80"}, probeFlags{}, 3, "Nothing can be said (SourceNotPermitted)", ""},
		"nobody there":  {v1alpha1.PathStatus{}, []string{"deploy/web", "svc/api:80"}, probeFlags{timeout: 10 * time.Millisecond}, 3, "see whether Netladder's controller runs", ""},
		"no such":       {denied, []string{"deploy/wev", "svc/api:80"}, probeFlags{}, 0, "", "there is no deployment wev in namespace shop; -n chooses another"},
		"no pods":       {denied, []string{"app=wev", "svc/api:80"}, probeFlags{}, 0, "", "no pod in namespace shop has the labels app=wev"},
		"bad flag":      {denied, []string{"app=web", "svc/api:80"}, probeFlags{expect: "maybe"}, 0, "", `--expect "maybe": use allow or deny`},
		"no port":       {denied, []string{"app=web", "svc/two"}, probeFlags{}, 0, "", "which port of Service two? write one of: svc/two:80, svc/two:53/UDP"},
	} {
		t.Run(name, func(t *testing.T) {
			two := &corev1.Service{
				ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "two"},
				Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Port: 80}, {Port: 53, Protocol: corev1.ProtocolUDP}}},
			}
			db := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db", Labels: map[string]string{"app": "db"}}}
			p, cluster := newFake(t, c.status, web.DeepCopy(), pod.DeepCopy(), two, db)
			var out, errOut bytes.Buffer
			f := c.flags
			if f.expect == "" {
				f.expect = "allow"
			}
			if f.timeout == 0 {
				f.timeout = time.Minute
			}
			err := p.probe(t.Context(), &out, &errOut, c.args, f)
			code := exitCode(0)
			switch errors.As(err, &code); {
			case c.problem != "":
				if err == nil || !strings.Contains(err.Error(), c.problem) {
					t.Errorf("%v, want %q in it", err, c.problem)
				}
			case int(code) != c.code || err != nil && code == 0 || !strings.Contains(out.String(), c.says):
				t.Errorf("%v\n%s%s", err, errOut.String(), out.String())
			}
			var left v1alpha1.ConnectivityCheckList
			if err := cluster.List(t.Context(), &left); err != nil || len(left.Items) > 0 {
				t.Errorf("left behind: %v %v", left.Items, err)
			}
		})
	}
}

// TestProbeInterrupted: who stops it finds nothing left behind.
func TestProbeInterrupted(t *testing.T) {
	web, pod := deployment("web")
	p, cluster := newFake(t, v1alpha1.PathStatus{State: v1alpha1.StatePending}, web, pod)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() {
		stopped <- p.probe(ctx, &bytes.Buffer{}, &bytes.Buffer{}, []string{"deploy/web", "apiserver"}, probeFlags{expect: "allow", timeout: time.Hour})
	}()
	var list v1alpha1.ConnectivityCheckList
	for len(list.Items) == 0 {
		if err := cluster.List(t.Context(), &list); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if err := cluster.List(t.Context(), &list); err != nil || len(list.Items) > 0 {
		t.Errorf("left behind: %v %v", list.Items, err)
	}
}

// TestInterruptedIsNoSuccess: a script must not take a command that was stopped
// for one that found everything well.
func TestInterruptedIsNoSuccess(t *testing.T) {
	for _, cmd := range userCommands(func() *plugin {
		p := newPlugin()
		p.connect = func() (client.WithWatch, string, error) { return nil, "", fmt.Errorf("asking: %w", context.Canceled) }
		return p
	}) {
		args := map[string][]string{"probe": {"deploy/web", "apiserver"}}[cmd.Name()]
		cmd.SilenceErrors, cmd.SilenceUsage = true, true
		cmd.SetArgs(append([]string{}, args...))
		if err := cmd.ExecuteContext(t.Context()); err == nil || errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v, which main ends with code 0", cmd.Name(), err)
		}
	}
}

// TestProbeInterruptedWhileMaking: the check may be there although the answer
// never came.
func TestProbeInterruptedWhileMaking(t *testing.T) {
	web, pod := deployment("web")
	p, cluster := newFake(t, v1alpha1.PathStatus{}, web, pod)
	ctx, cancel := context.WithCancel(t.Context())
	p.connect = func() (client.WithWatch, string, error) {
		return interceptor.NewClient(cluster, interceptor.Funcs{Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if err := c.Create(ctx, o, opts...); err != nil {
				return err
			}
			cancel()
			return ctx.Err()
		}}), "shop", nil
	}
	err := p.probe(ctx, &bytes.Buffer{}, &bytes.Buffer{}, []string{"deploy/web", "apiserver"}, probeFlags{expect: "allow", timeout: time.Hour})
	var left v1alpha1.ConnectivityCheckList
	if e := cluster.List(t.Context(), &left); err == nil || e != nil || len(left.Items) > 0 {
		t.Errorf("%v; left behind: %v %v", err, left.Items, e)
	}
}

// TestProbeSaysNothingThatMovesTheCursor: what a status says ends up in a
// terminal while the probe runs, too.
func TestProbeSaysNothingThatMovesTheCursor(t *testing.T) {
	web, pod := deployment("web")
	p, _ := newFake(t, v1alpha1.PathStatus{
		State: v1alpha1.StatePassing, Accepted: true, Reason: "a\x1b[2Jb", Message: "c\u202ed\u009b2Je",
		WorstPairs: []v1alpha1.WorstPair{{Source: "f\x1b[1A", Target: "g\r", Evidence: "h\u2066i"}},
	}, web, pod)
	var out, errOut bytes.Buffer
	if err := p.probe(t.Context(), &out, &errOut, []string{"deploy/web", "apiserver"}, probeFlags{expect: "allow", timeout: time.Minute}); err != nil {
		t.Fatal(err)
	}
	for _, r := range out.String() + errOut.String() {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Fatalf("%U in %q %q", r, out.String(), errOut.String())
		}
	}
}

// TestSuggestNowhere: a namespace that does not exist is no namespace without
// policies. Who may not read namespaces is told what there is all the same.
func TestSuggestNowhere(t *testing.T) {
	p, cluster := newFake(t, v1alpha1.PathStatus{})
	var out, errOut bytes.Buffer
	if err := p.suggest(t.Context(), &out, &errOut, "checks"); err == nil || err.Error() != "there is no namespace shop" || out.Len() > 0 {
		t.Errorf("%v, %q", err, out.String())
	}
	p.connect = func() (client.WithWatch, string, error) {
		return interceptor.NewClient(cluster, interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
				if _, ok := o.(*corev1.Namespace); ok {
					return apierrors.NewForbidden(corev1.Resource("namespaces"), key.Name, nil)
				}
				return c.Get(ctx, key, o, opts...)
			},
		}), "shop", nil
	}
	if err := p.suggest(t.Context(), &out, &errOut, "checks"); err != nil || !strings.Contains(errOut.String(), "namespace shop has no NetworkPolicies") {
		t.Errorf("%v, %q", err, errOut.String())
	}
}

func TestStatus(t *testing.T) {
	check := builders.MakeCheck("web").Namespace("shop").Declare("api", builders.FromPods(nil), builders.ToService("api", 80)).Obj()
	check.Status.Paths = []v1alpha1.PathStatus{{Name: "api", State: v1alpha1.StatePassing}}
	other := builders.MakeCheck("other").Namespace("vault").Path("db", builders.ToAPIServer()).Obj()
	p, _ := newFake(t, v1alpha1.PathStatus{}, check, other)
	var out bytes.Buffer
	if err := p.status(t.Context(), &out, false, nil); err != nil || out.String() != "Healthy: 1 path of 1 check\n" {
		t.Errorf("%v %q", err, out.String())
	}
	out.Reset()
	p.output = "json"
	var report struct{ Checks int }
	code := exitCode(0)
	if err := p.status(t.Context(), &out, true, nil); !errors.As(err, &code) || code != 3 || json.Unmarshal(out.Bytes(), &report) != nil || report.Checks != 2 {
		t.Errorf("%v %s", err, out.String())
	}
	if err := p.status(t.Context(), &out, false, []string{"web", "wev"}); err == nil || !strings.Contains(err.Error(), "there is no ConnectivityCheck wev here") {
		t.Errorf("%v", err)
	}
}

// TestStatusOfNothing: who looks at all namespaces is not told how to.
func TestStatusOfNothing(t *testing.T) {
	p, _ := newFake(t, v1alpha1.PathStatus{})
	for all, want := range map[bool]string{
		false: "There are no checks here: -A looks at all namespaces\n",
		true:  "There are no checks in any namespace: kubectl netladder suggest drafts some\n",
	} {
		var out bytes.Buffer
		if err := p.status(t.Context(), &out, all, nil); err != nil || out.String() != want {
			t.Errorf("-A %t: %v, %q, want %q", all, err, out.String(), want)
		}
	}
}

func TestComplete(t *testing.T) {
	web, pod := deployment("web")
	check := builders.MakeCheck("orders").Namespace("shop").Path("db", builders.ToAPIServer()).Obj()
	p, _ := newFake(t, v1alpha1.PathStatus{}, web, pod, check)
	for _, c := range []struct {
		args  []string
		begin string
		want  string
	}{
		{nil, "dep", "deploy/"}, {nil, "deploy/", "deploy/web"}, {nil, "pod/w", "pod/web-0"}, {nil, "nothing/", ""},
		{[]string{"pod/web-0"}, "m", "mesh"}, {[]string{"a", "b"}, "", ""},
	} {
		got, _ := p.completeEnds(probeCommand(p), c.args, c.begin)
		if strings.Join(got, " ") != c.want {
			t.Errorf("%q %q: %q, want %q", c.args, c.begin, got, c.want)
		}
	}
	if got, _ := p.completeChecks(statusCommand(p), nil, "o"); strings.Join(got, " ") != "orders" {
		t.Errorf("checks: %q", got)
	}
	if got, _ := p.completeChecks(statusCommand(p), []string{"orders"}, ""); len(got) != 0 {
		t.Errorf("again: %q", got)
	}
}

func TestUTF8Locale(t *testing.T) {
	for value, want := range map[string]bool{"en_US.UTF-8": true, "de_DE.utf8": true, "C": false, "": false} {
		if got := utf8Locale(func(name string) string { return map[string]string{"LANG": value}[name] }); got != want {
			t.Errorf("%q: %t", value, got)
		}
	}
}
