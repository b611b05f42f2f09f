// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/time/rate"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/netladder/netladder/api/v1alpha1"
	apply "github.com/netladder/netladder/api/v1alpha1/applyconfiguration/api/v1alpha1"
	"github.com/netladder/netladder/test/builders"
)

// tap lets a test do something about the controller's requests; what it
// returns instead of nil is their end.
type tap struct {
	http.RoundTripper
	request func(*http.Request) error
	// response, if there is one, may turn an answer into an error.
	response func(*http.Request, *http.Response) error
}

func (t *tap) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.request != nil {
		if err := t.request(r); err != nil {
			return nil, err
		}
	}
	response, err := t.RoundTripper.RoundTrip(r)
	if err == nil && t.response != nil {
		if err := t.response(r, response); err != nil {
			return nil, errors.Join(err, response.Body.Close())
		}
	}
	return response, err
}

// tapped is the API server behind a tap.
func tapped(request func(*http.Request) error, response func(*http.Request, *http.Response) error) *rest.Config {
	config := rest.CopyConfig(apiServer)
	config.Wrap(func(rt http.RoundTripper) http.RoundTripper {
		return &tap{RoundTripper: rt, request: request, response: response}
	})
	return config
}

// TestSlowWriteBlocksOnlyItself: while a write hangs, the controller sees and
// tells what happens in the rest of the cluster.
func TestSlowWriteBlocksOnlyItself(t *testing.T) {
	h, nodes := meshCluster(t)
	release, hanging := make(chan struct{}), make(chan struct{})
	var once sync.Once
	hang := false
	var mu sync.Mutex
	h.options.RESTConfig = tapped(func(r *http.Request) error {
		mu.Lock()
		stop := hang && r.Method == http.MethodPatch && strings.HasSuffix(r.URL.Path, "/probeassignments/"+nodes[0])
		mu.Unlock()
		if stop {
			once.Do(func() { close(hanging) })
			<-release // whatever the request's context says
		}
		return nil
	}, nil)
	free := sync.OnceFunc(func() { close(release) })
	t.Cleanup(free)
	h.start()
	h.assigned(nodes, 1)
	h.reportAll(nodes)
	h.readyIs("mesh", metav1.ConditionTrue, "")
	h.clock.Step(2 * time.Minute)
	h.reportAll(nodes)

	mu.Lock()
	hang = true
	mu.Unlock()
	h.create(builders.MakeCheck("more").Namespace(h.namespace).Path("any", builders.ToMesh(v1alpha1.MeshScopeAny)).Obj())
	h.eventually("the write to hang", func() error {
		select {
		case <-hanging:
			return nil
		default:
			return errors.New("not yet")
		}
	})
	h.report(nodes[0]) // the observer wants to read what is being written
	h.pass(time.Second)
	h.report(nodes[1], "cross")
	h.readyIs("mesh", metav1.ConditionFalse, v1alpha1.ReasonPathsFailing)
	free()
	h.assigned(nodes, 2)
}

// TestWritesEnd: no write takes longer than it may.
func TestWritesEnd(t *testing.T) {
	config := tapped(func(r *http.Request) error {
		<-r.Context().Done()
		return r.Context().Err()
	}, nil)
	h := newCluster(t)
	c, err := client.New(config, client.Options{Scheme: h.client.Scheme(), Mapper: h.client.RESTMapper()})
	must(t, err)
	w := &writer{client: c, plain: c, metrics: newMetrics(), timeout: 50 * time.Millisecond, budgets: map[string]*rate.Limiter{
		writeEvent: rate.NewLimiter(rate.Inf, 1),
	}}
	object := &v1alpha1.ProbeAssignment{ObjectMeta: metav1.ObjectMeta{Name: "node0"}}
	for name, write := range map[string]func(context.Context) error{
		"apply":        func(ctx context.Context) error { return w.apply(ctx, writeEvent, apply.ProbeAssignment("node0")) },
		"apply status": func(ctx context.Context) error { return w.applyStatus(ctx, writeEvent, apply.ProbeAssignment("node0")) },
		"create":       func(ctx context.Context) error { return w.create(ctx, writeEvent, object.DeepCopy()) },
		"delete":       func(ctx context.Context) error { return w.delete(ctx, writeEvent, object, "uid") },
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := write(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("it ended with %v", err)
			}
			if ctx.Err() != nil {
				t.Error("it did not end by itself")
			}
		})
	}
}
