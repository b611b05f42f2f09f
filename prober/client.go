// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"

	"github.com/netladder/netladder/api/v1alpha1"
	"github.com/netladder/netladder/prober/report"
)

const (
	assignments = "probeassignments"
	listTimeout = 10 * time.Second
	// A prober asks again at least this often while the API server is away.
	maxWatchBackoff = 5 * time.Second
)

// apiClient reads and reports on the assignment of one node. It knows the
// types of this project and no others, which keeps it small.
type apiClient struct {
	node   string
	client *rest.RESTClient
	params runtime.ParameterCodec

	// Only the watch touches these, which makes one request at a time.
	away      bool          // the last request failed
	heartbeat time.Duration // of the last assignment
}

func newAPIClient(config *rest.Config, node string) (*apiClient, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("scheme: %w", err)
	}
	config = rest.CopyConfig(config)
	config.GroupVersion = &v1alpha1.GroupVersion
	config.APIPath = "/apis"
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	config.UserAgent = v1alpha1.ProberName
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("API client: %w", err)
	}
	return &apiClient{node: node, client: client, params: runtime.NewParameterCodec(scheme)}, nil
}

// watch calls assigned with the node's assignment, nil for none, now and
// whenever it changes, until ctx ends. While the API server cannot be reached
// it tries again.
func (c *apiClient) watch(ctx context.Context, log logr.Logger, assigned func(*v1alpha1.ProbeAssignment)) {
	selector := fields.OneTermEqualSelector("metadata.name", c.node).String()
	request := func(o metav1.ListOptions) *rest.Request {
		o.FieldSelector = selector
		return c.client.Get().Resource(assignments).VersionedParams(&o, c.params)
	}
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			c.spread(ctx)
			ctx, cancel := context.WithTimeout(ctx, listTimeout)
			defer cancel()
			list := &v1alpha1.ProbeAssignmentList{}
			err := request(o).Do(ctx).Into(list)
			c.away = err != nil
			return list, err
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			c.spread(ctx)
			o.Watch = true
			w, err := request(o).Watch(ctx)
			c.away = err != nil
			return w, err
		},
	}
	noted := func(a *v1alpha1.ProbeAssignment) {
		if a != nil {
			c.heartbeat = a.Spec.Heartbeat.Duration
		}
		assigned(a)
	}
	reflector := cache.NewReflectorWithOptions(lw, &v1alpha1.ProbeAssignment{}, store(noted), cache.ReflectorOptions{
		Name: c.node, Logger: &log,
		Backoff: &wait.Backoff{Duration: 500 * time.Millisecond, Factor: 2, Jitter: 0.5, Steps: 8, Cap: maxWatchBackoff},
	})
	reflector.RunWithContext(klog.NewContext(ctx, log))
}

// spread waits before a request that follows a failed one, on top of the
// reflector's own backoff, by what the size of the fleet asks for.
func (c *apiClient) spread(ctx context.Context) {
	pause := report.MaxBackoff(c.heartbeat) - maxWatchBackoff
	if !c.away || pause <= 0 {
		return
	}
	timer := time.NewTimer(rand.N(pause))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// WriteStatus replaces what this prober owns of its assignment's status. It
// never creates the object.
func (c *apiClient) WriteStatus(ctx context.Context, s *v1alpha1.ProbeAssignmentStatus) error {
	body, err := json.Marshal(struct {
		metav1.TypeMeta `json:",inline"`
		Metadata        map[string]string               `json:"metadata"`
		Status          *v1alpha1.ProbeAssignmentStatus `json:"status"`
	}{
		metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ProbeAssignment"},
		map[string]string{"name": c.node}, s,
	})
	if err != nil {
		return fmt.Errorf("status of assignment %s: %w", c.node, err)
	}
	err = c.client.Patch(types.ApplyPatchType).Resource(assignments).Name(c.node).SubResource("status").
		Param("fieldManager", v1alpha1.FieldOwnerProber).Param("force", "true").Body(body).Do(ctx).Error()
	if err != nil {
		return fmt.Errorf("status of assignment %s: %w", c.node, err)
	}
	return nil
}

// store receives what a reflector sees of at most one object; it keeps
// nothing.
type store func(*v1alpha1.ProbeAssignment)

// Add is called when the object appears.
func (s store) Add(obj any) error {
	a, ok := obj.(*v1alpha1.ProbeAssignment)
	if !ok {
		return fmt.Errorf("a %T is no assignment", obj)
	}
	s(a)
	return nil
}

// Update is called when the object changes.
func (s store) Update(obj any) error { return s.Add(obj) }

// Delete is called when the object is gone.
func (s store) Delete(any) error {
	s(nil)
	return nil
}

// Replace is called with all objects after each list.
func (s store) Replace(list []any, _ string) error {
	if len(list) == 0 {
		return s.Delete(nil)
	}
	return s.Add(list[0])
}

// Resync has nothing to do.
func (s store) Resync() error { return nil }
