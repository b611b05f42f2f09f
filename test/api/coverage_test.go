// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package api_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// evidence collects which limits the cases have shown to work.
type evidence struct {
	mu sync.Mutex
	// values holds, for each field ever accepted, what it held: numbers and
	// strings as they are, and for lengths "len=N".
	values map[string]map[string]bool
	// causes of refusals that a case asked for.
	causes []metav1.StatusCause
}

func newEvidence() *evidence { return &evidence{values: map[string]map[string]bool{}} }

var index = regexp.MustCompile(`\[[^\]]*\]`)

// schemaPath turns a field of an object into its place in the schema.
func schemaPath(field string) string { return index.ReplaceAllString(field, "[]") }

func (e *evidence) refused(cause metav1.StatusCause) {
	e.mu.Lock()
	defer e.mu.Unlock()
	cause.Field = schemaPath(cause.Field)
	e.causes = append(e.causes, cause)
}

func (e *evidence) accepted(o map[string]any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.note("", o)
}

func (e *evidence) note(path string, value any) {
	if e.values[path] == nil {
		e.values[path] = map[string]bool{}
	}
	switch v := value.(type) {
	case map[string]any:
		for key, field := range v {
			e.note(strings.TrimPrefix(path+"."+key, "."), field)
		}
	case []any:
		e.values[path][fmt.Sprintf("len=%d", len(v))] = true
		for _, item := range v {
			e.note(path+"[]", item)
		}
	case string:
		e.values[path][fmt.Sprintf("len=%d", utf8.RuneCountInString(v))] = true
		e.values[path][v] = true
	default:
		e.values[path][fmt.Sprint(v)] = true
	}
}

// foreign are types that Kubernetes itself owns and tests.
var foreign = regexp.MustCompile(`(^|\.)(metadata|apiVersion|kind)$|(node|pod|namespace)Selector\.|conditions\[\]`)

// limit is one thing that a schema says about a field.
type limit struct {
	path, name string
	// accepted is what an accepted object must have held, if anything.
	accepted []string
	// cause and message are what a refused object must have been told.
	cause   metav1.CauseType
	message string
}

// limits walks a schema.
func limits(path string, s *apiextensionsv1.JSONSchemaProps) []limit {
	var out []limit
	for _, rule := range s.XValidations {
		at := path
		if rule.FieldPath != "" {
			at = path + rule.FieldPath
		}
		out = append(out, limit{path: at, name: "rule", message: rule.Message})
	}
	if foreign.MatchString(path) {
		return out
	}
	out = append(out, valueLimits(path, s)...)
	for _, name := range s.Required {
		if !foreign.MatchString(join(path, name)) {
			out = append(out, limit{path: join(path, name), name: "required", cause: metav1.CauseTypeFieldValueRequired})
		}
	}
	for name := range s.Properties {
		property := s.Properties[name]
		out = append(out, limits(join(path, name), &property)...)
	}
	if s.Items != nil {
		out = append(out, limits(path+"[]", s.Items.Schema)...)
	}
	return out
}

func join(path, name string) string { return strings.TrimPrefix(path+"."+name, ".") }

func valueLimits(path string, s *apiextensionsv1.JSONSchemaProps) []limit {
	var out []limit
	invalid := func(name, message string, accepted ...string) {
		out = append(out, limit{path: path, name: name, cause: metav1.CauseTypeFieldValueInvalid, message: message, accepted: accepted})
	}
	if s.Minimum != nil {
		invalid("minimum", "greater than or equal to", fmt.Sprint(int64(*s.Minimum)))
	}
	if s.Maximum != nil {
		invalid("maximum", "less than or equal to", fmt.Sprint(int64(*s.Maximum)))
	}
	if s.MinLength != nil {
		invalid("minLength", "chars long", fmt.Sprintf("len=%d", *s.MinLength))
	}
	if s.MinItems != nil {
		invalid("minItems", "should have at least", fmt.Sprintf("len=%d", *s.MinItems))
	}
	if s.Pattern != "" {
		invalid("pattern", "should match")
	}
	if s.Format == "date-time" {
		out = append(out, limit{path: path, name: "format", cause: "FieldValueTypeInvalid", message: "must be of type date-time"})
	}
	if s.MaxLength != nil {
		out = append(out, limit{path: path, name: "maxLength", cause: "FieldValueTooLong", accepted: []string{fmt.Sprintf("len=%d", *s.MaxLength)}})
	}
	if s.MaxItems != nil {
		out = append(out, limit{path: path, name: "maxItems", cause: "FieldValueTooMany", accepted: []string{fmt.Sprintf("len=%d", *s.MaxItems)}})
	}
	if len(s.Enum) > 0 {
		l := limit{path: path, name: "enum", cause: metav1.CauseTypeFieldValueNotSupported}
		for _, v := range s.Enum {
			l.accepted = append(l.accepted, strings.Trim(string(v.Raw), `"`))
		}
		out = append(out, l)
	}
	if s.XListType != nil && *s.XListType != "atomic" {
		out = append(out, limit{path: path + "[]", name: "unique", cause: metav1.CauseTypeFieldValueDuplicate})
	}
	return out
}

// complete fails for every limit under prefix without a case on either side,
// and for every field that no accepted object had.
func (e *evidence) complete(t *testing.T, schema *apiextensionsv1.JSONSchemaProps, prefix string) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, l := range limits("", schema) {
		if !strings.HasPrefix(l.path, prefix) && l.path != "" {
			continue
		}
		if l.path == "" && prefix != "spec" {
			continue
		}
		if !slices.ContainsFunc(e.causes, l.shownBy) {
			t.Errorf("no case is refused by %s of %s %s", l.name, l.path, l.message)
		}
		for _, value := range l.accepted {
			if !e.values[l.path][value] {
				t.Errorf("no case shows that %s of %s accepts %s", l.name, l.path, value)
			}
		}
	}
	for _, path := range fields("", schema) {
		if strings.HasPrefix(path, prefix) && e.values[path] == nil {
			t.Errorf("no accepted case has the field %s", path)
		}
	}
}

func (l limit) shownBy(c metav1.StatusCause) bool {
	if l.name == "rule" {
		return c.Message == l.message && (c.Field == l.path || c.Field == "<nil>")
	}
	return c.Field == l.path && c.Type == l.cause && strings.Contains(c.Message, l.message)
}

// fields lists the places of a schema that hold values.
func fields(path string, s *apiextensionsv1.JSONSchemaProps) []string {
	if foreign.MatchString(path) {
		return nil
	}
	out := []string{path}
	for name := range s.Properties {
		property := s.Properties[name]
		out = append(out, fields(join(path, name), &property)...)
	}
	if s.Items != nil {
		out = append(out, fields(path+"[]", s.Items.Schema)...)
	}
	return out
}
