// Copyright The Netladder Authors.
// SPDX-License-Identifier: Apache-2.0

package audit

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/netladder/netladder/controllers/plan"
)

// maxSelector is the length of a selector in a message, in bytes.
const maxSelector = 160

// selectorText is a selector as kubectl writes it: app=payment.
func selectorText(s *metav1.LabelSelector) string {
	return cutText(metav1.FormatLabelSelector(s), maxSelector)
}

// selectorYAML is a selector as it is written in a policy.
func selectorYAML(s *metav1.LabelSelector) string {
	if len(s.MatchExpressions) > 0 {
		text, err := json.Marshal(s)
		if err != nil {
			return selectorText(s)
		}
		return cutText(string(text), maxSelector)
	}
	if len(s.MatchLabels) == 0 {
		return "{}"
	}
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(s.MatchLabels)) {
		parts = append(parts, key+": "+scalar(s.MatchLabels[key]))
	}
	return cutText("{matchLabels: {"+strings.Join(parts, ", ")+"}}", maxSelector)
}

// scalar is a label's value in YAML, where it is to remain a string.
func scalar(s string) string {
	plain := s != "" && s[0] >= 'a' && s[0] <= 'z' && strings.ToLower(s) == s
	switch s {
	case "true", "false", "yes", "no", "on", "off", "null", "y", "n":
		plain = false
	}
	if plain {
		return s
	}
	return fmt.Sprintf("%q", s)
}

// maxNamed is how many kinds of pods a message names.
const maxNamed = 3

// described are pods by the labels that say which application they are of, so
// that a rollout does not change the words.
func described(pods []*plan.Pod) string {
	names := map[string]bool{}
	for _, p := range pods {
		names[application(p)] = true
	}
	sorted := slices.Sorted(maps.Keys(names))
	text := strings.Join(sorted[:min(len(sorted), maxNamed)], ", ")
	if more := len(sorted) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// application that a pod is of: the label that names it, else its own name.
func application(p *plan.Pod) string {
	for _, key := range []string{"app.kubernetes.io/name", "app", "k8s-app", "name", "run", "app.kubernetes.io/component", "component", "role"} {
		if value := p.Labels[key]; value != "" {
			return key + "=" + value
		}
	}
	return "the pod " + p.Key.Name
}

// policyNames of a list, for a message.
func policyNames(list []*networkingv1.NetworkPolicy) string {
	names := make([]string, 0, maxNamed)
	for _, p := range list[:min(len(list), maxNamed)] {
		names = append(names, cutText(p.Name, 64))
	}
	text := strings.Join(names, ", ")
	if more := len(list) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// cutText shortens text to limit bytes without breaking a character.
func cutText(text string, limit int) string {
	text = strings.ToValidUTF8(text, "")
	if len(text) <= limit {
		return text
	}
	return strings.ToValidUTF8(text[:limit-3], "") + "..."
}
