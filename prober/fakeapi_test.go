// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package prober

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"github.com/netladder/netladder/api/v1alpha1"
)

// fakeAPI speaks as much of the Kubernetes API as a prober needs: list and
// watch of one ProbeAssignment, and server-side apply of its status.
type fakeAPI struct {
	t       *testing.T
	url     string
	reports chan v1alpha1.ProbeAssignmentStatus

	mu      sync.Mutex
	away    bool
	version int
	object  *v1alpha1.ProbeAssignment
	// changed is closed and replaced at each change.
	changed chan struct{}
	kick    chan struct{}
}

func newFakeAPI(t *testing.T) *fakeAPI {
	t.Helper()
	f := &fakeAPI{
		t: t, reports: make(chan v1alpha1.ProbeAssignmentStatus, 1000), version: 1,
		changed: make(chan struct{}), kick: make(chan struct{}),
	}
	s := httptest.NewServer(f)
	f.url = s.URL
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return f
}

func (f *fakeAPI) config() *rest.Config { return &rest.Config{Host: f.url, QPS: -1} }

// set changes the object as a controller would; nil deletes it.
func (f *fakeAPI) set(change func(a *v1alpha1.ProbeAssignment) *v1alpha1.ProbeAssignment) {
	f.mu.Lock()
	defer f.mu.Unlock()
	a := &v1alpha1.ProbeAssignment{}
	if f.object != nil {
		a = f.object.DeepCopy()
	}
	f.object = change(a)
	f.bump()
}

func (f *fakeAPI) bump() {
	f.version++
	if f.object != nil {
		f.object.TypeMeta = metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ProbeAssignment"}
		f.object.Name, f.object.ResourceVersion = "node0", fmt.Sprint(f.version)
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// setAway makes the server refuse everything and end all watches.
func (f *fakeAPI) setAway(away bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.away = away
	if away {
		close(f.kick)
		f.kick = make(chan struct{})
	}
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	away := f.away
	f.mu.Unlock()
	query := r.URL.Query()
	switch {
	case away:
		http.Error(w, "away", http.StatusServiceUnavailable)
	case r.Method == http.MethodPatch && r.URL.Path == "/apis/netladder.io/v1alpha1/probeassignments/node0/status":
		f.apply(w, r)
	case r.Method != http.MethodGet || r.URL.Path != "/apis/netladder.io/v1alpha1/probeassignments" ||
		query.Get("fieldSelector") != "metadata.name=node0":
		f.t.Errorf("a prober must not ask for %s %s", r.Method, r.URL)
		http.Error(w, "no", http.StatusForbidden)
	case query.Get("sendInitialEvents") != "":
		http.Error(w, "no streaming lists here", http.StatusUnprocessableEntity)
	case query.Get("watch") != "":
		f.watch(w, r)
	default:
		f.list(w)
	}
}

func (f *fakeAPI) list(w http.ResponseWriter) {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := v1alpha1.ProbeAssignmentList{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ProbeAssignmentList"},
		ListMeta: metav1.ListMeta{ResourceVersion: fmt.Sprint(f.version)},
	}
	if f.object != nil {
		list.Items = append(list.Items, *f.object)
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(list)
}

func (f *fakeAPI) watch(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	flush := http.NewResponseController(w)
	from := r.URL.Query().Get("resourceVersion")
	for {
		f.mu.Lock()
		changed, kick, version := f.changed, f.kick, fmt.Sprint(f.version)
		event := map[string]any{"type": "MODIFIED", "object": f.object}
		if f.object == nil {
			event = map[string]any{"type": "DELETED", "object": &v1alpha1.ProbeAssignment{
				TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ProbeAssignment"},
				ObjectMeta: metav1.ObjectMeta{Name: "node0", ResourceVersion: version},
			}}
		}
		text, err := json.Marshal(event)
		f.mu.Unlock()
		if err != nil {
			return
		}
		if version != from {
			from = version
			if _, err := w.Write(text); err != nil {
				return
			}
		}
		if flush.Flush() != nil {
			return
		}
		select {
		case <-changed:
		case <-kick:
			return
		case <-r.Context().Done():
			return
		}
	}
}

func (f *fakeAPI) apply(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var applied v1alpha1.ProbeAssignment
	if err == nil {
		err = json.Unmarshal(body, &applied)
	}
	var fields map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(body, &fields)
	}
	q := r.URL.Query()
	_, spec := fields["spec"]
	if err != nil || spec || applied.Name != "node0" || applied.Kind != "ProbeAssignment" || q.Get("force") != "true" ||
		q.Get("fieldManager") != v1alpha1.FieldOwnerProber || r.Header.Get("Content-Type") != "application/apply-patch+yaml" {
		f.t.Errorf("wrong apply %s %s: %s (%v)", r.URL, r.Header, body, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.object == nil {
		http.Error(w, "no such assignment", http.StatusNotFound)
		return
	}
	f.object = f.object.DeepCopy()
	f.object.Status = applied.Status
	f.bump()
	f.reports <- applied.Status
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(f.object)
}
