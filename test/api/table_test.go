// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// testCase changes one valid object and says what the API server must answer.
type testCase struct {
	name   string
	mutate func(o map[string]any)
	// wantField and wantError are the field the server must name and a part
	// of its message; both empty when it must accept the object.
	wantField, wantError string
	// path and value are what mutate sets, where it is made of them.
	path  string
	value any
}

// set changes one value: path is written as the server writes it,
// spec.paths[0].name; a nil value removes the field, and null{} is an
// explicit null.
func set(path string, value any) func(map[string]any) {
	return func(o map[string]any) { assign(o, steps(path), value) }
}

type null struct{}

func both(edits ...func(map[string]any)) func(map[string]any) {
	return func(o map[string]any) {
		for _, edit := range edits {
			edit(o)
		}
	}
}

func accept(name, path string, value any) testCase {
	return testCase{name: name, mutate: set(path, value), path: path, value: value}
}

func refuse(name, path string, value any, wantError string) testCase {
	return testCase{name: name, mutate: set(path, value), path: path, value: value, wantField: path, wantError: wantError}
}

// elsewhere is refuse where the server names another field than the one set.
func elsewhere(name, path string, value any, wantField, wantError string) testCase {
	c := refuse(name, path, value, wantError)
	c.wantField = wantField
	return c
}

var stepPattern = regexp.MustCompile(`[^.\[\]]+`)

func steps(path string) []string { return stepPattern.FindAllString(path, -1) }

// assign returns in with the value at the end of steps replaced; it changes
// maps in place.
func assign(in any, steps []string, value any) any {
	if len(steps) == 0 {
		if value == (null{}) {
			return nil
		}
		return value
	}
	if list, ok := in.([]any); ok {
		i, err := strconv.Atoi(steps[0])
		if err != nil || i >= len(list) {
			panic(fmt.Sprintf("no item %s in a list of %d", steps[0], len(list)))
		}
		list[i] = assign(list[i], steps[1:], value)
		return list
	}
	object, ok := in.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	switch {
	case len(steps) == 1 && value == nil:
		delete(object, steps[0])
	default:
		object[steps[0]] = assign(object[steps[0]], steps[1:], value)
	}
	return object
}

// between covers a minimum and a maximum.
func between(path string, lowest, highest int64) []testCase {
	return []testCase{
		accept(path+" lowest", path, lowest),
		accept(path+" highest", path, highest),
		refuse(path+" too low", path, lowest-1, fmt.Sprintf("should be greater than or equal to %d", lowest)),
		refuse(path+" too high", path, highest+1, fmt.Sprintf("should be less than or equal to %d", highest)),
		refuse(path+" not whole", path, 1.5, "must be of type int"),
	}
}

// atMost covers a maxLength of a string.
func atMost(path string, length int) []testCase {
	return []testCase{
		accept(path+" longest", path, strings.Repeat("a", length)),
		refuse(path+" too long", path, strings.Repeat("a", length+1), fmt.Sprintf("may not be more than %d bytes", length)),
	}
}

// oneOf covers an enum.
func oneOf(path string, values ...string) []testCase {
	quoted := make([]string, 0, len(values))
	cases := make([]testCase, 0, len(values)+2)
	for _, v := range values {
		cases = append(cases, accept(path+" "+v, path, v))
		quoted = append(quoted, strconv.Quote(v))
	}
	supported := "supported values: " + strings.Join(quoted, ", ")
	return append(cases,
		refuse(path+" unknown value", path, "Nonsense", supported),
		refuse(path+" wrong case", path, strings.ToLower(values[0]), supported))
}

// required covers a required field.
func required(path string) testCase {
	return refuse(path+" missing", path, nil, "Required value")
}

// itemsAtMost covers maxItems of a list whose items the function makes.
func itemsAtMost(path string, most int, item func(i int) any) []testCase {
	list := func(n int) []any {
		out := make([]any, n)
		for i := range out {
			out[i] = item(i)
		}
		return out
	}
	return []testCase{
		accept(path+" most items", path, list(most)),
		refuse(path+" too many items", path, list(most+1), fmt.Sprintf("Too many: %d: must have at most %d items", most+1, most)),
	}
}

// suite runs cases against one kind of object; write sends an object and
// leaves the server's answer in it.
type suite struct {
	base  *unstructured.Unstructured
	write func(t *testing.T, o *unstructured.Unstructured) error
	// typed returns an empty typed object, and rewrite sends one back.
	typed   func() client.Object
	rewrite func(t *testing.T, o client.Object) error
	seen    *evidence
}

func (s suite) run(t *testing.T, cases []testCase) {
	t.Helper()
	names := map[string]bool{}
	t.Run("cases", func(t *testing.T) {
		for _, c := range append(cases, testCase{name: "base", mutate: func(map[string]any) {}}) {
			if names[c.name] {
				t.Fatalf("two cases are named %q", c.name)
			}
			names[c.name] = true
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				s.check(t, c)
			})
		}
	})
}

func (s suite) check(t *testing.T, c testCase) {
	o := s.base.DeepCopy()
	c.mutate(o.Object)
	err := s.write(t, o)
	if c.wantError == "" {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		s.roundTrip(t, o)
		s.seen.accepted(o.Object)
		return
	}
	if err == nil {
		t.Fatalf("accepted; want an error at %s with %q", c.wantField, c.wantError)
	}
	for _, cause := range causes(err) {
		if cause.Field == c.wantField && strings.Contains(cause.Message, c.wantError) {
			// Only what the case spells out counts as shown.
			cause.Message = c.wantError
			s.seen.refused(cause)
			return
		}
	}
	t.Fatalf("got:  %v\nwant: %s: %s", err, c.wantField, c.wantError)
}

// roundTrip proves that what the server stores can be read and written by
// programs that use the Go types.
func (s suite) roundTrip(t *testing.T, stored *unstructured.Unstructured) {
	t.Helper()
	data, err := json.Marshal(stored)
	if err != nil {
		t.Fatal(err)
	}
	first, second := s.typed(), s.typed()
	if err := json.Unmarshal(data, first); err != nil {
		t.Fatalf("the server accepts what Go cannot decode: %v", err)
	}
	sent, ok := first.DeepCopyObject().(client.Object)
	if !ok {
		t.Fatalf("%T is no object", first)
	}
	if err := s.rewrite(t, sent); err != nil {
		t.Fatalf("the server refuses what Go makes of an accepted object: %v", err)
	}
	again, err := json.Marshal(sent)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(again, second); err != nil {
		t.Fatal(err)
	}
	for _, o := range []client.Object{first, second} {
		o.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
		o.SetManagedFields(nil)
		o.SetResourceVersion("")
		o.SetUID("")
		o.SetCreationTimestamp(metav1.Time{})
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Fatalf("a round trip through the Go types changed the object (-before +after):\n%s", diff)
	}
}

// causes returns what is wrong with which field, from an API error.
func causes(err error) []metav1.StatusCause {
	var status apierrors.APIStatus
	if !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	return status.Status().Details.Causes
}

// remove deletes an object that a test made; the test's own context is over
// when it is cleaned up.
func remove(t *testing.T, c client.Client, o client.Object) {
	t.Helper()
	if err := c.Delete(context.Background(), o); err != nil {
		t.Error(err)
	}
}

// normal is a value as YAML reads it, so that numbers have one type.
func normal(t *testing.T, value any) map[string]any {
	t.Helper()
	data, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := yaml.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// child is one step into a value; nil where there is none.
func child(value any, step string) any {
	switch v := value.(type) {
	case map[string]any:
		return v[step]
	case []any:
		if i, err := strconv.Atoi(step); err == nil && i < len(v) {
			return v[i]
		}
	}
	return nil
}

// eventually repeats try until it succeeds; the API server serves a changed
// CRD only after a moment.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	var last error
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(context.Context) (bool, error) {
		last = try()
		return last == nil, nil
	})
	if err != nil {
		t.Fatalf("%v: %v", err, last)
	}
}

func concat(groups ...[]testCase) []testCase {
	var out []testCase
	for _, g := range groups {
		out = append(out, g...)
	}
	return out
}
