// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package draft

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/netladder/netladder/api/v1alpha1"
)

// Objects are the suggested checks, to be applied as they are.
func (d *Draft) Objects(namespace string) []v1alpha1.ConnectivityCheck {
	out := make([]v1alpha1.ConnectivityCheck, 0, len(d.Checks))
	for i := range d.Checks {
		c := v1alpha1.ConnectivityCheck{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "ConnectivityCheck"},
			ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: d.Checks[i].Name},
			Spec:       v1alpha1.ConnectivityCheckSpec{Interval: metav1.Duration{Duration: 10 * time.Second}},
		}
		for j := range d.Checks[i].Paths {
			c.Spec.Paths = append(c.Spec.Paths, d.Checks[i].Paths[j].Path)
		}
		out = append(out, c)
	}
	return out
}

// YAML of the suggested checks, with comments that say where each path is from.
func (d *Draft) YAML(namespace string) (string, error) {
	var b strings.Builder
	comment(&b, "", fmt.Sprintf("Suggested from the NetworkPolicies of namespace %s (policies: %d, workloads: %d).", namespace, d.Policies, d.Workloads))
	comment(&b, "", "Review it: what policies say need not be what was meant. It needs probers of level Full.")
	if len(d.Notes) > 0 {
		comment(&b, "", "")
		comment(&b, "", "Not tested:")
		for _, note := range d.Notes {
			comment(&b, "", "- "+note)
		}
	}
	for i, object := range d.Objects(namespace) {
		b.WriteString("---\n")
		comment(&b, "", d.Checks[i].About)
		fmt.Fprintf(&b, "apiVersion: %s\nkind: %s\nmetadata:\n  name: %s\n  namespace: %s\nspec:\n  interval: %s\n  paths:\n",
			object.APIVersion, object.Kind, scalar(object.Name), scalar(object.Namespace), object.Spec.Interval.Duration)
		for j := range d.Checks[i].Paths {
			p := &d.Checks[i].Paths[j]
			comment(&b, "  ", p.Why)
			fmt.Fprintf(&b, "  - name: %s\n", scalar(p.Name))
			for _, field := range []struct {
				name  string
				value any
			}{{"from", p.From}, {"to", p.To}, {"expect", p.Expect}} {
				text, err := flow(field.value)
				if err != nil {
					return "", fmt.Errorf("encoding path %s: %w", p.Name, err)
				}
				if text != `""` {
					fmt.Fprintf(&b, "    %s: %s\n", field.name, text)
				}
			}
		}
	}
	return b.String(), nil
}

// flow is a value as YAML on one line.
func flow(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", err
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var plain any
	if err := decoder.Decode(&plain); err != nil {
		return "", err
	}
	return inline(plain), nil
}

func inline(value any) string {
	switch v := value.(type) {
	case map[string]any:
		parts := make([]string, 0, len(v))
		for _, key := range slices.SortedFunc(maps.Keys(v), byReading) {
			parts = append(parts, inline(key)+": "+inline(v[key]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		parts := make([]string, len(v))
		for i := range v {
			parts[i] = inline(v[i])
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case string:
		return scalar(v)
	}
	return fmt.Sprint(value)
}

// scalar is a text with quotes where YAML would read something else.
func scalar(v string) string {
	text, err := yaml.Marshal(v)
	if err == nil && strings.TrimSuffix(string(text), "\n") == v && !strings.ContainsAny(v, ",[]{}:#") {
		return v
	}
	quoted, err := json.Marshal(v)
	if err != nil {
		return strconv.Quote(v)
	}
	return string(quoted)
}

// byReading orders fields as one reads them: which namespace and which pods
// before the port.
func byReading(a, b string) int {
	order := func(key string) int {
		if key == "port" || key == "protocol" || key == "transport" {
			return 1
		}
		return 0
	}
	return cmp.Or(order(a)-order(b), strings.Compare(a, b))
}

// commentWidth is how long a line of a comment is at most.
const commentWidth = 118

// comment writes a text as comments, on lines of their own: whatever is in it
// stays a comment.
func comment(b *strings.Builder, indent, text string) {
	line := "#"
	for _, word := range strings.Fields(text) {
		if len(line)+1+len(word) > commentWidth && line != "#" {
			b.WriteString(indent + line + "\n")
			line = "#"
			if strings.HasPrefix(text, "- ") {
				line = "#  "
			}
		}
		line += " " + word
	}
	b.WriteString(indent + line + "\n")
}
